"""ZooKeeper's four-letter words over TCP."""

from __future__ import annotations

import asyncio
import contextlib

from dcos.exhibitor.core.monitor import InstanceState, state_from
from dcos.runtime.tls import own

WORDS = frozenset(
    ("stat", "ruok", "reqs", "dump", "conf", "cons", "srvr", "wchs", "wchc", "wchp", "mntr", "envi", "isro")
)


async def ask(host: str, port: int, word: str, *, timeout_s: float) -> str:
    """The answer, empty if there is none in time."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            identity = own()
            tls = identity.client if identity is not None and identity.asks else None
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
            writer.write(word.encode())
            return (await reader.read(-1)).decode(errors="replace")
    except (OSError, TimeoutError):
        return ""
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def state_of(host: str, port: int, *, timeout_s: float) -> tuple[InstanceState, bool]:
    """(state, is it the leader) of the server there."""
    ruok = await ask(host, port, "ruok", timeout_s=timeout_s)
    return state_from(ruok, await ask(host, port, "srvr", timeout_s=timeout_s) if ruok else "")
