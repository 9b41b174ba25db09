"""One small question over a unix socket, without an HTTP library: the supervisor has none."""

from __future__ import annotations

import asyncio
from pathlib import Path


async def asked(path: Path, what: str, *, timeout_s: float) -> str | None:
    """The body of the answer to ``GET what``; None when there is none with status 200 in time."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"GET {what} HTTP/1.0\r\nHost: local\r\n\r\n".encode())
                answer = (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except (TimeoutError, OSError):
        return None
    head, _, body = answer.partition("\r\n\r\n")
    return body if head.split(" ", 2)[1:2] == ["200"] else None
