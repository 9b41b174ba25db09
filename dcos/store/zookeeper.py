"""ZooKeeper behind asyncio. Only this module and ``many`` import kazoo, whose threads never show.

Theory: requests go to kazoo from the loop's thread (they are only queued there), answers and watches come back from its
threads through ``_Bridge``, which wakes the loop once for many. A store is exactly one session: when the server expires
it, or the connection is away for the session's timeout (the server has then given our ephemeral nodes away, or will), the
store is over and kazoo is stopped, so that nothing of this store ever runs in a later session.
Source of the local timeout: Mesos' ZooKeeper group.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar, cast

from kazoo import exceptions as kazoo
from kazoo.client import KazooClient
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.protocol.states import KazooState
from kazoo.security import ACL, Id, Permissions

from dcos.runtime import log
from dcos.runtime.tls import Identity, own
from dcos.store.base import (
    BadVersion,
    Check,
    Create,
    Delete,
    Disconnected,
    Node,
    NodeExists,
    NoNode,
    NotAllowed,
    NotEmpty,
    Operation,
    SessionLost,
    Set,
    Store,
    StoreError,
    TooBig,
    check_operations,
    check_path,
)
from dcos.store.many import PART, ChildrenOfMany, GetMany
from dcos.store.tree import delete_tree, make_parents
from dcos.store.url import ZkUrl, parse_hosts

T = TypeVar("T")
_log = log.get_logger("store")

_OUTSTANDING: Final = 128
"""Requests on their way at once. kazoo wakes its thread by a byte for each through a socket pair, which blocks the writer
at about 280 bytes unread, as while the connection is away."""
_CONNECT_S: Final = 2.0
"""For one TCP connect: a powered-off server must not use up the session's timeout while others would answer."""
_HANDSHAKE_S: Final = 4.0
"""A Java that has just started takes seconds for its first one."""
_CLOSE_S: Final = 3.0
"""For a clean end of the session; a hung server does not hold us longer."""

_ERRORS: Final[tuple[tuple[type[Exception], type[StoreError]], ...]] = (
    (kazoo.NoNodeError, NoNode),
    (kazoo.NodeExistsError, NodeExists),
    (kazoo.BadVersionError, BadVersion),
    (kazoo.NotEmptyError, NotEmpty),
    (kazoo.NoAuthError, NotAllowed),
    (kazoo.ConnectionClosedError, Disconnected),
    (kazoo.SessionExpiredError, SessionLost),
    (kazoo.AuthFailedError, SessionLost),
    (kazoo.ConnectionLoss, Disconnected),
    (kazoo.OperationTimeoutError, Disconnected),
    (kazoo.RequestTimeoutError, Disconnected),
    (kazoo.SessionMovedError, Disconnected),
)


async def connect(
    hosts: str | Sequence[str],
    *,
    chroot: str = "",
    session_timeout_s: float = 10.0,
    credentials: tuple[str, str] | None = None,
    private: bool = False,
) -> Store:
    """Open a session, however long it takes to find a server (bound it with ``asyncio.timeout``).

    ``hosts``: ``h1:p,h2:p`` or a sequence of ``host:port``; ``chroot``: all paths are below it, it is made if missing.
    ``credentials`` are a digest user: what we create then only we may change and anyone may read (as Mesos does), or with
    ``private`` only we may see.   Errors: ValueError (arguments), SessionLost (credentials refused).
    """
    if private and credentials is None:
        raise ValueError("private needs credentials")
    servers = parse_hosts(hosts if isinstance(hosts, str) else ",".join(hosts))
    store = ZooKeeperStore(servers, chroot.rstrip("/"), session_timeout_s, credentials, _access(credentials, private))
    try:
        await store.start()
    except BaseException:
        store.abandon()
        raise
    return store


async def connect_url(url: ZkUrl, *, session_timeout_s: float = 10.0, private: bool = False) -> Store:
    """As ``connect`` with what the URL says. Its path is no chroot: use ``url.below(...)``."""
    return await connect(url.hosts, session_timeout_s=session_timeout_s, credentials=url.credentials, private=private)


CONFIGURATION: Final = "/zookeeper/config"
"""Where ZooKeeper tells who is in its ensemble."""


async def read_configuration(hosts: str, credentials: tuple[str, str]) -> bytes:
    """The dynamic configuration that the servers agreed on.   Errors: StoreError."""
    store = await connect(hosts, credentials=credentials)
    try:
        node = await store.get(CONFIGURATION)
        return b"" if node is None else node.data
    finally:
        await store.close()


async def reconfigure(hosts: str, credentials: tuple[str, str], members: Sequence[str], version: int) -> None:
    """Give the ensemble these ``members`` (lines ``server.N=...``) if its configuration still has ``version``.

    ``credentials``: of ZooKeeper's superuser. Errors: BadVersion; NotAllowed; StoreError, also where the servers refuse,
    because no majority of the new ones follows or another change is on its way; Disconnected: it may have happened.
    """
    store = await connect(hosts, credentials=credentials)
    try:
        assert isinstance(store, ZooKeeperStore)  # what connect makes
        await store.reconfigure("\n".join(members) + "\n", version)
    finally:
        await store.close()


async def read_with_stat(store: Store, path: str) -> tuple[bytes, dict[str, int]] | None:
    """Data, and all that ZooKeeper knows of a node, by its own names; None if there is none.   Errors: StoreError, ValueError."""
    check_path(path)
    assert isinstance(store, ZooKeeperStore)  # what connect makes
    return await store.read_with_stat(path)


def _access(credentials: tuple[str, str] | None, private: bool) -> list[ACL]:
    if credentials is None:
        return [ACL(Permissions.ALL, Id("world", "anyone"))]
    creator = ACL(Permissions.ALL, Id("auth", ""))
    return [creator] if private else [creator, ACL(Permissions.READ, Id("world", "anyone"))]


class _Handler(SequentialThreadingHandler):
    """kazoo's threads with a bounded TCP connect, and our TLS: kazoo's own would trust the system's authorities too."""

    def __init__(self, identity: Identity | None) -> None:
        cast(Any, super()).__init__()
        self._identity = identity if identity is not None and identity.asks else None

    def create_connection(self, *args: Any, **options: Any) -> Any:
        limit_s = options["timeout"] = min(options.get("timeout") or _CONNECT_S, _CONNECT_S)
        plain = cast(Any, super()).create_connection(*args, **options)
        if self._identity is None:
            return plain
        host = str(options.get("hostname") or (options.get("address") or args[0])[0])
        try:
            plain.settimeout(max(limit_s, _HANDSHAKE_S))
            return self._identity.client.wrap_socket(plain, server_hostname=host)
        except OSError as error:
            plain.close()
            _log.warning("no_tls_with_zookeeper", server=host, error=str(error))
            raise

    def select(self, *args: Any, **options: Any) -> Any:
        """What TLS has deciphered already is there to be read, though the socket has nothing more."""
        there = [one for one in args[0] if isinstance(one, ssl.SSLSocket) and one.pending()]
        return (there, [], []) if there else cast(Any, super()).select(*args, **options)


class _Bridge:
    """Calls from any thread run in the loop, in order, one wake-up for as many as wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._armed = False

    def post(self, call: Callable[[], None]) -> None:
        with self._lock:
            self._calls.append(call)
            if self._armed:
                return
            self._armed = True
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        with self._lock:
            calls, self._calls = self._calls, deque()
            self._armed = False
        for call in calls:
            call()


class ZooKeeperStore:
    """One session. Made by ``connect``."""

    def __init__(
        self,
        servers: tuple[str, ...],
        chroot: str,
        session_timeout_s: float,
        credentials: tuple[str, str] | None,
        access: list[ACL],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._bridge = _Bridge(self._loop)
        self._chroot = chroot
        self._dead = False  # set in kazoo's thread before any later session can exist
        self._connected = asyncio.Event()
        self._lost = asyncio.Event()
        self._slots = asyncio.Semaphore(_OUTSTANDING)
        self._pending: set[asyncio.Future[Any]] = set()
        self._waiting: set[asyncio.Event] = set()
        self._expiry: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()
        self._log = _log.bind(servers=",".join(servers))
        quiet = logging.getLogger("kazoo.client")  # says each failed attempt; we say each change
        quiet.setLevel(logging.ERROR)
        self._client: Any = cast(Any, KazooClient)(  # kazoo is untyped
            hosts=",".join(servers),
            timeout=session_timeout_s,
            handler=cast(Any, _Handler)(own()),
            default_acl=access,
            auth_data=[("digest", ":".join(credentials))] if credentials else [],
            connection_retry={"max_tries": -1, "delay": 0.05, "backoff": 2, "max_delay": 1.0, "max_jitter": 0.4},
            logger=quiet,
        )
        # A server that takes the connection and then never answers (ZooKeeper does, to some, in the moment it starts) must
        # not use up the session's timeout either: kazoo itself would wait that long for the answer.
        invoke = self._client._connection._invoke
        self._client._connection._invoke = lambda timeout, *words, **options: invoke(
            min(timeout, _CONNECT_S), *words, **options
        )

    # ---- the session ----

    async def start(self) -> None:
        self._client.add_listener(self._heard)
        self._client.start_async()
        await self._connected.wait()
        self._check_alive()
        if self._chroot:
            await self._do(lambda: self._client.ensure_path_async(self._chroot), self._chroot, repeatable=True)

    def abandon(self) -> None:
        """End without waiting."""
        self._end("abandoned")

    async def close(self) -> None:
        self._end("closed")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self._stopped.wait()

    async def session_lost(self) -> None:
        await self._lost.wait()

    @property
    def connected(self) -> bool:
        return self._connected.is_set() and not self._lost.is_set()

    def _heard(self, state: str) -> None:
        """kazoo's connection thread tells of a change; it must not wait here."""
        if state == KazooState.LOST:
            self._dead = True
            self._bridge.post(lambda: self._end("expired"))
        elif state == KazooState.CONNECTED:
            self._bridge.post(self._came)
        else:
            self._bridge.post(self._went)

    def _came(self) -> None:
        if self._lost.is_set():
            return
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
            self._log.info("reconnected")
        self._connected.set()

    def _went(self) -> None:
        if self._lost.is_set() or self._expiry is not None:
            return
        self._connected.clear()
        timeout_s = self._client._session_timeout / 1000.0
        self._expiry = self._loop.call_later(timeout_s, self._end, "no connection for the session's timeout")
        self._log.warning("disconnected", session_timeout_s=timeout_s)

    def _end(self, reason: str) -> None:
        if self._lost.is_set():
            return
        self._dead = True
        if self._expiry is not None:
            self._expiry.cancel()
        if reason not in ("closed", "abandoned"):
            self._log.warning("session_lost", reason=reason)
        self._lost.set()
        self._connected.set()  # whoever waits for the connection shall find out
        for future in self._pending:
            if not future.done():
                future.set_exception(SessionLost(reason))
        for event in self._waiting:
            event.set()
        threading.Thread(target=self._stop, name="store-stop", daemon=True).start()

    def _stop(self) -> None:
        """In a thread of its own: kazoo waits for its threads and for the server's good-bye."""
        with contextlib.suppress(Exception):
            self._client.stop()
        with contextlib.suppress(Exception):
            self._client.close()
        self._bridge.post(self._stopped.set)

    def _check_alive(self) -> None:
        if self._dead:
            raise SessionLost

    # ---- requests ----

    async def _do(self, start: Callable[[], Any], path: str, *, repeatable: bool) -> Any:
        """Send when connected; a ``repeatable`` request (a read) is sent again when the connection broke on it."""
        while True:
            async with self._slots:
                await self._connected.wait()
                self._check_alive()
                try:
                    return await self._send(start, path)
                except Disconnected:
                    self._check_alive()
                    if not repeatable:
                        raise
            await asyncio.sleep(0.02)  # the news of the broken connection may come after the broken request

    async def _send(self, start: Callable[[], Any], path: str) -> Any:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._pending.add(future)

        def settle(result: Any) -> None:
            if not future.done():
                if result.successful():
                    future.set_result(result.value)
                else:
                    future.set_exception(_translated(result.exception, path))

        try:
            start().rawlink(lambda result: self._bridge.post(lambda: settle(result)))
            return await future
        finally:
            self._pending.discard(future)

    def _full(self, path: str) -> str:
        return self._chroot + path if path != "/" else self._chroot or "/"

    async def get(self, path: str) -> Node | None:
        check_path(path)
        return await self._get(path, None)

    async def _get(self, path: str, watch: Callable[[Any], None] | None) -> Node | None:
        """With ``watch``, it is left on the node, or on its absence."""
        while True:
            try:
                data, stat = await self._do(
                    lambda: self._client.get_async(self._full(path), watch), path, repeatable=True
                )
                return self._node(data, stat)
            except NoNode:
                if watch is None:
                    return None
            stat = await self._do(lambda: self._client.exists_async(self._full(path), watch), path, repeatable=True)
            if stat is None:
                return None

    def _node(self, data: bytes, stat: Any) -> Node:
        return Node(
            data=data,
            version=stat.version,
            created_ms=stat.ctime,
            modified_ms=stat.mtime,
            ephemeral=stat.ephemeralOwner != 0,
            owned=stat.ephemeralOwner != 0 and stat.ephemeralOwner == self._client._session_id,
            birth=stat.czxid,
        )

    async def exists(self, path: str) -> bool:
        check_path(path)
        stat = await self._do(lambda: self._client.exists_async(self._full(path)), path, repeatable=True)
        return stat is not None

    async def children(self, path: str) -> tuple[str, ...] | None:
        check_path(path)
        return await self._children(path, None)

    async def _children(self, path: str, watch: Callable[[Any], None] | None) -> tuple[str, ...] | None:
        while True:
            try:
                names = await self._do(
                    lambda: self._client.get_children_async(self._full(path), watch), path, repeatable=True
                )
                return tuple(sorted(names))
            except NoNode:
                if watch is None:
                    return None
            if (
                await self._do(lambda: self._client.exists_async(self._full(path), watch), path, repeatable=True)
                is None
            ):
                return None

    async def get_many(self, paths: Sequence[str]) -> list[Node | None]:
        found = await self._read_many(GetMany, paths)
        return [None if one is None else self._node(*one) for one in found]

    async def children_of_many(self, paths: Sequence[str]) -> list[tuple[str, ...] | None]:
        found = await self._read_many(ChildrenOfMany, paths)
        return [None if one is None else tuple(sorted(one)) for one in found]

    async def _read_many(self, kind: type[GetMany] | type[ChildrenOfMany], paths: Sequence[str]) -> list[Any]:
        """What each path's read gave; None where there is no such node.   Errors: StoreError of the first other failure."""
        for path in paths:
            check_path(path)
        found: list[Any] = []
        for first in range(0, len(paths), PART):
            part = paths[first : first + PART]
            request = kind([self._full(path) for path in part])
            answers = await self._do(partial(self._raw, request), part[0], repeatable=True)
            for path, answer in zip(part, answers, strict=True):
                if isinstance(answer, kazoo.NoNodeError):
                    found.append(None)
                elif isinstance(answer, Exception):
                    raise _translated(answer, path)
                else:
                    found.append(answer)
        return found

    def _raw(self, request: Any) -> Any:
        """Send a request that kazoo itself has no method for."""
        result = self._client.handler.async_result()
        self._client._call(request, result)
        return result

    async def create(
        self, path: str, data: bytes = b"", *, ephemeral: bool = False, sequence: bool = False, parents: bool = False
    ) -> str:
        check_operations([Create(path, data)])
        for attempt in (1, 2):
            try:
                made = await self._do(
                    lambda: self._client.create_async(self._full(path), data, ephemeral=ephemeral, sequence=sequence),
                    path,
                    repeatable=False,
                )
                return cast(str, made).removeprefix(self._chroot)
            except NoNode:
                if not parents or attempt == 2:
                    raise
                await make_parents(self, path)
        raise NoNode(path)

    async def set(self, path: str, data: bytes, *, version: int = -1) -> int:
        check_operations([Set(path, data)])
        stat = await self._do(lambda: self._client.set_async(self._full(path), data, version), path, repeatable=False)
        return cast(int, stat.version)

    async def delete(self, path: str, *, version: int = -1, recursive: bool = False) -> None:
        check_path(path)
        if recursive:
            await delete_tree(self, path, version=version)
        else:
            await self._do(lambda: self._client.delete_async(self._full(path), version), path, repeatable=False)

    async def transact(self, operations: Sequence[Operation]) -> tuple[str, ...]:
        if not operations:
            return ()
        check_operations(operations)
        answers = await self._do(lambda: self._transaction(operations), operations[0].path, repeatable=False)
        for operation, answer in zip(operations, answers, strict=True):
            if isinstance(answer, Exception) and not isinstance(answer, kazoo.RolledBackError):
                raise _translated(answer, operation.path)
        return tuple(
            answer.removeprefix(self._chroot) if isinstance(answer, str) else operation.path
            for operation, answer in zip(operations, answers, strict=True)
        )

    def _transaction(self, operations: Sequence[Operation]) -> Any:
        request = self._client.transaction()
        for operation in operations:
            match operation:
                case Create(path, data, ephemeral, sequence):
                    request.create(self._full(path), data, ephemeral=ephemeral, sequence=sequence)
                case Set(path, data, version):
                    request.set_data(self._full(path), data, version)
                case Delete(path, version):
                    request.delete(self._full(path), version)
                case Check(path, version):
                    request.check(self._full(path), version)
        return request.commit_async()

    async def read_with_stat(self, path: str) -> tuple[bytes, dict[str, int]] | None:
        try:
            data, stat = await self._do(lambda: self._client.get_async(self._full(path)), path, repeatable=True)
        except NoNode:
            return None
        return data, dict(stat._asdict())

    async def reconfigure(self, members: str, version: int) -> None:
        await self._do(
            lambda: self._client.reconfig_async(None, None, members, version), CONFIGURATION, repeatable=False
        )

    # ---- watches ----

    def watch_node(self, path: str) -> AsyncIterator[Node | None]:
        check_path(path)
        return self._watch(lambda fire: self._get(path, fire))

    def watch_children(self, path: str) -> AsyncIterator[tuple[str, ...] | None]:
        check_path(path)
        return self._watch(lambda fire: self._children(path, fire))

    async def _watch(self, read: Callable[[Callable[[Any], None]], Any]) -> AsyncIterator[Any]:
        """Read, leave a watch, yield if changed, wait for the watch. kazoo fires every watch when the connection breaks, so
        what changed meanwhile is seen by the reading that waits for the connection."""
        changed = asyncio.Event()

        def fire(_: Any) -> None:
            self._bridge.post(changed.set)

        self._waiting.add(changed)
        try:
            before: Any = changed  # equal to no state
            while True:
                changed.clear()
                self._check_alive()
                state = await read(fire)
                if state != before:
                    yield state
                    before = state
                await changed.wait()
                self._check_alive()
        finally:
            self._waiting.discard(changed)


def _translated(error: Exception, path: str) -> StoreError:
    for theirs, ours in _ERRORS:
        if isinstance(error, theirs):
            return ours(path)
    if isinstance(error, kazoo.MarshallingError):
        return TooBig(path)
    return StoreError(f"{path}: {type(error).__name__} {error}".strip())
