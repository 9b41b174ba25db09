"""A server of FTP (RFC 959, RFC 2428) that hands out a few files to anybody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

PLAIN_REPLIES = {
    "USER": "331 and the password",
    "PASS": "230 come in",
    "PWD": '257 "/"',
    "CWD": "250 there",
    "TYPE": "200 as you like",
}


@contextlib.asynccontextmanager
async def serving(files: Mapping[str, bytes]) -> AsyncIterator[str]:
    """Its URL, for as long as the block runs."""
    sessions: set[asyncio.Task[None] | None] = set()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sessions.add(asyncio.current_task())
        data: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        async with contextlib.AsyncExitStack() as stack:

            async def leave(one: asyncio.StreamWriter) -> None:
                one.close()
                with contextlib.suppress(OSError):
                    await one.wait_closed()

            def arrived(_: asyncio.StreamReader, one: asyncio.StreamWriter) -> None:
                stack.push_async_callback(leave, one)
                data.put_nowait(one)

            stack.push_async_callback(leave, writer)
            writer.write(b"220 hello\r\n")
            while line := (await reader.readline()).decode().strip():
                command, _, name = line.partition(" ")
                content = files.get(name)
                match command:
                    case "EPSV":
                        passive = await asyncio.start_server(arrived, "127.0.0.1", 0)
                        stack.callback(passive.close)
                        port = passive.sockets[0].getsockname()[1]
                        reply = f"229 Entering (|||{port}|)"
                    case "SIZE" | "RETR" if content is None:
                        reply = "550 no such file"
                    case "SIZE":
                        reply = f"213 {len(content or b'')}"
                    case "RETR":
                        writer.write(b"150 here it comes\r\n")
                        to = await data.get()
                        to.write(content or b"")
                        await to.drain()
                        to.close()
                        reply = "226 that was all"
                    case _:
                        reply = PLAIN_REPLIES.get(command, "502 not here")
                writer.write(f"{reply}\r\n".encode())
                await writer.drain()
                if command == "QUIT":
                    return

    server = await asyncio.start_server(session, "127.0.0.1", 0)
    async with server:
        yield f"ftp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    await asyncio.gather(*(one for one in sessions if one is not None))
