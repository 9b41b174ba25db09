"""The contract and the accidents, against a real ZooKeeper."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from kazoo.client import KazooClient

from dcos.store import detect
from dcos.store.base import Disconnected, NotAllowed, SessionLost, Store
from dcos.store.election import Candidate
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import ZooKeeperStore, connect
from dcos.testing.store_contract import StoreContract, soon, until
from dcos.testing.zookeeper import ZooKeeperEnsemble, ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZooKeeperEnsemble]:
    with ensemble(tmp_path_factory.mktemp("zk")) as running:
        yield running


class ZooKeeperWorld:
    """Each test has its own chroot on the one server."""

    def __init__(self, server: ZooKeeperEnsemble, stack: contextlib.AsyncExitStack) -> None:
        self.server = server
        self.stack = stack
        self.chroot = f"/test/{random.randrange(10**9)}"

    async def open(self) -> Store:
        store = await soon(connect(self.server.hosts, chroot=self.chroot))
        self.stack.push_async_callback(store.close)
        return store

    async def expire(self, store: Store) -> None:
        """Close the session from a second connection that knows its password: the server's own way to end it."""
        session = cast(ZooKeeperStore, store)._client.client_id
        await asyncio.to_thread(self._close_session, session)

    def _close_session(self, session: tuple[int, bytes]) -> None:
        twin: Any = cast(Any, KazooClient)(hosts=self.server.hosts, client_id=session)
        twin.start()
        twin.stop()
        twin.close()

    @contextlib.asynccontextmanager
    async def outage(self) -> AsyncIterator[None]:
        self.server[0].kill()
        try:
            yield
        finally:
            await asyncio.to_thread(self.server[0].start)


class TestZooKeeperStore(StoreContract):
    @pytest.fixture
    async def world(self, server: ZooKeeperEnsemble) -> AsyncIterator[ZooKeeperWorld]:
        async with contextlib.AsyncExitStack() as stack:
            yield ZooKeeperWorld(server, stack)


async def test_without_a_server_connecting_waits(tmp_path: Path) -> None:
    with ensemble(tmp_path) as zk:
        zk[0].kill()
        opening = asyncio.ensure_future(connect(zk.hosts))
        await asyncio.sleep(0.3)
        assert not opening.done()
        await asyncio.to_thread(zk[0].start)
        store = await soon(opening)
        await store.close()


async def test_connecting_can_be_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await connect("127.0.0.1:1")


async def test_a_long_outage_loses_the_session(tmp_path: Path) -> None:
    with ensemble(tmp_path) as zk:
        store = await soon(connect(zk.hosts, session_timeout_s=1.0))
        zk[0].kill()
        began = time.monotonic()
        with pytest.raises(SessionLost):
            await soon(store.get("/"))
        assert time.monotonic() - began >= 0.9
        await soon(store.session_lost())


async def test_a_hung_server_loses_the_session(tmp_path: Path) -> None:
    with ensemble(tmp_path) as zk:
        store = await soon(connect(zk.hosts, session_timeout_s=1.0))
        zk[0].pause()
        with pytest.raises(SessionLost):
            await soon(store.get("/"))
        await soon(store.close())
        zk[0].resume()
        again = await soon(connect(zk.hosts))
        assert await soon(again.exists("/"))
        await again.close()


async def test_credentials_keep_others_out(server: ZooKeeperEnsemble) -> None:
    private = await connect(server.hosts, credentials=("u", "secret"), private=True)
    shown = await connect(server.hosts, credentials=("u", "secret"))
    other = await connect(server.hosts, credentials=("u", "wrong"))
    nobody = await connect(server.hosts)
    try:
        await private.create("/private/x", b"1", parents=True)
        await shown.create("/shown", b"2")
        for stranger in (other, nobody):
            with pytest.raises(NotAllowed):
                await stranger.get("/private/x")
            with pytest.raises(NotAllowed):
                await stranger.create("/private/y")
            node = await stranger.get("/shown")
            assert node is not None
            assert node.data == b"2"
            with pytest.raises(NotAllowed):
                await stranger.set("/shown", b"3")
        assert await shown.get("/private/x") is not None
    finally:
        for store in (private, shown, other, nobody):
            await store.close()


async def test_private_needs_credentials() -> None:
    with pytest.raises(ValueError, match="credentials"):
        await connect("127.0.0.1:1", private=True)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[ZooKeeperEnsemble]:
    with ensemble(tmp_path, servers=3) as running:
        yield running


async def test_leadership_survives_the_loss_of_any_one_of_three_servers(three: ZooKeeperEnsemble) -> None:
    store = await soon(connect(three.hosts, session_timeout_s=8.0))
    standings = Candidate(store, "/el", label="member", data=b"me", epoch_path="/epoch").standings()
    standing = await soon(anext(standings))
    assert standing.epoch is not None
    for server in three.servers:
        server.kill()
        assert await soon(store.get("/epoch")) is not None
        while True:
            try:
                await soon(store.transact([standing.epoch.check()]))
                break
            except Disconnected:  # on its way when the leader's loss cut all connections
                continue
        await asyncio.to_thread(server.start)
    assert store.connected
    await store.close()


async def test_a_follower_of_the_leader_outlives_its_sessions(tmp_path: Path) -> None:
    with ensemble(tmp_path) as zk:
        url = ZkUrl.parse(f"{zk.url}/marathon/leader")
        master = await soon(connect(zk.hosts, session_timeout_s=2.0))
        await master.create("/marathon/leader/member_", b"one:1", sequence=True, parents=True)
        seen = detect.follow_leading_marathon(url, rng=random.Random(1), session_timeout_s=2.0)
        assert await soon(anext(seen)) == "one:1"
        waiting = asyncio.ensure_future(anext(seen))
        zk[0].kill()
        await soon(master.session_lost())
        await asyncio.to_thread(zk[0].start)
        master = await soon(connect(zk.hosts))
        await master.delete("/marathon/leader/member_0000000000")
        await master.create("/marathon/leader/member_", b"two:2", sequence=True)
        found = await soon(waiting)
        if found is None:  # between the two writes nobody led
            found = await until(seen, lambda now: now is not None)
        assert found == "two:2"
        await master.close()
        await cast(Any, seen).aclose()
