"""Requests to whichever Mesos master leads: typed GETs and v1 operator calls.

Use: ``async with MesosMaster(detect) as master: state = await master.get("/state-summary", Summary)``. ``detect`` yields
the leading master now and after every change (``dcos.store.detect``, or ``redirecting`` where there is no ZooKeeper).
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, overload
from urllib.parse import urlsplit

import aiohttp
import msgspec

from dcos.client.neighbour import NeighbourError
from dcos.model.cluster import Leader
from dcos.model.v1.master import Call, Response
from dcos.model.v1.types import Address, MasterInfo
from dcos.runtime import http
from dcos.runtime.log import get_logger
from dcos.runtime.tls import scheme
from dcos.wire import mesos_json

T = TypeVar("T")

_MAX_REDIRECTS = 3
_log = get_logger("mesos_client")


class Tokens(Protocol):
    """Of a service account (``dcos.client.service_account``, which takes cryptography along: 9 MB that few of us need)."""

    async def token(self, session: aiohttp.ClientSession) -> str: ...
    def forget(self) -> None: ...


class MesosError(Exception):
    """Drawn: MesosError > NoLeader, MesosUnreachable, MesosRefused, MesosAnswer."""


class NoLeader(MesosError):
    """No leading master is known now."""


class MesosUnreachable(MesosError):
    """No answer from the leading master."""


class MesosRefused(MesosError):
    """It answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


class MesosAnswer(MesosError):
    """The answer is not what it should be."""


class MesosMaster:
    """The leading master, whoever that is.

    ``credential`` is (principal, secret) for HTTP Basic, ``tokens``: what a service account gets instead. ``tls``: masters
    are asked by HTTPS. ``timeout_s`` covers a whole request.
    """

    def __init__(
        self,
        detect: AsyncIterable[MasterInfo | None],
        *,
        credential: tuple[str, str] | None = None,
        tokens: Tokens | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._detect = detect
        self._tokens = tokens
        self._tls = tls
        self._named = http.basic(credential)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._leader: MasterInfo | None = None
        self._changed = asyncio.Event()
        self._session: aiohttp.ClientSession | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._session = http.session(timeout_s=None, tls=self._tls)
        self._watch = asyncio.create_task(self._follow(), name="mesos leader")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._watch is not None
        assert self._session is not None
        self._watch.cancel()
        try:
            await asyncio.gather(self._watch, return_exceptions=True)
        finally:
            await self._session.close()

    @property
    def leader(self) -> MasterInfo | None:
        """The leading master as last detected; None while none is known."""
        return self._leader

    async def leader_changed(self, known: MasterInfo | None) -> MasterInfo | None:
        """Wait until the leader is another than ``known``; return it."""
        while self._leader == known:
            await self._changed.wait()
        return self._leader

    async def _follow(self) -> None:
        while True:
            try:
                async for leader in self._detect:
                    if leader != self._leader:
                        self._leader = leader
                        _log.info("leader", address=self._base_url(leader) if leader else "none")
                        self._changed.set()
                        self._changed = asyncio.Event()
            except Exception as error:
                _log.warning("leader_detection_failed", error=str(error) or type(error).__name__)
            await asyncio.sleep(1.0)

    # ---- requests ----------------------------------------------------------------------------------------------------

    @overload
    async def get(self, path: str, kind: type[T], *, params: Mapping[str, str] | None = None) -> T: ...
    @overload
    async def get(self, path: str, kind: None = None, *, params: Mapping[str, str] | None = None) -> bytes: ...
    async def get(
        self, path: str, kind: type[T] | None = None, *, params: Mapping[str, str] | None = None
    ) -> T | bytes:
        """GET ``path``; the raw body, or decoded by msgspec to ``kind``.   Errors: MesosError and below."""
        raw = await self._request("GET", path, params=params)
        if kind is None:
            return raw
        try:
            wanted: Any = kind
            decoded: T = _decoder(wanted).decode(raw)
        except msgspec.MsgspecError as error:
            raise MesosAnswer(f"GET {path}: {error}") from error
        return decoded

    async def call(self, call: Call, *, authorization: str | None = None) -> Response:
        """One v1 operator call (not SUBSCRIBE). ``authorization``: the header of whoever it is made for, instead of ours.

        Errors: MesosError and below, WireError.
        """
        raw = await self._request("POST", "/api/v1", body=mesos_json.encode(call), authorization=authorization)
        return mesos_json.decode(raw, Response) if raw else Response()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        authorization: str | None = None,
    ) -> bytes:
        async with _Opened(self, method, path, body, params, self._timeout, authorization) as response:
            try:
                raw = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise MesosUnreachable(f"{method} {path}: {error or type(error).__name__}") from error
            if response.status not in (200, 202):
                raise MesosRefused(response.status, raw.decode(errors="replace")[:500])
            return raw

    def open(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> _Opened:
        """``async with``: the response itself, redirects to the leader followed (for streams: no timeout given)."""
        return _Opened(self, method, path, body, params, timeout)

    async def _open(self, opened: _Opened) -> aiohttp.ClientResponse:
        if self._leader is None or self._session is None:
            raise NoLeader(f"{opened.method} {opened.path}: no leading master is known")
        base = self._base_url(self._leader)
        headers = {"Accept": http.JSON, **await self._name(opened, self._session)}
        if opened.body is not None:
            headers["Content-Type"] = http.JSON
        try:
            for _ in range(_MAX_REDIRECTS):
                response = await self._session.request(
                    opened.method,
                    base + opened.path,
                    data=opened.body,
                    params=opened.params,
                    headers=headers,
                    timeout=opened.timeout,
                    allow_redirects=False,
                )
                if response.status == 401 and self._tokens is not None:
                    self._tokens.forget()
                location = urlsplit(response.headers.get("Location", ""))
                if response.status != 307 or not location.netloc:
                    return response
                response.release()
                base = f"{self._scheme}://{location.netloc}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise MesosUnreachable(f"{opened.method} {base}{opened.path}: {error or type(error).__name__}") from error
        raise MesosUnreachable(f"{opened.method} {opened.path}: redirected in a circle")

    async def _name(self, opened: _Opened, session: aiohttp.ClientSession) -> Mapping[str, str]:
        """Headers that say who asks."""
        if opened.authorization is not None:
            return {"Authorization": opened.authorization}
        if self._tokens is None:
            return self._named
        try:
            return {"Authorization": f"token={await self._tokens.token(session)}"}
        except NeighbourError as error:
            raise MesosUnreachable(f"{opened.method} {opened.path}: not logged in: {error}") from error

    @property
    def _scheme(self) -> str:
        return scheme() if self._tls is None else "https"

    def _base_url(self, master: MasterInfo) -> str:
        return base_url(master, scheme=self._scheme)


class _Opened:
    """A request under way; closes its response at the end of the block."""

    def __init__(
        self,
        master: MesosMaster,
        method: str,
        path: str,
        body: bytes | None,
        params: Mapping[str, str] | None,
        timeout: aiohttp.ClientTimeout | None,
        authorization: str | None = None,
    ) -> None:
        self.authorization = authorization
        self.method = method
        self.path = path
        self.body = body
        self.params = params
        self.timeout = timeout or aiohttp.ClientTimeout(total=None, sock_connect=10.0)
        self._master = master
        self._response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> aiohttp.ClientResponse:
        self._response = await self._master._open(self)
        return self._response

    async def __aexit__(self, *_: object) -> None:
        if self._response is not None:
            self._response.close()


def base_url(master: MasterInfo, *, scheme: str = "http") -> str:
    """``http://host:port`` of a master: its address, else its host name."""
    address = master.address
    host = (address.ip or address.hostname) if address else master.hostname
    host = host or str(ipaddress.IPv4Address(master.ip.to_bytes(4, "little")))
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port if address else master.port}"


def leader_of(master: MasterInfo) -> Leader:
    """The same as a plain address."""
    url = urlsplit(base_url(master))
    return Leader(ip=url.hostname or "", port=url.port or 5050, hostname=master.hostname or "", id=master.id)


async def redirecting(
    masters: Sequence[tuple[str, int]], *, every_s: float = 5.0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MasterInfo | None]:
    """Detection without ZooKeeper: asks the listed masters' ``/master/redirect`` who leads; yields changes. The list may change.

    Source: Mesos-DNS's ``masters`` setting; ``/redirect`` answers 307 with the leader's address at every master.
    """
    known: MasterInfo | None = None
    first = True
    how = scheme() if tls is None else "https"
    async with http.session(timeout_s=5.0, tls=tls) as session:
        while True:
            leader = None
            for host, port in tuple(masters):
                leader = await _redirect(session, f"{how}://{f'[{host}]' if ':' in host else host}:{port}")
                if leader is not None:
                    break
            if first or leader != known:
                yield leader
            first, known = False, leader
            await asyncio.sleep(every_s)


async def _redirect(session: aiohttp.ClientSession, master: str) -> MasterInfo | None:
    try:
        async with session.get(f"{master}/master/redirect", allow_redirects=False) as response:
            location = urlsplit(response.headers.get("Location", ""))
            if response.status != 307 or not location.hostname:
                return None
            return master_at(location.hostname, location.port or 5050)
    except aiohttp.ClientSSLError as error:
        _log.warning("no_trust", master=master, error=str(error))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        pass
    return None


def master_at(host: str, port: int) -> MasterInfo:
    """A master of which only the address is known."""
    try:
        number = int.from_bytes(ipaddress.IPv4Address(host).packed, "little")
    except ValueError:
        number = 0
    return MasterInfo(id="", ip=number, port=port, hostname=host, address=Address(ip=host, hostname=host, port=port))


@functools.cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=False)
