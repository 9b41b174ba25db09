"""From settings to files: what nginx's text depends on, and everything that must lie on disk before nginx starts."""

from __future__ import annotations

import base64
import grp
import html
import os
import pwd
import resource
import stat
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from dcos import registry
from dcos.adminrouter import certificate as own_certificate
from dcos.adminrouter.config import Config
from dcos.adminrouter.core.locations import Files, Mesos, Secured, table_routes, upstream_name
from dcos.adminrouter.core.site import Grpc, Site, Tls
from dcos.model.layout import Layout
from dcos.runtime.credentials import CredentialFile
from dcos.runtime.files import write_atomic
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import Identity, own
from dcos.store.url import ZkUrl
from dcos.wire.ciphers import CIPHERS, CIPHERS_OF_OLD

CONNECTIONS = 8192
EXIT_BAD_INPUT = 3
WAITING_FD = "ADMINROUTER_WAITING_FD"
"""Names to the decision service, in its environment, the listening socket that the supervisor keeps for it."""
_LUA = Path("/usr/lib/nginx/modules")
_LUA_NEEDS = (
    _LUA / "ndk_http_module.so",
    _LUA / "ngx_http_lua_module.so",
    Path("/usr/share/lua/5.1/resty/core.lua"),
    Path("/usr/share/lua/5.1/ngx/balancer.lua"),
)
"""Of Debian's libnginx-mod-http-lua and what it depends on."""
_WORKER = ("nobody", "nogroup")
_SYSLOG = Path("/dev/log")
_PAGES = ("index.html", "401.html", "403.html", "503.html")


def master_zk(config: Config) -> ZkUrl:
    """Where masters find the leading Mesos master.   Errors: ValueError."""
    if config.zk is None:
        raise ValueError("--zk: is required on masters (or ADMINROUTER_ZK in the environment)")
    return ZkUrl.parse(config.zk)


def node_ip(config: Config, layout: Layout) -> str:
    """The node's own address.   Errors: AddressError."""
    given = config.node_ip or next((one for one in config.ip if one not in ("0.0.0.0", "::")), None)
    return detect_ip(given, config.ip_discovery_command or layout.bin / "detect_ip")


def addresses(config: Config, ip: str) -> dict[str, str]:
    """Where each service of this node listens for HTTP, by the service table or as told, as ``ip:port`` or ``unix:...``."""
    table = {
        service.name: f"{'127.0.0.1' if port.bind == 'loopback' else ip}:{port.number}"
        for service in registry.SERVICES
        for port in service.ports
        if port.name == "http"
    }
    return {**table, **dict(config.upstreams)}


def site(config: Config, layout: Layout, ip: str) -> Site:
    """Everything that nginx's text depends on.   Errors: ValueError."""
    name = "dcos-adminrouter" if config.is_master else "dcos-adminrouter-agent"
    run, state = layout.run / name, layout.state / "adminrouter"
    identity = own()
    hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return Site(
        role=config.role,
        listen=config.ip or (("0.0.0.0",) if config.is_master else (ip,)),
        port=config.http_port if config.http_port is not None else registry.port_of(name),
        tls=_tls(config, state, name),
        run=run,
        bodies=state / "bodies",
        files=_files(config, layout, run),
        upstreams=_groups(config, layout, ip),
        login=_login(config, layout),
        frames=config.x_frame_options,
        grpc=_grpc(config, layout) if config.grpc_upstream else None,
        user=_worker_user((run, state, layout.opt)),
        workers=config.workers,
        connections=min(CONNECTIONS, hard_limit // 2) if hard_limit > 0 else CONNECTIONS,
        access_log=_access_log(config.access_log),
        lua=_LUA if config.keep_connections and all(path.exists() for path in _LUA_NEEDS) else None,
        secured=_secured(identity) if identity is not None and identity.asks else None,
        strict=identity is not None and not identity.plain_too,
        checked=config.is_master and config.activate_auth_module and config.security != "disabled",
        mesos=Mesos(master=_basic(config.mesos_credential), agent=_basic(config.mesos_agent_credential)),
    )


def _tls(config: Config, state: Path, name: str) -> Tls | None:
    """What is shown, and where: on masters always, on agents where they have a certificate."""
    if config.is_master:
        shown = config.certificate or state / "server.crt", config.certificate or state / "server.key"
    elif (identity := own()) is not None:
        shown = identity.settings.certificate, identity.settings.key
    else:
        return None
    number = config.https_port if config.https_port is not None else registry.port_of(name, "https")
    if not number:
        return None
    old = {"TLSv1", "TLSv1.1"} & set(config.tls_protocols)
    return Tls(
        port=number,
        certificate=shown[0],
        key=shown[1],
        protocols=config.tls_protocols,
        ciphers=config.tls_cipher_suite or (CIPHERS_OF_OLD if old else CIPHERS),
    )


def _grpc(config: Config, layout: Layout) -> Grpc:
    """It is shown the certificate that everybody is shown.   Errors: ValueError."""
    how, separator, where = config.grpc_upstream.rpartition("://")
    if not separator or how == "grpc":
        return Grpc(port=config.grpc_port, upstream=where)
    if config.certificate is None:
        raise ValueError(
            "--grpc_upstream: grpcs:// needs --certificate, a file with the key and the certificate to show there"
        )
    peer = config.grpc_upstream_name or where.rpartition(":")[0]
    if not any(character.isalpha() for character in peer):
        raise ValueError("--grpc_upstream_name: must be given where --grpc_upstream is an address")
    authorities = config.grpc_upstream_ca or layout.etc / "ca-bundle.crt"
    secured = Secured(certificate=config.certificate, authorities=authorities)
    return Grpc(port=config.grpc_port, upstream=where, secured=secured, peer=peer)


def _secured(identity: Identity) -> Secured:
    """How other services are asked.   Errors: ValueError."""
    given = identity.settings
    if given.certificate != given.key or given.authorities is None:
        raise ValueError("LIBPROCESS_SSL_CERT_FILE and _KEY_FILE must be one file, and _CA_FILE be given")
    return Secured(certificate=given.certificate, authorities=given.authorities)


def _basic(credential: CredentialFile | None) -> str | None:
    if credential is None:
        return None
    return f"Basic {base64.b64encode(':'.join(credential.pair).encode()).decode()}"


def _worker_user(folders: Sequence[Path]) -> str | None:
    """Who nginx's workers are when root starts us: nobody, if nobody can reach our folders, else root itself."""
    if os.geteuid() != 0:
        return None
    above = {parent for folder in folders for parent in folder.parents if parent.exists()}
    reachable = all(parent.stat().st_mode & stat.S_IXOTH for parent in above)
    return " ".join(_WORKER) if reachable else "root root"


def _groups(config: Config, layout: Layout, ip: str) -> Mapping[str, str]:
    where = addresses(config, ip)
    groups = {}
    for service, route in table_routes(config.role):
        socket = layout.run / route.to.removeprefix("unix:")
        groups[upstream_name(service, route.to)] = f"unix:{socket}" if route.to.startswith("unix:") else where[service]
    return groups


def _files(config: Config, layout: Layout, run: Path) -> Files:
    own = layout.opt / "active/dcos/share/dcos/gui"
    given = (config.ui_dir or layout.state / "dcos-ui-update-service/dist/ui", own)
    pages = run / "pages"
    ui = next((one for one in given if (one / "index.html").exists()), pages)
    return Files(
        ui=ui,
        own_ui=ui == own,
        pages=pages,
        version=layout.etc / "dcos-version.json",
        buildinfo=layout.opt / "active.buildinfo.full.json",
        metadata=layout.opt / "active/dcos-metadata/etc",
        authorities=layout.etc / "ca-bundle.crt",
    )


def _login(config: Config, layout: Layout) -> str:
    if not config.oauth_auth_redirector:
        return "/#/login"
    identity = layout.cluster_id.read_text(encoding="utf-8").strip() if layout.cluster_id.exists() else ""
    return f"{config.oauth_auth_redirector.rstrip('/')}/login?client={config.oauth_client_id}&cluster_id={identity}"


def _access_log(wanted: str) -> str:
    if wanted == "auto":
        wanted = "syslog" if _SYSLOG.exists() else "off"
    return f"syslog:server=unix:{_SYSLOG},nohostname,tag=nginx" if wanted == "syslog" else wanted


def write(made: Site, text: str, config: Config, ip: str, now: float) -> None:
    """Folders, pages, certificate and ``nginx.conf``.   Errors: OSError."""
    made.run.mkdir(parents=True, exist_ok=True)
    made.bodies.parent.mkdir(parents=True, exist_ok=True)
    made.bodies.mkdir(mode=0o700, exist_ok=True)
    if made.user:
        made.bodies.parent.chmod(0o711)
        os.chown(made.bodies, *worker_ids(made.user))
    made.files.pages.mkdir(exist_ok=True)
    for page in _PAGES:
        content = resources.files("dcos.adminrouter").joinpath("pages", page).read_text(encoding="utf-8")
        shown = content.replace("{{cluster_name}}", html.escape(config.cluster_name or "DC/OS"))
        write_atomic(made.files.pages / page, shown)
    if made.tls and config.is_master and config.certificate is None:
        own_certificate.ensure(made.tls.certificate, made.tls.key, addresses=(ip,), now=now)
    write_atomic(made.run / "nginx.conf", text, mode=0o600)


def worker_ids(user: str) -> tuple[int, int]:
    """Numbers of ``user group``."""
    name, group = user.split()
    return pwd.getpwnam(name).pw_uid, grp.getgrnam(group).gr_gid
