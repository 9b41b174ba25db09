"""dcos-history as a process beside a real Mesos master, without one, and through a restart of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.testing import zookeeper
from dcos.testing.patience import PATIENCE_S
from tests.integration.master.conftest import MasterProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=zookeeper.why_not() or ""),
]

START = "import sys; from dcos.node.history.service import main; sys.exit(main())"
Get = Callable[[str], Any]


@contextlib.asynccontextmanager
async def history(root: Path, zk: str) -> AsyncIterator[Get]:
    """The service while the block runs; gives what asks it."""
    path = root / "run/dcos/dcos-history.sock"
    words = [f"--zk=zk://{zk}/mesos"]
    process = subprocess.Popen([sys.executable, "-c", START, *words], env={**os.environ, "DCOS_ROOT": str(root)})
    try:
        await eventually("its socket", lambda: path.exists() or None)
        async with aiohttp.ClientSession("http://history", connector=aiohttp.UnixConnector(str(path))) as session:

            async def get(name: str) -> Any:
                async with session.get(f"/history/{name}") as answer:
                    assert answer.status == 200
                    return await answer.json()

            yield get
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


async def eventually(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = look()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"not seen: {what}"
        await asyncio.sleep(0.1)


async def test_the_summary_of_the_leader_is_kept(tmp_path: Path) -> None:
    with zookeeper.ensemble(tmp_path / "zk") as servers:
        master = MasterProcess(servers.hosts, "/mesos", tmp_path)
        try:
            await master.until_leading()
            async with history(tmp_path, servers.hosts) as get:
                last = await eventually("a summary", lambda: get("last"))
                assert (last["cluster"], last["frameworks"]) == ("test", [])

                async def of_minute(count: int) -> list[Any] | None:
                    minute = await get("minute")
                    assert len(minute) == 30
                    found = [one for one in minute if one]
                    return found if len(found) >= count else None

                kept = await eventually("two samples", lambda: of_minute(2))
                assert all(one["cluster"] == "test" for one in kept)
                hour = await get("hour")
                assert len(hour) == 60
                assert any(one.get("cluster") == "test" for one in hour)

                master.stop()

                async def is_gap() -> bool:
                    return await get("last") == {}

                await eventually("a gap", is_gap)
            async with history(tmp_path, servers.hosts) as get:
                assert any(one.get("cluster") == "test" for one in await get("hour")), "it outlives the service"
        finally:
            master.kill()
