"""TLS: the one place where contexts are made, from the variables that Mesos has for it.

    LIBPROCESS_SSL_ENABLED              whether this process speaks TLS at all
    LIBPROCESS_SSL_CERT_FILE, _KEY_FILE what it shows, as a server and as a client (may be one file)
    LIBPROCESS_SSL_CA_FILE              the authorities that it trusts, instead of the system's
    LIBPROCESS_SSL_SUPPORT_DOWNGRADE    its ports take plain connections too, and it asks others without TLS
    LIBPROCESS_SSL_ASK_OTHERS           true: it asks others over TLS all the same (ours; Mesos has none of this name)
    LIBPROCESS_SSL_REQUIRE_CLIENT_CERT  (or _REQUIRE_CERT) whoever connects must show a certificate by these authorities
    LIBPROCESS_SSL_VERIFY_SERVER_CERT   (or _VERIFY_CERT) false: it does not look at others' certificates

A process has one ``Identity``, or none: ``own()``. Everything in ``http`` and ``store`` takes it by itself. TLS 1.2 with forward
secrecy and authenticated encryption, or 1.3. Files may be replaced while the process runs: new connections get what is new, those
there are go on.   Source: apache/mesos docs/ssl.md; here servers are verified unless that is switched off.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.model.layout import Layout
from dcos.registry import port_of
from dcos.runtime import log
from dcos.wire.ciphers import CIPHERS

REFRESH_S = 60.0
"""How often it is looked whether a file was replaced."""
_WAIT_S = 0.2
_PREFIX = "LIBPROCESS_SSL_"
_log = log.get_logger("tls")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the variables say."""

    certificate: Path
    key: Path
    authorities: Path | None = None
    plain_too: bool = False
    asks_callers: bool = False
    verifies: bool = True
    asks_early: bool = False
    """It asks others over TLS though its own ports take plain connections still."""

    @property
    def asks(self) -> bool:
        """Whether other services of the cluster are asked over TLS."""
        return self.asks_early or not self.plain_too

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys((self.certificate, self.key, *([self.authorities] if self.authorities else []))))


def settings(environ: Mapping[str, str]) -> Settings | None:
    """None where TLS is not enabled.   Errors: ValueError naming the variable and the rule."""
    if not _boolean(environ, ("ENABLED",), default=False):
        return None
    certificate, key = (environ.get(f"{_PREFIX}{name}", "") for name in ("CERT_FILE", "KEY_FILE"))
    for name, value in (("CERT_FILE", certificate), ("KEY_FILE", key)):
        if not value:
            raise ValueError(f"{_PREFIX}{name}: must be given where {_PREFIX}ENABLED is true")
    authorities = environ.get(f"{_PREFIX}CA_FILE", "")
    found = Settings(
        Path(certificate),
        Path(key),
        Path(authorities) if authorities else None,
        plain_too=_boolean(environ, ("SUPPORT_DOWNGRADE",), default=False),
        asks_callers=_boolean(environ, ("REQUIRE_CLIENT_CERT", "REQUIRE_CERT"), default=False),
        verifies=_boolean(environ, ("VERIFY_SERVER_CERT", "VERIFY_CERT"), default=True),
        asks_early=_boolean(environ, ("ASK_OTHERS",), default=False),
    )
    if found.asks_callers and found.authorities is None:
        raise ValueError(f"{_PREFIX}CA_FILE: must be given where callers must show a certificate")
    return found


def _boolean(environ: Mapping[str, str], names: tuple[str, ...], *, default: bool) -> bool:
    for name in names:
        text = environ.get(f"{_PREFIX}{name}", "").lower()
        if text in ("1", "true"):
            return True
        if text in ("0", "false"):
            return False
        if text:
            raise ValueError(f"{_PREFIX}{name}: must be true or false, not {text!r}")
    return default


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose certificate the other end showed."""

    service: str
    unit: str
    """On what kind of machine."""
    addresses: tuple[str, ...] = ()
    """The machine's, and those by which it calls itself."""


class Identity:
    """The contexts of this process. ``server`` and ``client`` stay the same objects when files are replaced.

    Errors: OSError, ValueError: a file is not there, or is not what it should be.
    """

    def __init__(self, given: Settings) -> None:
        self.settings = given
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _harden(self.server)
        self.client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _harden(self.client)
        self._seen: tuple[tuple[int, int], ...] = ()
        self.generation = 0
        """Grows when files were replaced."""
        if given.authorities is None:
            self.client.load_default_certs()
        if not given.verifies:
            self.client.check_hostname = False
            self.client.verify_mode = ssl.CERT_NONE
        self._load()
        if given.authorities is not None:
            # who shows none may still prove itself otherwise, where that is not required
            self.server.verify_mode = ssl.CERT_REQUIRED if given.asks_callers else ssl.CERT_OPTIONAL

    @property
    def plain_too(self) -> bool:
        return self.settings.plain_too

    @property
    def asks(self) -> bool:
        """Whether it asks other services of the cluster over TLS."""
        return self.settings.asks

    @property
    def scheme(self) -> str:
        """How it asks other services of the cluster."""
        return "https" if self.asks else "http"

    def outside(self) -> ssl.SSLContext:
        """For servers outside the cluster as well: trusts the system's authorities beside ours, shows no certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _harden(context)
        context.load_default_certs()
        if self.settings.authorities is not None:
            _trust(context, self.settings.authorities)
        return context

    def refresh(self) -> bool:
        """Take what was replaced; tells whether anything was.   Errors: OSError, ValueError; then all stays as it was."""
        if self._stamps() == self._seen:
            return False
        self._load()
        self.generation += 1
        return True

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        return tuple((found.st_mtime_ns, found.st_ino) for found in (path.stat() for path in self.settings.files))

    def _load(self) -> None:
        stamps = self._stamps()
        for context in (self.server, self.client):
            try:
                context.load_cert_chain(str(self.settings.certificate), str(self.settings.key))
            except ssl.SSLError as error:
                raise ValueError(
                    f"{self.settings.certificate}: no certificate with its key ({error.reason})"
                ) from error
            if self.settings.authorities is not None:
                _trust(context, self.settings.authorities)
        self._seen = stamps


_own: Identity | None = None


def own() -> Identity | None:
    """Who this process is; None where it speaks no TLS."""
    return _own


def become(identity: Identity | None) -> None:
    """Decide who this process is, before anything listens or asks."""
    global _own
    _own = identity


def scheme() -> str:
    """How services of the cluster are asked: http or https."""
    return _own.scheme if _own is not None else "http"


def agent_router_port() -> int:
    """Where the Admin Routers of agents are asked."""
    return port_of("dcos-adminrouter-agent", scheme())


async def begin(environ: Mapping[str, str]) -> Identity | None:
    """Take what the variables say, and wait until the files are there: at a node's first start, they are being made.

    Errors: ValueError.
    """
    given = settings(environ)
    if given is None:
        become(None)
        return None
    missing = [path for path in given.files if not path.exists()]
    if missing:
        _log.info("waiting_for_certificate", paths=",".join(map(str, missing)))
        while not all(path.exists() for path in given.files):  # noqa: ASYNC110 (files tell nobody; at a first start only)
            await asyncio.sleep(_WAIT_S)
    try:
        identity = Identity(given)
    except OSError as error:
        raise ValueError(str(error)) from error
    become(identity)
    return identity


async def keep_fresh(identity: Identity) -> None:
    """For as long as the process runs."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            if identity.refresh():
                _log.info("certificate_renewed", path=str(identity.settings.certificate))
        except (OSError, ValueError) as error:
            _log.error("certificate_unusable", error=str(error))


def caller(transport: Any) -> Caller | None:
    """Who is at the other end of a connection, if it showed a certificate by our authorities."""
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        return None
    subject = {name: value for part in certificate.get("subject", ()) for name, value in part}
    found = (value for kind, value in certificate.get("subjectAltName", ()) if kind == "IP Address")
    addresses = tuple(str(ipaddress.ip_address(value.strip())) for value in found)
    return Caller(subject.get("commonName", ""), subject.get("organizationalUnitName", ""), addresses)


def folder(layout: Layout) -> Path:
    """Where a node's certificates are: ``<service>.pem``, key and certificate in one."""
    return layout.state / "pki"


def trusting(bundle: Path) -> ssl.SSLContext:
    """For clients without a certificate: servers must show one by one of the authorities in ``bundle``, for the name asked for.

    Errors: OSError; ValueError where it holds none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context)
    _trust(context, bundle)
    return context


def _trust(context: ssl.SSLContext, bundle: Path) -> None:
    try:
        context.load_verify_locations(cafile=str(bundle))
    except ssl.SSLError as error:
        raise ValueError(f"{bundle}: holds no certificate in PEM form") from error


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
