"""The twin keeps the contract; its faults do what they say."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import cast

import pytest

from dcos.store.base import Disconnected, Store
from dcos.store.election import Candidate
from dcos.store.memory import MemoryEnsemble, MemoryStore
from dcos.testing.store_contract import StoreContract


class MemoryWorld:
    def __init__(self) -> None:
        self.ensemble = MemoryEnsemble()
        self.sessions: list[MemoryStore] = []

    async def open(self) -> Store:
        self.sessions.append(self.ensemble.session())
        return self.sessions[-1]

    async def expire(self, store: Store) -> None:
        self.ensemble.expire(cast(MemoryStore, store))

    @contextlib.asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        for session in self.sessions:
            self.ensemble.disconnect(session)
        yield
        for session in self.sessions:
            self.ensemble.reconnect(session)


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()


@pytest.mark.parametrize("applied", [True, False])
async def test_a_broken_write_may_have_happened(applied: bool) -> None:
    store = MemoryEnsemble().session()
    store.fail_next_write(applied=applied)
    with pytest.raises(Disconnected):
        await store.create("/a")
    assert await store.exists("/a") is applied


@pytest.mark.parametrize("applied", [True, False])
async def test_a_candidate_makes_one_node_though_the_answer_is_lost(applied: bool) -> None:
    ensemble = MemoryEnsemble()
    store = ensemble.session()
    await store.create("/el")
    store.fail_next_write(applied=applied)
    standing = await anext(Candidate(store, "/el", label="member", data=b"me").standings())
    assert standing.leading
    assert len(await store.children("/el") or ()) == 1


@pytest.mark.parametrize("applied", [True, False])
async def test_an_epoch_is_held_though_the_answer_is_lost(applied: bool) -> None:
    store = MemoryEnsemble().session()
    await store.create("/el")
    await store.create("/epoch")
    candidate = Candidate(store, "/el", label="member", data=b"me", epoch_path="/epoch")
    await candidate._enter()
    store.fail_next_write(applied=applied)
    assert candidate._node is not None
    epoch = await candidate._take_epoch(candidate._node)
    await store.transact([epoch.check()])


async def test_the_tree_is_shown() -> None:
    ensemble = MemoryEnsemble()
    await ensemble.session().create("/a/b", b"x", parents=True)
    assert ensemble.tree() == {"/a": b"", "/a/b": b"x"}
