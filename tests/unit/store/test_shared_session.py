"""Parts of a process on one session: all use it, whoever has trouble with it ends it for all, the next opens another."""

from __future__ import annotations

import pytest

from dcos.store.base import Disconnected, SessionLost, Store
from dcos.store.memory import MemoryEnsemble
from dcos.store.shared import SharedSession


async def test_one_session_until_somebody_has_trouble_with_it() -> None:
    ensemble, opened = MemoryEnsemble(), list[Store]()

    async def connect() -> Store:
        opened.append(ensemble.session())
        return opened[-1]

    shared = SharedSession(connect)
    async with shared.borrow() as first:
        async with shared.borrow() as same:
            assert same is first
        await first.create("/a")  # another's leaving ends nothing
        with pytest.raises(Disconnected):
            async with shared.borrow():
                raise Disconnected("away")
        with pytest.raises(SessionLost):
            await first.get("/a")
    async with shared.borrow() as second:
        assert second is not first
        assert await second.exists("/a")
    await shared.close()
    await shared.close()
    assert len(opened) == 2
