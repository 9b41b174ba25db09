"""What every store must do, as tests that the twin and the real one both run.

A test class derives from ``StoreContract`` and gives the fixture ``world``, a ``StoreWorld``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import pytest

from dcos.store.base import (
    MAX_BYTES,
    BadVersion,
    Check,
    Create,
    Delete,
    NodeExists,
    NoNode,
    NotEmpty,
    Operation,
    SessionLost,
    Set,
    Store,
    StoreError,
    TooBig,
)
from dcos.store.election import Candidate, LeadershipLost, Standing
from dcos.testing.patience import PATIENCE_S

T = TypeVar("T")


class StoreWorld(Protocol):
    """An empty ensemble and what can happen to it."""

    async def open(self) -> Store:
        """A new session, closed when the test ends."""
        ...

    async def expire(self, store: Store) -> None:
        """The server ends the session."""
        ...

    def outage(self) -> AbstractAsyncContextManager[None]:
        """No server answers within the block; all sessions outlive it."""
        ...


async def soon(work: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE_S):
        return await work


async def until(states: AsyncIterator[T], wanted: Callable[[T], bool]) -> T:
    """The first of ``states`` that is ``wanted``."""
    async with asyncio.timeout(PATIENCE_S):
        async for state in states:
            if wanted(state):
                return state
    raise AssertionError("the states ended")


class StoreContract:
    async def test_a_node_is_written_read_and_deleted(self, world: StoreWorld) -> None:
        store = await world.open()
        assert await store.get("/a") is None
        assert not await store.exists("/a")
        assert await store.create("/a", b"1") == "/a"
        node = await store.get("/a")
        assert node is not None
        assert (node.data, node.version, node.ephemeral, node.owned) == (b"1", 0, False, False)
        assert await store.set("/a", b"2") == 1
        assert await store.set("/a", b"3", version=1) == 2
        after = await store.get("/a")
        assert after is not None
        assert (after.data, after.version, after.birth) == (b"3", 2, node.birth)
        await store.delete("/a", version=2)
        assert not await store.exists("/a")

    async def test_many_nodes_are_read_at_once(self, world: StoreWorld) -> None:
        store = await world.open()
        paths = [f"/many/{number:03}" for number in range(450)]
        await store.create("/many")
        await store.transact([Create(path, path.encode() * (number % 3)) for number, path in enumerate(paths)])
        assert await store.get_many(()) == []
        asked = ["/none", *paths, "/many/none/deeper", "/many"]
        nodes = await store.get_many(asked)
        assert nodes == [await store.get(path) for path in asked]
        assert [node is None for node in nodes].count(True) == 2
        listed = await store.children_of_many(["/many", "/none", paths[0]])
        assert listed == [tuple(path.removeprefix("/many/") for path in paths), None, ()]

    async def test_empty_data_stays_empty(self, world: StoreWorld) -> None:
        store = await world.open()
        await store.create("/empty")
        node = await store.get("/empty")
        assert node is not None
        assert node.data == b""

    async def test_errors_say_what_is_wrong(self, world: StoreWorld) -> None:
        store = await world.open()
        await store.create("/a/b/c", b"", parents=True)
        with pytest.raises(NodeExists):
            await store.create("/a")
        with pytest.raises(NodeExists):
            await store.create("/a/b/c", parents=True)
        with pytest.raises(NoNode):
            await store.create("/x/y")
        with pytest.raises(NoNode):
            await store.set("/x", b"")
        with pytest.raises(NoNode):
            await store.delete("/x")
        with pytest.raises(NoNode):
            await store.delete("/x", recursive=True)
        with pytest.raises(BadVersion):
            await store.set("/a", b"", version=7)
        with pytest.raises(BadVersion):
            await store.delete("/a/b/c", version=7)
        with pytest.raises(NotEmpty):
            await store.delete("/a")
        with pytest.raises(TooBig):
            await store.set("/a", b"x" * (MAX_BYTES + 1))
        await store.create("/e", ephemeral=True)
        with pytest.raises(StoreError):
            await store.create("/e/child")

    @pytest.mark.parametrize("path", ["", "a", "/a/", "//a", "/a//b", "/a/../b", "/."])
    async def test_bad_paths_are_refused(self, world: StoreWorld, path: str) -> None:
        store = await world.open()
        with pytest.raises(ValueError, match="is not a path"):
            await store.get(path)
        with pytest.raises(ValueError, match="is not a path"):
            await store.create(path)

    async def test_the_largest_node_fits(self, world: StoreWorld) -> None:
        store = await world.open()
        await store.create("/big", b"x" * MAX_BYTES)
        node = await store.get("/big")
        assert node is not None
        assert len(node.data) == MAX_BYTES

    async def test_children_are_sorted_names(self, world: StoreWorld) -> None:
        store = await world.open()
        assert await store.children("/p") is None
        await store.create("/p")
        assert await store.children("/p") == ()
        for name in ("b", "a", "c"):
            await store.create(f"/p/{name}")
        assert await store.children("/p") == ("a", "b", "c")

    async def test_a_tree_is_deleted(self, world: StoreWorld) -> None:
        store = await world.open()
        for path in ("/t/a/1", "/t/a/2", "/t/b/x/y"):
            await store.create(path, parents=True)
        await store.delete("/t", recursive=True)
        assert not await store.exists("/t")

    async def test_sequence_numbers_grow(self, world: StoreWorld) -> None:
        store = await world.open()
        made = [await store.create("/q/n_", b"", sequence=True, parents=True) for _ in range(3)]
        assert made[0] == "/q/n_0000000000"
        await store.delete(made[2])
        assert await store.create("/q/n_", sequence=True) > made[2]

    async def test_many_at_once(self, world: StoreWorld) -> None:
        store = await world.open()
        await store.create("/m")
        await asyncio.gather(*(store.create(f"/m/{i:04}", str(i).encode()) for i in range(600)))
        nodes = await asyncio.gather(*(store.get(f"/m/{i:04}") for i in range(600)))
        assert [node.data for node in nodes if node] == [str(i).encode() for i in range(600)]

    async def test_a_transaction_is_all_or_nothing(self, world: StoreWorld) -> None:
        store = await world.open()
        await store.create("/t", b"0")
        assert await store.transact([]) == ()
        made = await store.transact(
            [Check("/t", 0), Set("/t", b"1", 0), Create("/t/a", b"x"), Create("/t/s_", sequence=True)]
        )
        assert made == ("/t", "/t", "/t/a", "/t/s_0000000001")
        cases: list[tuple[list[Operation], type[StoreError]]] = [
            ([Set("/t", b"2"), Check("/t", 0)], BadVersion),
            ([Set("/t", b"2"), Create("/t/a")], NodeExists),
            ([Set("/t", b"2"), Create("/t/new"), Delete("/t/none")], NoNode),
            ([Set("/t", b"2"), Delete("/t/a"), Check("/t/a")], NoNode),
            ([Create("/t/new/child"), Create("/t/new")], NoNode),
            ([Delete("/t")], NotEmpty),
        ]
        for operations, error in cases:
            with pytest.raises(error):
                await store.transact(operations)
            node = await store.get("/t")
            assert node is not None
            assert (node.data, node.version) == (b"1", 1)
            assert await store.children("/t") == ("a", "s_0000000001")
        await store.transact([Create("/t/new"), Create("/t/new/child", b"c"), Delete("/t/a"), Create("/t/a", b"y")])
        assert await store.children("/t/new") == ("child",)

    async def test_a_watched_node_tells_of_each_last_state(self, world: StoreWorld) -> None:
        store, other = await world.open(), await world.open()
        states = store.watch_node("/w")
        assert await soon(anext(states)) is None
        await other.create("/w", b"1")
        await until(states, lambda node: node is not None and node.data == b"1")
        for i in range(20):
            await other.set("/w", f"step {i}".encode())
        await until(states, lambda node: node is not None and node.data == b"step 19")
        await other.delete("/w")
        await until(states, lambda node: node is None)
        await other.create("/w", b"again")
        await until(states, lambda node: node is not None and node.data == b"again")

    async def test_watched_children_tell_of_each_last_state(self, world: StoreWorld) -> None:
        store, other = await world.open(), await world.open()
        states = store.watch_children("/w")
        assert await soon(anext(states)) is None
        await other.create("/w")
        await until(states, lambda names: names == ())
        await asyncio.gather(*(other.create(f"/w/{i:02}") for i in range(30)))
        await until(states, lambda names: names is not None and len(names) == 30)
        await other.delete("/w", recursive=True)
        await until(states, lambda names: names is None)

    async def test_a_closed_session_takes_its_ephemeral_nodes_along(self, world: StoreWorld) -> None:
        store, other = await world.open(), await world.open()
        await store.create("/e", b"", ephemeral=True)
        assert [node.owned for node in (await store.get("/e"), await other.get("/e")) if node] == [True, False]
        states = other.watch_node("/e")
        assert await soon(anext(states)) is not None
        await store.close()
        await until(states, lambda node: node is None)
        await store.session_lost()
        with pytest.raises(SessionLost):
            await store.get("/e")

    async def test_an_expired_session_is_over_for_good(self, world: StoreWorld) -> None:
        store, other = await world.open(), await world.open()
        await store.create("/e", b"", ephemeral=True)
        states = store.watch_node("/never")
        assert await soon(anext(states)) is None
        waiting = asyncio.ensure_future(anext(states))
        await world.expire(store)
        await soon(store.session_lost())
        assert not store.connected
        with pytest.raises(SessionLost):
            await soon(waiting)
        for work in (store.get("/e"), store.set("/e", b""), store.create("/late", ephemeral=True)):
            with pytest.raises(SessionLost):
                await soon(work)
        await until(other.watch_node("/e"), lambda node: node is None)
        assert not await other.exists("/late")

    async def test_an_outage_is_waited_out(self, world: StoreWorld) -> None:
        store = await world.open()
        await store.create("/o", b"1")
        await store.create("/o/e", ephemeral=True)
        states = store.watch_node("/o")
        assert await soon(anext(states)) is not None
        async with world.outage():
            async with asyncio.timeout(PATIENCE_S):
                while store.connected:  # noqa: ASYNC110  # the store has no event for it, and needs none
                    await asyncio.sleep(0.01)
            reading = asyncio.ensure_future(store.get("/o"))
            writing = asyncio.ensure_future(store.set("/o", b"2"))
            await asyncio.sleep(0.1)
            assert not reading.done()
            assert not writing.done()
        assert await soon(reading) is not None
        assert await soon(writing) == 1
        assert store.connected
        await until(states, lambda node: node is not None and node.data == b"2")
        assert await store.exists("/o/e")

    async def test_the_smallest_number_leads(self, world: StoreWorld) -> None:
        first, second = await world.open(), await world.open()
        await first.create("/el/log_replicas", parents=True)
        one = Candidate(first, "/el", label="json.info", data=b"one", epoch_path="/epoch").standings()
        two = Candidate(second, "/el", label="json.info_", data=b"two", epoch_path="/epoch").standings()
        led = await soon(anext(one))
        assert led.leading
        assert led.leader == b"one"
        assert led.epoch is not None
        assert await soon(anext(two)) == Standing(False, b"one", "json.info_0000000002")
        await first.transact([led.epoch.check(), Create("/work", b"by one")])
        await world.expire(first)
        won = await until(two, lambda standing: standing.leading)
        assert won.epoch is not None
        assert won.epoch.number > led.epoch.number
        with pytest.raises(SessionLost):
            await soon(anext(one))
        await second.transact([won.epoch.check(), Set("/work", b"by two")])
        with pytest.raises(BadVersion):
            await second.transact([led.epoch.check(), Set("/work", b"late, by one")])

    async def test_a_leader_whose_node_is_taken_has_lost(self, world: StoreWorld) -> None:
        store, other = await world.open(), await world.open()
        mine = Candidate(store, "/el", label="member", data=b"me").standings()
        standing = await soon(anext(mine))
        assert standing.leading
        await other.delete(f"/el/{standing.node}")
        with pytest.raises(LeadershipLost):
            await soon(anext(mine))

    async def test_a_follower_whose_node_is_taken_contends_again(self, world: StoreWorld) -> None:
        first, second = await world.open(), await world.open()
        ahead = Candidate(first, "/el", label="member", data=b"ahead")
        assert (await soon(anext(ahead.standings()))).leading
        mine = Candidate(second, "/el", label="member", data=b"me").standings()
        standing = await soon(anext(mine))
        await first.delete(f"/el/{standing.node}")
        again = await until(mine, lambda now: now.node != standing.node)
        assert not again.leading
        await ahead.resign()
        assert (await until(mine, lambda now: now.leading)).leader == b"me"
