"""Who leads: read from ZooKeeper by those who do not contend.

``watch_*`` lives on one session and ends by SessionLost; ``follow_*`` opens sessions itself, for as long as it is iterated:
an agent or a name server must outlive a lost session.
Source: Mesos' znode format ``json.info_%010d`` with JSON MasterInfo; Marathon's ``member_%010d`` with host:port.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from dcos.model.v1.types import MasterInfo
from dcos.runtime import log
from dcos.store.base import SessionLost, Store, StoreError
from dcos.store.election import ranked
from dcos.store.tree import join
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect_url
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

T = TypeVar("T")
_log = log.get_logger("detect")

MASTER_LABEL: Final = "json.info"
MARATHON_LABEL: Final = "member"


async def leader(store: Store, path: str, label: str) -> bytes | None:
    """Data of the leading candidate's node; None if nobody leads."""
    while True:
        order = ranked(await store.children(path) or (), label)
        if not order:
            return None
        node = await store.get(join(path, order[0]))
        if node is not None:
            return node.data


async def watch_leader(store: Store, path: str, label: str) -> AsyncIterator[bytes | None]:
    """Data of the leading candidate's node now and at each change; None while nobody leads."""
    before: tuple[str, int] | None = ("", 0)
    async for names in store.watch_children(path):
        order = ranked(names or (), label)
        node = await store.get(join(path, order[0])) if order else None
        if order and node is None:
            continue  # gone meanwhile: the next reading comes
        now = (order[0], node.birth) if node else None
        if now != before:
            before = now
            yield node.data if node else None


def master_info(data: bytes) -> MasterInfo:
    """Errors: WireError."""
    return mesos_json.decode(data, MasterInfo)


def address_of(info: MasterInfo) -> str:
    """``ip:port`` of a master: its ``address``, or the older integer ``ip`` in network order."""
    if info.address is not None and info.address.ip:
        return f"{info.address.ip}:{info.address.port}"
    return f"{'.'.join(str(byte) for byte in (info.ip & 0xFFFFFFFF).to_bytes(4, 'little'))}:{info.port}"


async def leading_master(store: Store, path: str) -> MasterInfo | None:
    """The leading Mesos master now, None if none.   Errors: WireError."""
    data = await leader(store, path, MASTER_LABEL)
    return None if data is None else master_info(data)


async def watch_leading_master(store: Store, path: str) -> AsyncIterator[MasterInfo | None]:
    """The leading Mesos master now and at each change, None while there is none. Unreadable data counts as none."""
    async for data in watch_leader(store, path, MASTER_LABEL):
        yield _readable(data, path)


async def leading_marathon(store: Store, path: str = "/marathon/leader") -> str | None:
    """``host:port`` of the leading Marathon, None if none."""
    data = await leader(store, path, MARATHON_LABEL)
    return None if data is None else data.decode(errors="replace")


async def watch_leading_marathon(store: Store, path: str = "/marathon/leader") -> AsyncIterator[str | None]:
    """``host:port`` of the leading Marathon now and at each change."""
    async for data in watch_leader(store, path, MARATHON_LABEL):
        yield None if data is None else data.decode(errors="replace")


async def follow(
    url: ZkUrl, watch: Callable[[Store], AsyncIterator[T]], *, rng: random.Random, session_timeout_s: float = 10.0
) -> AsyncIterator[T]:
    """What ``watch`` yields, over as many sessions as it takes. Between sessions the last value stands; each new one's
    first value is yielded only if it differs."""

    async def connect() -> Store:
        return await connect_url(url, session_timeout_s=session_timeout_s)

    async for value in follow_sessions(connect, watch, rng=rng, name=str(url)):
        yield value


async def follow_sessions(
    connect: Callable[[], Awaitable[Store]],
    watch: Callable[[Store], AsyncIterator[T]],
    *,
    rng: random.Random,
    name: str,
) -> AsyncIterator[T]:
    """As ``follow``, over the sessions that ``connect`` makes."""
    before: T | None = None
    first = True
    while True:
        store = await connect()
        try:
            async for value in watch(store):
                if first or value != before:
                    before, first = value, False
                    yield value
        except SessionLost:
            _log.info("session_renewed", url=name)
        except StoreError as error:
            _log.warning("watch_failed", url=name, error=f"{type(error).__name__} {error}")
        finally:
            await store.close()
        await asyncio.sleep(rng.uniform(0.1, 1.0))


def follow_leading_master(
    url: ZkUrl, *, rng: random.Random, session_timeout_s: float = 10.0
) -> AsyncIterator[MasterInfo | None]:
    """The leading Mesos master under ``zk://.../mesos``, for ever."""
    return follow(
        url, lambda store: watch_leading_master(store, url.path), rng=rng, session_timeout_s=session_timeout_s
    )


def follow_leading_marathon(
    url: ZkUrl, path: str = "/marathon/leader", *, rng: random.Random, session_timeout_s: float = 10.0
) -> AsyncIterator[str | None]:
    """The leading Marathon, for ever. ``path`` is absolute (the URL's path is not used)."""
    return follow(url, lambda store: watch_leading_marathon(store, path), rng=rng, session_timeout_s=session_timeout_s)


def _readable(data: bytes | None, path: str) -> MasterInfo | None:
    if data is None:
        return None
    try:
        return master_info(data)
    except WireError as error:
        _log.warning("bad_master_info", path=path, error=str(error))
        return None
