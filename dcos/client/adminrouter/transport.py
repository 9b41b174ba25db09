"""HTTP(S) to one cluster: token, TLS policy, redirects. Its errors are in ``failures.py``."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

from dcos.client.adminrouter.failures import ClientError, LoginNeeded, NotFound, Refused, Unreachable, Untrusted

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
_MAX_REDIRECTS: Final = 5


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """Errors: ClientError."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise ClientError(f"{self.url} did not answer with JSON") from None


Verify = bool | str | ssl.SSLContext
"""True: by the system's authorities; a path: by those in that file; False: not at all; or a context made already."""


def tls_context(verify: bool | str, *, authority: bytes | None = None) -> ssl.SSLContext:
    """``authority``: PEM of the only authority to trust.   Errors: ClientError."""
    if verify is False:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        if authority is not None:
            return ssl.create_default_context(cadata=authority.decode("ascii"))
        return ssl.create_default_context(cafile=verify if isinstance(verify, str) else None)
    except (OSError, ValueError) as error:
        where = verify if isinstance(verify, str) else "the cluster's authority"
        raise ClientError(f"cannot read the certificates in {where}: {error}") from None


class Transport:
    """One cluster at ``url`` (no slash at the end). Keeps a connection between requests; close it, or use ``with``."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        verify: Verify = True,
        timeout_s: float = 180.0,
        user_agent: str = "dcos-cli",
        trace: Callable[[str, Mapping[str, str]], None] | None = None,
    ) -> None:
        """``trace`` is told each exchange: a line, and the answer's headers."""
        self.url = url.rstrip("/")
        self.token = token
        self.verify = verify
        self.timeout_s = timeout_s
        self._user_agent = user_agent
        self._trace = trace
        self._tls: ssl.SSLContext | None = None
        self._kept: tuple[tuple[str, str], http.client.HTTPConnection] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._kept:
            self._kept[1].close()
            self._kept = None

    # ---- requests ----

    def get(self, path: str, *, query: Mapping[str, Any] | None = None, accept: str = JSON) -> Any:
        """The JSON of a GET."""
        return self.request("GET", path, query=query, headers={"Accept": accept}).json()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send JSON; the answer's JSON, None where it has none."""
        reply = self.request(method, path, body=body, query=query, headers=headers)
        return reply.json() if reply.body.strip() else None

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        authenticated: bool = True,
    ) -> Reply:
        """Any answer below 300 (redirects followed).   Errors: ClientError and below."""
        reply = self.ask(method, path, body=body, query=query, headers=headers, authenticated=authenticated)
        if reply.status < 300:
            return reply
        kind = {401: LoginNeeded, 404: NotFound}.get(reply.status, Refused)
        raise kind(reply.status, reply.body, reply.headers, f"{method} {reply.url}")

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        authenticated: bool = True,
    ) -> Reply:
        """Any answer at all (redirects of GET and HEAD followed).   Errors: Unreachable, Untrusted."""
        sent = {"User-Agent": self._user_agent, "Accept": JSON}
        raw = None
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent["Content-Type"] = BYTES if isinstance(body, bytes) else JSON
        if self.token and authenticated:
            sent["Authorization"] = f"token={self.token}"
        sent |= headers or {}
        url = self.url + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        home = _origin(url)
        for _ in range(_MAX_REDIRECTS):
            reply = self._once(method, url, raw, sent)
            location = reply.headers.get("location")
            if reply.status not in (301, 302, 303, 307, 308) or not location or method not in ("GET", "HEAD"):
                return reply
            url = urljoin(url, location)
            if _origin(url)[1] != home[1]:
                sent.pop("Authorization", None)
        raise Unreachable(f"{self.url}{path}: redirected in a circle")

    def _once(self, method: str, url: str, raw: bytes | None, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(url)
        origin = _origin(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        for fresh in (False, True):
            connection = None if fresh else self._reusable(origin)
            if connection is None:
                self.close()
                connection, fresh = self._connect(origin), True
            try:
                connection.request(method, target, body=raw, headers=dict(headers))
                response = connection.getresponse()
                content = response.read()
            except (http.client.HTTPException, ConnectionError, BrokenPipeError) as error:
                connection.close()
                self._kept = None
                if not fresh:
                    continue  # the kept connection was closed meanwhile
                raise Unreachable(f"{url}: {error or type(error).__name__}") from None
            except TimeoutError:
                connection.close()
                self._kept = None
                raise Unreachable(f"{url}: no answer within {self.timeout_s:g} s") from None
            except OSError as error:
                connection.close()
                self._kept = None
                raise Unreachable(f"{url}: {error}") from None
            self._kept = None if response.will_close else (origin, connection)
            told = {key.lower(): value for key, value in response.getheaders()}
            if self._trace is not None:
                self._trace(f"{method} {url}: {response.status}, {len(content)} bytes", told)
            return Reply(response.status, told, content, url)
        raise AssertionError("a fresh connection either answers or raises")

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        forever: bool = False,
    ) -> Iterator[bytes]:
        """The body of a GET, in parts as they come; redirects within the cluster are followed. ``forever``: silence is no
        trouble, however long.   Errors: ClientError and below."""
        url = self.url + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        for _ in range(_MAX_REDIRECTS):
            parts = urlsplit(url)
            connection = self.connect()
            try:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", target, headers=self.identity() | dict(headers or {}))
                response = connection.getresponse()
                said = {key.lower(): value for key, value in response.getheaders()}
                if response.status in (301, 302, 303, 307, 308) and "location" in said:
                    url = urljoin(url, said["location"])
                    if _origin(url) != _origin(self.url):
                        raise ClientError(f"{self.url}{path}: sends us to {url}, which is not this cluster")
                    continue
                if response.status >= 300:
                    kind = {401: LoginNeeded, 404: NotFound}.get(response.status, Refused)
                    raise kind(response.status, response.read(), said, f"GET {path}")
                if forever and connection.sock is not None:
                    connection.sock.settimeout(None)
                while part := response.read1(2**16):
                    yield part
                return
            except TimeoutError:
                raise Unreachable(f"{self.url}{path}: nothing came for {self.timeout_s:g} s") from None
            except (http.client.HTTPException, OSError) as error:
                raise Unreachable(f"{self.url}{path}: {error or type(error).__name__}") from None
            finally:
                connection.close()
        raise Unreachable(f"{self.url}{path}: redirected in a circle")

    def identity(self) -> dict[str, str]:
        """Headers that say who asks."""
        token = {"Authorization": f"token={self.token}"} if self.token else {}
        return {"User-Agent": self._user_agent, **token}

    def connect(self) -> http.client.HTTPConnection:
        """A connection for a stream, which its owner closes.   Errors: Unreachable, Untrusted."""
        return self._connect(_origin(self.url))

    def _reusable(self, origin: tuple[str, str]) -> http.client.HTTPConnection | None:
        return self._kept[1] if self._kept and self._kept[0] == origin else None

    def _connect(self, origin: tuple[str, str]) -> http.client.HTTPConnection:
        scheme, host = origin
        connection: http.client.HTTPConnection
        if scheme == "https":
            if self._tls is None:
                self._tls = self.verify if isinstance(self.verify, ssl.SSLContext) else tls_context(self.verify)
            connection = http.client.HTTPSConnection(host, timeout=self.timeout_s, context=self._tls)
        elif scheme == "http":
            connection = http.client.HTTPConnection(host, timeout=self.timeout_s)
        else:
            raise ClientError(f"{scheme}://{host}: only http and https are understood")
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"the certificate of {host} is not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise Unreachable(f"{scheme}://{host} does not speak TLS: {error.reason}") from None
        except TimeoutError:
            raise Unreachable(f"{scheme}://{host}: no connection within {self.timeout_s:g} s") from None
        except (OSError, socket.gaierror) as error:
            raise Unreachable(f"{scheme}://{host}: {error.strerror or error}") from None
        return connection


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
