"""Settings of dcos-adminrouter. Names of the ``cache_*`` settings and their variables are upstream's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.registry import NodeRole
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.settings import boolean, integer, number, one_of, port, setting
from dcos.wire.ciphers import PROTOCOLS


def role(text: str) -> NodeRole:
    """``master`` or ``agent`` (``slave``, ``slave_public`` mean the same as ``agent``)."""
    if text == "agent":
        return NodeRole.AGENT
    try:
        return NodeRole(text)
    except ValueError:
        raise ValueError("must be master or agent") from None


def upstreams(text: str) -> tuple[tuple[str, str], ...]:
    """``service=ip:port,service=unix:/path`` to pairs."""
    pairs = []
    for part in text.split(","):
        name, equals, where = part.strip().partition("=")
        if not (name and equals and where):
            raise ValueError("must be service=ip:port or service=unix:/path, separated by commas")
        if name not in {service.name for service in registry.SERVICES}:
            raise ValueError(f"{name}: no such service")
        pairs.append((name, where))
    return tuple(pairs)


def optional_path(text: str) -> Path | None:
    return Path(text) if text else None


def protocols(text: str) -> tuple[str, ...]:
    """Names of protocols as nginx writes them."""
    found = tuple(text.split())
    known = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    if not found or any(one not in known for one in found):
        raise ValueError(f"must be some of {', '.join(known)}, separated by blanks")
    return found


def ciphers(text: str) -> str:
    """A cipher list; whether OpenSSL knows it, nginx says."""
    if not re.fullmatch(r"[A-Za-z0-9+!:@=_.,\- ]*", text):
        raise ValueError("must be a list of ciphers in OpenSSL's words")
    return text


def grpc_upstream(text: str) -> str:
    """``host:port``, ``grpc://host:port`` or ``grpcs://host:port``; empty for none."""
    if text and not re.fullmatch(r"(grpcs?://)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", text):
        raise ValueError("must be host:port, or grpcs://host:port")
    return text


def host_name(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9*._-]+", text):
        raise ValueError("must be a name as certificates have it")
    return text


def frames(text: str) -> str:
    if text not in ("DENY", "SAMEORIGIN") and not re.fullmatch(r"ALLOW-FROM [^\s\"\\$'{};]+", text):
        raise ValueError("must be DENY, SAMEORIGIN or ALLOW-FROM <URL>")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    role: NodeRole = setting(NodeRole.MASTER, "What this machine is: master or agent.", parse=role)
    zk: str | None = setting(
        None, "Where the leading Mesos master is found, zk://host:port,.../mesos. Masters need it.", environ="MESOS_ZK"
    )
    mesos_credential: CredentialFile | None = setting(
        None, f"{MESOS_CREDENTIAL} Users' requests below /mesos/ are passed on with it.", parse=read_one, raw=True
    )
    mesos_agent_credential: CredentialFile | None = setting(
        None,
        "File of the principal and secret that Mesos agents with --authenticate_http_readonly or "
        "--authenticate_http_readwrite are told: users' requests below /agent/ are passed on with it.",
        parse=read_one,
        raw=True,
    )
    ip: tuple[str, ...] = setting(
        (), "Addresses to listen on, separated by commas. Default: all on masters, the node's own on agents."
    )
    node_ip: str | None = setting(
        None,
        "The node's own address, where its other services listen and which tells whether it leads. Default: the first of "
        "--ip that is not 0.0.0.0 or ::, else what detect_ip says.",
    )
    ip_discovery_command: Path | None = setting(
        None, "Program that prints the node's address. Default: detect_ip.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    public_ip_command: Path | None = setting(
        None, "Program that prints the node's public address, shown by /metadata. Default: detect_ip_public."
    )
    http_port: int | None = setting(None, "Port for HTTP. Default: 80 on masters, 61001 on agents.", parse=port)
    https_port: int | None = setting(
        None,
        "Port for HTTPS; 0 for none. Default: 443 on masters, 61002 on agents that have a certificate (LIBPROCESS_SSL_ENABLED).",
        parse=port,
    )
    tls_protocols: tuple[str, ...] = setting(
        PROTOCOLS,
        "What is spoken there, separated by blanks: TLSv1, TLSv1.1, TLSv1.2, TLSv1.3.",
        parse=protocols,
        shown=" ".join(PROTOCOLS),
    )
    tls_cipher_suite: str = setting(
        "",
        "Ciphers for TLS 1.2 and older, in OpenSSL's words. Default: ECDHE with AES-GCM or ChaCha20; where TLS 1.0 or 1.1 is "
        "spoken, ECDHE with AES-CBC beside them.",
        parse=ciphers,
    )
    agent_router_port: int | None = setting(
        None,
        "Port of the Admin Routers on agents. Default: 61001, or 61002 where services ask each other over TLS.",
        parse=port,
    )
    leader_router_port: int | None = setting(
        None, "HTTP port of the Admin Routers on other masters. Default: as --http_port.", parse=port
    )
    certificate: Path | None = setting(
        None,
        "File with the key and the certificate that masters show, then those above it (PEM); they wait until it is there. "
        "Default: one made at the first start, signed by itself.",
        parse=optional_path,
    )
    x_frame_options: str = setting(
        "DENY", "Who may show the web interface in a frame: DENY, SAMEORIGIN or ALLOW-FROM <URL>.", parse=frames
    )
    keep_connections: bool = setting(
        True, "Keep connections to services below /service/, where nginx has its module for Lua.", parse=boolean
    )
    grpc_upstream: str = setting(
        "",
        "Where a gRPC service listens (etcd: 127.0.0.1:2379) that --grpc_port leads to, with grpcs:// before it where it speaks "
        "TLS; empty: that port is closed.",
        parse=grpc_upstream,
    )
    grpc_upstream_name: str = setting(
        "",
        "Name that its certificate must have (nginx looks at no addresses). Default: the host of --grpc_upstream.",
        parse=host_name,
    )
    grpc_upstream_ca: Path | None = setting(
        None, "File with the authorities that vouch for it (PEM). Default: the cluster's own.", parse=optional_path
    )
    grpc_port: int = setting(12379, "Port for gRPC (HTTP/2 without TLS) on masters.", parse=port)
    upstreams: tuple[tuple[str, str], ...] = setting(
        (),
        "Where services of this node listen when not at their usual port: dcos-marathon=10.0.0.1:18080,dcos-cosmos=...",
        parse=upstreams,
    )
    activate_auth_module: bool = setting(True, "Ask for a token on routes that need one.", parse=boolean)
    security: str = setting(
        "disabled",
        "Whether permissions are checked beside tokens: disabled, permissive or strict.",
        parse=one_of("disabled", "permissive", "strict"),
    )
    service_account_credential: Path | None = setting(
        None,
        "File of the service account by which Marathon is asked about apps and its leader: JSON with uid, private_key and "
        "login_endpoint (which is not used: bouncer is on this machine). Needed where Marathon checks permissions.",
    )
    oauth_auth_redirector: str = setting(
        "", "Base URL of an outside login page; empty: this cluster's own.", environ="OAUTH_AUTH_REDIRECTOR"
    )
    oauth_client_id: str = setting("", "Client id for the outside login page.", environ="OAUTH_CLIENT_ID")
    ui_dir: Path | None = setting(
        None,
        "Folder with the web interface. Default: dcos-ui-update-service/dist/ui in the state folder, else our own, "
        "else a plain page.",
    )
    cluster_name: str = setting("", "Shown on our page.")
    nginx: str = setting("nginx", "Program to run.")
    workers: int = setting(2, "Number of nginx's worker processes.", parse=integer)
    access_log: str = setting(
        "auto", "Where requests are logged: syslog, off, or a file. auto: syslog where there is one."
    )
    cache_first_poll_delay: float = setting(
        2.0, "Seconds until the first refresh of what is known.", parse=number, environ="CACHE_FIRST_POLL_DELAY"
    )
    cache_poll_period: float = setting(
        25.0, "Seconds between refreshes of what the master says.", parse=number, environ="CACHE_POLL_PERIOD"
    )
    cache_max_age_soft_limit: float = setting(
        75.0, "Seconds after which older knowledge is logged.", parse=number, environ="CACHE_MAX_AGE_SOFT_LIMIT"
    )
    cache_max_age_hard_limit: float = setting(
        259200.0, "Seconds after which older knowledge is not used.", parse=number, environ="CACHE_MAX_AGE_HARD_LIMIT"
    )
    cache_backend_request_timeout: float = setting(
        60.0, "Seconds for one fetch.", parse=number, environ="CACHE_BACKEND_REQUEST_TIMEOUT"
    )
    events_poll_period: float = setting(
        3.0, "Seconds between refreshes of apps while Marathon's event stream is away.", parse=number
    )

    @property
    def is_master(self) -> bool:
        return self.role is NodeRole.MASTER
