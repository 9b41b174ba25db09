"""The ensemble as data, and the zoo.cfg that follows from it."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Member:
    """One server. ``id`` is its myid; an observer follows without a vote."""

    id: int
    host: str
    observer: bool = False

    @property
    def spec(self) -> str:
        """``S:1:10.0.0.1``, as Exhibitor writes it."""
        return f"{'O' if self.observer else 'S'}:{self.id}:{self.host}"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """All servers, by id."""

    members: tuple[Member, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(member.host for member in self.members)

    @property
    def spec(self) -> str:
        return ",".join(member.spec for member in self.members)

    @property
    def is_alone(self) -> bool:
        """A single server runs without ensemble protocol: ports 2888 and 3888 stay closed."""
        return len(self.members) == 1

    def member(self, host: str) -> Member | None:
        return next((member for member in self.members if member.host == host), None)


def parse_ensemble(text: str) -> Ensemble:
    """``[S:|O:]id:host,...``.   Errors: ValueError.   Source: Exhibitor's serversSpec and --staticensemble."""
    members = []
    for part in (piece.strip() for piece in text.split(",")):
        words = part.split(":", 2) if part[:2] in ("S:", "O:") else ["S", *part.split(":", 1)]
        kind, number, host = [*words, "", ""][:3]
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= 255 and host):
            raise ValueError(f"{part!r} must be id:host with an id of 1 to 255")
        members.append(Member(int(number), host, observer=kind == "O"))
    return _checked(members)


def parse_master_list(text: str) -> Ensemble:
    """A JSON list or ``ip,ip``: ids are counted along the sorted addresses, so that every master counts alike.

    Errors: ValueError.
    """
    try:
        given = json.loads(text) if text.lstrip().startswith("[") else [part.strip() for part in text.split(",")]
        hosts = sorted({str(ipaddress.ip_address(host)) for host in given}, key=_by_number)
    except ValueError as error:
        raise ValueError(f"must be a list of IP addresses: {error}") from None
    return _checked([Member(number, host) for number, host in enumerate(hosts, 1)])


def _by_number(host: str) -> tuple[int, int]:
    address = ipaddress.ip_address(host)
    return address.version, int(address)


def _checked(members: Iterable[Member]) -> Ensemble:
    ordered = tuple(sorted(members, key=lambda member: member.id))
    for what in ("id", "host"):
        values = [getattr(member, what) for member in ordered]
        twice = {value for value in values if values.count(value) > 1}
        if twice:
            raise ValueError(f"{what} {', '.join(str(value) for value in sorted(twice))} is given twice")
    if all(member.observer for member in ordered):
        raise ValueError("needs a server that is no observer")
    return Ensemble(ordered)


@dataclass(frozen=True, slots=True)
class Tls:
    """``certificate``: PEM file of key and certificate; ``plain_too``: connections without TLS are taken as well; ``asks``:
    servers of the quorum ask each other over TLS."""

    certificate: str
    authorities: str
    plain_too: bool
    asks: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooSettings:
    """What zoo.cfg says besides the members.   ``tick_ms`` milliseconds, limits in ticks."""

    client_address: str
    client_port: int = 2181
    connect_port: int = 2888
    election_port: int = 3888
    snapshot_dir: str
    transaction_dir: str
    tick_ms: int = 2000
    init_limit: int = 10
    sync_limit: int = 5
    tls: Tls | None = None

    @property
    def patience_s(self) -> float:
        """How long a server may be down or without quorum before it is started anew.   Source: Exhibitor."""
        return 2 * self.tick_ms * max(self.init_limit, self.sync_limit) / 1000.0


@dataclass(frozen=True, slots=True)
class Dynamic:
    """``file``: of the members, which ZooKeeper replaces when they change; ``digest``: of the superuser, who may change them."""

    file: str
    digest: str


def zoo_cfg(settings: ZooSettings, dynamic: Dynamic | None) -> str:
    """The text of zoo.cfg; ``dynamic`` None: of a server alone."""
    lines = [
        f"tickTime={settings.tick_ms}",
        f"initLimit={settings.init_limit}",
        f"syncLimit={settings.sync_limit}",
        f"dataDir={settings.snapshot_dir}",
        f"dataLogDir={settings.transaction_dir}",
        *_client_port(settings),
        "maxClientCnxns=0",
        "admin.enableServer=false",
        "4lw.commands.whitelist=*",
        "quorumListenOnAllIPs=false",
    ]
    if settings.tls is not None:
        lines += _secured(settings.tls)
    if dynamic is not None:
        lines += [
            "standaloneEnabled=false",
            "reconfigEnabled=true",
            f"DigestAuthenticationProvider.superDigest={dynamic.digest}",
            f"dynamicConfigFile={dynamic.file}",
        ]
    return "\n".join(lines) + "\n"


def _client_port(settings: ZooSettings) -> list[str]:
    """One port, whatever is spoken there: clients know one address only."""
    name = "clientPort" if settings.tls is None or settings.tls.plain_too else "secureClientPort"
    return [f"{name}={settings.client_port}", f"{name}Address={settings.client_address}"]


def _secured(tls: Tls) -> list[str]:
    """Source: ZooKeeper's administrator's guide. Plain TCP in ZooKeeper is NIO; TLS there needs Netty."""
    lines = [
        "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
        f"client.portUnification={str(tls.plain_too).lower()}",
        f"sslQuorum={str(tls.asks).lower()}",
        f"portUnification={str(tls.plain_too).lower()}",
        "sslQuorumReloadCertFiles=true",
        # known to 3.8.1 and later; others ignore it
        "client.certReload=true",
        # by itself it knows this one with a port for TLS alone only
        "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider",
    ]
    for prefix in ("ssl", "ssl.quorum"):
        lines += [
            f"{prefix}.keyStore.location={tls.certificate}",
            f"{prefix}.keyStore.type=PEM",
            f"{prefix}.trustStore.location={tls.authorities}",
            f"{prefix}.trustStore.type=PEM",
            f"{prefix}.clientAuth=need",
            f"{prefix}.protocol=TLSv1.3",
            f"{prefix}.enabledProtocols=TLSv1.3,TLSv1.2",
            f"{prefix}.ciphersuites={','.join(_CIPHERS)}",
        ]
    return lines


_CIPHERS = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
)
