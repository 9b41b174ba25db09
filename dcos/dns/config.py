"""Settings of dcos-mesos-dns: flags, ``MESOS_DNS_*`` environment, and upstream's JSON file.

The file gives defaults for what neither flags nor environment say. Its keys are Mesos-DNS's, in any case.
Source: Mesos-DNS docs/configuration-parameters.md.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.client.service_account import ServiceAccount, read_account
from dcos.dns.core.zone import IP_SOURCES
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.dns import Server, parse_server
from dcos.runtime.settings import boolean as parse_bool
from dcos.runtime.settings import comma_list, one_of, setting
from dcos.runtime.settings import port as parse_port
from dcos.wire.dns import name_bytes
from dcos.wire.errors import WireError

PREFIX = "MESOS_DNS_"
IGNORED_KEYS = frozenset(
    {
        "zkdetectiontimeout",  # without a leader the last names stay: that is better than to end
        "soaserial",
        "email",  # of the first versions: SOARname
        "mname",  # and SOAMname
        "file",
    }
)
"""Keys of upstream's file that change nothing here."""


def _masters(text: str) -> tuple[tuple[str, int], ...]:
    """``host:port`` or ``host``, comma separated."""
    found = []
    for part in comma_list(text):
        host, colon, number = part.rpartition(":")
        found.append((host, parse_port(number)) if colon else (part, 5050))
    return tuple(found)


def _credentials(text: str) -> tuple[str, str]:
    """Errors: ValueError, never with the secret in it."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    pair = (value.get("principal"), value.get("secret")) if isinstance(value, dict) else (None, None)
    principal, secret = pair
    if not isinstance(principal, str) or not principal or not isinstance(secret, str):
        raise ValueError("must be a JSON object with principal and secret")
    return principal, secret


def _sources(text: str) -> tuple[str, ...]:
    sources = comma_list(text)
    if not sources or any(source not in IP_SOURCES for source in sources):
        raise ValueError(f"must be a list of {', '.join(IP_SOURCES)}")
    return sources


def _domain(text: str) -> str:
    name = text.strip(".").lower()
    try:
        name_bytes(name)
    except WireError:
        name = ""
    if not name:
        raise ValueError("must be a domain name")
    return name


def _servers(text: str) -> tuple[Server, ...]:
    """``address[:port],...``"""
    try:
        return tuple(parse_server(part) for part in comma_list(text))
    except OSError:
        raise ValueError("must be a list of address or address:port") from None


def _zone_servers(text: str) -> tuple[tuple[str, tuple[Server, ...]], ...]:
    """The zone that is longest first."""
    values = json.loads(text)
    if not isinstance(values, dict) or not all(isinstance(found, list) and found for found in values.values()):
        raise ValueError("must be a JSON map of zone to a list of servers")
    zones = [(_domain(zone), _servers(",".join(map(str, found)))) for zone, found in values.items()]
    return tuple(sorted(zones, key=lambda one: -len(one[0])))


def _path(text: str) -> Path | None:
    """Empty: none, as upstream's sample files have it."""
    return Path(text) if text else None


def _account(text: str) -> ServiceAccount | None:
    """Errors: ValueError, OSError."""
    return read_account(Path(text)) if text else None


def _seconds(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError("must be from 0 to 2147483647")
    return number


def _weight(text: str) -> int:
    number = int(text)
    if not 0 <= number < 65536:
        raise ValueError("must be from 0 to 65535")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    config: Path | None = setting(None, "Mesos-DNS's JSON file; its keys are defaults for the flags of the same names.")
    zk: str = setting("", "Where the masters elect their leader, zk://host:port,.../mesos.")
    mesosauthentication: str = setting(
        "", "How masters are told who asks: basic, iam, or nothing.", parse=one_of("", "basic", "iam"), shown="none"
    )
    mesoscredentials: tuple[str, str] | None = setting(
        None,
        'The principal and secret for it, {"principal": ..., "secret": ...}; see also mesos_credential.',
        parse=_credentials,
        secret=True,
    )
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    masters: tuple[tuple[str, int], ...] = setting(
        (), "Masters as host:port,...; named master0, master1 ...", parse=_masters
    )
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    listener: str = setting("", "Address to answer on; empty: this node's address; 0.0.0.0: all.")
    httplistener: str = setting(
        "", "Address of the HTTP API; empty: the listener's, and 127.0.0.1 where none is given."
    )
    dnson: bool = setting(True, "Answer DNS questions.")
    port: int = setting(61053, "DNS port, UDP and TCP.", parse=parse_port, flags=("dns_port",))
    httpon: bool = setting(True, "Serve the HTTP API.")
    httpport: int = setting(8123, "Port of the HTTP API.", parse=parse_port, flags=("http_port",))
    enumerationon: bool = setting(True, "Serve /v1/enumerate and /v1/axfr.")
    domain: str = setting("mesos", "Domain of all names.", parse=_domain)
    healthaware: bool = setting(True, "Name tasks known to be unhealthy only where there are no others of that name.")
    ttl: int = setting(60, "Time to live of records, seconds.", parse=_seconds)
    refreshseconds: int = setting(
        30, "How often a master without an event stream is asked, seconds; with one, changes come at once."
    )
    ipsources: tuple[str, ...] = setting(
        ("host", "netinfo"), "Where a task's address comes from: the first that knows one.", parse=_sources
    )
    externalon: bool | None = setting(
        None,
        "Forward names of other domains to resolvers; else they are refused.",
        parse=lambda text: parse_bool(text),
        shown="true where there are resolvers",
    )
    resolvers: tuple[Server, ...] = setting(
        (), "Servers for names of other domains, address[:port],...", parse=_servers
    )
    zoneresolvers: tuple[tuple[str, tuple[Server, ...]], ...] = setting(
        (), "Zones with servers of their own, as a JSON map of zone to a list of address[:port].", parse=_zone_servers
    )
    recurseon: bool = setting(True, "Say that recursion is available in answers of the domain.")
    settruncatebit: bool = setting(True, "Say so where an answer did not fit into a packet.")
    srvrecorddefaultweight: int = setting(1, "Weight of SRV records.", parse=_weight)
    enforcerfc952: bool = setting(False, "Labels of at most 24 characters that begin with a letter.")
    mesoshttpson: bool = setting(False, "Ask masters by HTTPS.")
    cacertfile: Path | None = setting(
        None, "Certificates of who vouches for masters; empty: whom this machine trusts.", parse=_path
    )
    certfile: Path | None = setting(None, "This server's certificate, for masters that want one.", parse=_path)
    keyfile: Path | None = setting(None, "The private key of certFile.", parse=_path)
    iamconfigfile: ServiceAccount | None = setting(
        None, "Service account to log in with where mesosAuthentication is iam: file of JSON.", parse=_account
    )
    statetimeoutseconds: int = setting(300, "Seconds that a master without an event stream may take to answer.")
    timeout: int = setting(5, "Seconds to wait for a resolver.")
    soamname: str = setting("ns1.mesos", "SOA: this server's name.", parse=_domain)
    soarname: str = setting("root.ns1.mesos", "SOA: the mailbox.", parse=lambda text: _domain(text.replace("@", ".")))
    soarefresh: int = setting(60, "SOA: refresh, seconds.", parse=_seconds)
    soaretry: int = setting(600, "SOA: retry, seconds.", parse=_seconds)
    soaexpire: int = setting(86400, "SOA: expire, seconds.", parse=_seconds)
    soaminttl: int = setting(60, "SOA: time to live of negative answers, seconds.", parse=_seconds)


def tls_of(config: Config) -> ssl.SSLContext | None:
    """How masters are asked by HTTPS, None: by HTTP.   Errors: ValueError naming the key and the rule."""
    if not config.mesoshttpson:
        return None
    if (config.certfile is None) != (config.keyfile is None):
        raise ValueError("certFile, keyFile: give both or neither")
    try:
        context = ssl.create_default_context(cafile=config.cacertfile)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"caCertFile: {config.cacertfile}: {error}") from None
    if config.certfile is not None and config.keyfile is not None:
        try:
            context.load_cert_chain(config.certfile, config.keyfile, password=_no_password)
        except (OSError, ValueError) as error:
            raise ValueError(f"certFile, keyFile: {config.certfile}, {config.keyfile}: {error}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key must not need a password")


def account_of(config: Config) -> ServiceAccount | None:
    """Who logs in for the masters.   Errors: ValueError: that is wanted and nobody is named."""
    if config.mesosauthentication != "iam":
        return None
    if config.iamconfigfile is None:
        raise ValueError("mesosAuthentication is iam: iamConfigFile must name a service account")
    return config.iamconfigfile


def credential_of(config: Config) -> tuple[str, str] | None:
    """(principal, secret) for the masters.   Errors: ValueError: authentication is wanted and nobody is named."""
    if config.mesosauthentication == "iam":
        return None
    found = config.mesoscredentials or (config.mesos_credential.pair if config.mesos_credential is not None else None)
    if config.mesosauthentication == "basic" and found is None:
        raise ValueError("mesosAuthentication is basic: mesosCredentials must name a principal and its secret")
    return found


def environment_of(raw: bytes) -> dict[str, str]:
    """The file as environment variables of this service.   Errors: ValueError naming the key and the rule."""
    values = json.loads(raw)
    if not isinstance(values, dict):
        raise ValueError("must be a JSON object")
    known = {name for name in Config.__dataclass_fields__ if name != "config"}
    result = {}
    for key, value in values.items():
        name = key.lower()
        if name in IGNORED_KEYS:
            continue
        if name not in known:
            raise ValueError(f"{key}: unknown key")
        result[PREFIX + name.upper()] = _text(key, value)
    return result


def _text(key: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case dict() if key.lower() in ("mesoscredentials", "zoneresolvers"):
            return json.dumps(value)
        case list() if all(isinstance(part, str) for part in value):
            return ",".join(value)
    raise ValueError(f"{key}: must be a text, a number, true or false, or a list of texts")


def file_of(argv: list[str], environ: Mapping[str, str], default: Path) -> Path | None:
    """Which JSON file is meant: ``--config`` (one dash as upstream's too), the environment, or ``default`` if it exists."""
    for index, word in enumerate(argv):
        flag, equals, value = word.lstrip("-").partition("=")
        if word.startswith("-") and flag == "config":
            if equals:
                return Path(value)
            if index + 1 < len(argv):
                return Path(argv[index + 1])
    if PREFIX + "CONFIG" in environ:
        return Path(environ[PREFIX + "CONFIG"])
    return default if default.exists() else None


def forwards(config: Config) -> bool:
    """Are names of other domains forwarded?"""
    return bool(config.resolvers or config.zoneresolvers) if config.externalon is None else config.externalon


def name_servers(text: str, own: str) -> tuple[Server, ...]:
    """Those of a ``resolv.conf`` but ``own``: who is wanted to forward and is not told where to."""
    found = []
    for line in text.splitlines():
        word, _, host = line.strip().partition(" ")
        host = host.strip().partition(" ")[0]
        if word == "nameserver" and host != own:
            with contextlib.suppress(OSError, ValueError):  # as the C library, which passes over what it cannot read
                found.append(parse_server(f"[{host}]" if ":" in host else host))
    return tuple(found)


def shown(config: Config) -> dict[str, Any]:
    """The settings under upstream's names, as its ``/v1/config`` gives them, but for the secret."""
    return {
        "Zk": config.zk,
        "Masters": [f"{host}:{number}" for host, number in config.masters] or None,
        "MesosAuthentication": config.mesosauthentication,
        "MesosCredentials": {"Principal": (credential_of(config) or ("",))[0], "Secret": ""},
        "MesosHTTPSOn": config.mesoshttpson,
        "CACertFile": str(config.cacertfile or ""),
        "CertFile": str(config.certfile or ""),
        "KeyFile": str(config.keyfile or ""),
        "IAMConfigFile": str(config.iamconfigfile or ""),
        "StateTimeoutSeconds": config.statetimeoutseconds,
        "RefreshSeconds": config.refreshseconds,
        "TTL": config.ttl,
        "Domain": config.domain,
        "Port": config.port,
        "Resolvers": [one.host if one.port == 53 else str(one) for one in config.resolvers],
        "ZoneResolvers": {zone: list(map(str, servers)) for zone, servers in config.zoneresolvers},
        "Timeout": config.timeout,
        "Listener": config.listener,
        "HTTPListener": config.httplistener,
        "HttpPort": config.httpport,
        "HttpOn": config.httpon,
        "DnsOn": config.dnson,
        "ExternalOn": forwards(config),
        "RecurseOn": config.recurseon,
        "EnumerationOn": config.enumerationon,
        "EnforceRFC952": config.enforcerfc952,
        "SetTruncateBit": config.settruncatebit,
        "SRVRecordDefaultWeight": config.srvrecorddefaultweight,
        "HealthAware": config.healthaware,
        "IPSources": list(config.ipsources),
        "SOAMname": config.soamname + ".",
        "SOARname": config.soarname + ".",
        "SOARefresh": config.soarefresh,
        "SOARetry": config.soaretry,
        "SOAExpire": config.soaexpire,
        "SOAMinttl": config.soaminttl,
        "File": str(config.config or ""),
    }
