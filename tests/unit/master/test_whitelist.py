"""The file of hosts whose agents are offered: told when it changes, left alone when it cannot be read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dcos.master import service
from dcos.master.core.events import Event, Whitelist
from dcos.testing.patience import PATIENCE_S
from tests.unit.master.served import serving


async def test_changes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "WHITELIST_EVERY_S", 0.01)
    file = tmp_path / "hosts"
    seen: asyncio.Queue[frozenset[str] | None] = asyncio.Queue()
    async with serving() as master:
        put = master.api.writer.put

        def spy(event: Event) -> None:
            if isinstance(event, Whitelist):
                seen.put_nowait(event.hosts)
            put(event)

        monkeypatch.setattr(master.api.writer, "put", spy)
        watching = asyncio.create_task(service.watch_whitelist(file, master.api.writer))
        try:
            async with asyncio.timeout(PATIENCE_S):
                file.write_text("a\n\n b \n")
                assert await seen.get() == {"a", "b"}
                file.unlink()
                file.write_text("b\n")
                while await seen.get() != {"b"}:
                    pass
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
