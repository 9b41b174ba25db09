"""The whole configuration of nginx, as text.

Nothing in it changes while nginx runs. Two memories on masters: ``decisions`` (answers of the decision service, keyed by
method, token and what was asked; its files hold tokens, so its folder is 0700 on tmpfs) and ``state`` (``/cache/master/``).
Variables that locations set are never set at server level: sub-requests share them and would reset them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dcos.adminrouter.core.locations import (
    ERROR_PAGES,
    Files,
    Mesos,
    Secured,
    agent,
    authorities,
    block,
    grpc,
    master,
    quoted,
)
from dcos.adminrouter.core.memory import KEY, LEVELS
from dcos.adminrouter.core.targets import DECISION_UPSTREAM, KEPT_UPSTREAM, QUICK_UPSTREAM
from dcos.registry import NodeRole
from dcos.wire.ciphers import CIPHERS, PROTOCOLS

AUTH_COOKIE = "dcos-acs-auth-cookie"
INFO_COOKIE = "dcos-acs-info-cookie"
_MAX_SEGMENTS = 10
_BODY = "1g"
_PATIENCE = 3
"""So many decision services may die one after the other while a request waits for its answer."""

_TYPES = {
    "text/html": "html htm",
    "text/css": "css",
    "text/plain": "txt",
    "application/javascript": "js mjs",
    "application/json": "json map",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/x-icon": "ico",
    "font/woff": "woff",
    "font/woff2": "woff2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    port: int
    certificate: Path
    key: Path
    protocols: tuple[str, ...] = PROTOCOLS
    """As nginx writes them."""
    ciphers: str = CIPHERS
    """Of TLS 1.2 and older, in OpenSSL's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grpc:
    """A port for gRPC, for ``upstream`` (``host:port``). ``secured``: it speaks TLS, and its certificate names ``peer``."""

    port: int
    upstream: str
    secured: Secured | None = None
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything that the text depends on."""

    role: NodeRole
    listen: tuple[str, ...]
    """Addresses; IPv6 without brackets."""
    port: int
    tls: Tls | None
    run: Path
    """Folder (on tmpfs) for pid, sockets and memories."""
    bodies: Path
    """Folder (on disk) for request bodies on their way."""
    files: Files
    upstreams: Mapping[str, str]
    """Group name to ``ip:port`` or ``unix:/path``."""
    login: str = "/#/login"
    user: str | None = None
    """``user group`` of nginx's workers when it is started by root."""
    workers: int = 2
    connections: int = 8192
    access_log: str = "off"
    """``off``, a file, or ``syslog:...``."""
    log_level: str = "warn"
    frames: str = "DENY"
    """``X-Frame-Options`` of the web interface."""
    grpc: Grpc | None = None
    lua: Path | None = None
    """Folder of nginx's modules, if the one for Lua is among them: then connections to services are kept."""
    secured: Secured | None = None
    """Services of the cluster are asked over TLS."""
    strict: bool = False
    """So are we alone: port 80 of masters leads to HTTPS, agents have their port for TLS only, where they take masters only."""
    mesos: Mesos = field(default_factory=Mesos)
    """What is told to masters and agents that ask for a name."""
    checked: bool = False
    """Permissions are checked, by us and by those behind us."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Where what is behind it can be had: without TLS unless ``strict``, over TLS where there is a certificate."""
        plain = () if self.strict and self.tls else (self.port,)
        return (*plain, *((self.tls.port,) if self.tls else ()))

    @property
    def decision_socket(self) -> Path:
        return self.run / "decide.sock"

    @property
    def waiting_socket(self) -> Path:
        return self.run / "waiting.sock"

    @property
    def decisions(self) -> Path:
        """Folder of what the decision service said."""
        return self.run / "decisions"

    @property
    def status_socket(self) -> Path:
        return self.run / "status.sock"


def render(site: Site) -> str:
    """The text of ``nginx.conf``.   Errors: ValueError (a path or address that cannot stand there)."""
    user = f"user {site.user};\n" if site.user else ""
    asking = site.role is NodeRole.MASTER
    parts = [
        _general(site),
        *([_memories(site)] if asking else []),
        _maps(),
        *([_paths(), _groups(site.lua)] if asking else []),
        _upstreams(site),
        *([_to_https(site)] if asking and site.strict and site.tls else []),
        _server(site),
        *([_grpc_server(site.grpc, site.listen, site.tls if site.strict else None)] if asking and site.grpc else []),
        *([_status(site)] if asking else []),
    ]
    return (
        "# Made by dcos-adminrouter at every start.\n"
        f"{_modules(site.lua) if asking else ''}"
        "daemon off;\n"
        "pcre_jit on;\n"
        f"{user}"
        f"pid {quoted(site.run / 'nginx.pid')};\n"
        f"error_log stderr {site.log_level};\n"
        f"worker_processes {site.workers};\n"
        f"worker_rlimit_nofile {site.connections * 2};\n"
        # a reload must not end what goes on for hours; who stops it does not wait
        "worker_shutdown_timeout 24h;\n"
        f"events {{\n    worker_connections {site.connections};\n}}\n"
        "http {\n" + _indented("\n".join(parts)) + "}\n"
    )


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def _general(site: Site) -> str:
    types = "".join(f"    {kind} {endings};\n" for kind, endings in _TYPES.items())
    temporary = "".join(
        f"{name}_temp_path {quoted(site.bodies / name)};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    uid = "$dcos_uid" if site.role is NodeRole.MASTER else "-"
    log_format = (
        f'log_format dcos \'$remote_addr "{uid}" "$request_method $uri" $status $body_bytes_sent \'\n'
        '    \'$request_time "$upstream_addr" "$http_user_agent"\';\n'
    )
    access = "off" if site.access_log == "off" else f"{_log_target(site.access_log)} dcos"
    return (
        f"types {{\n{types}}}\n"
        "default_type application/octet-stream;\n"
        "server_tokens off;\n"
        "absolute_redirect off;\n"
        "uninitialized_variable_warn off;\n"
        "sendfile on;\n"
        "tcp_nodelay on;\n"
        "keepalive_timeout 65s;\n"
        "large_client_header_buffers 8 16k;\n"
        "client_max_body_size " + _BODY + ";\n"
        "map_hash_bucket_size 128;\n"
        "variables_hash_bucket_size 128;\n"
        f"{log_format}"
        f"access_log {access};\n"
        f"{temporary}"
        "proxy_http_version 1.1;\n"
        "proxy_buffer_size 16k;\n"
        "proxy_buffers 8 16k;\n"
        "proxy_max_temp_file_size 0;\n"
        "proxy_connect_timeout 10s;\n"
    )


def _memories(site: Site) -> str:
    return (
        f"proxy_cache_path {quoted(site.decisions)} levels={LEVELS} keys_zone=decisions:8m inactive=90s max_size=64m\n"
        "    use_temp_path=off;\n"
        f"proxy_cache_path {quoted(site.run / 'state')} levels=1 keys_zone=state:1m inactive=60s max_size=256m\n"
        "    use_temp_path=off;\n"
    )


def _log_target(text: str) -> str:
    return text if text.startswith("syslog:") and quoted(text) else quoted(text)


def _map(source: str, variable: str, rows: Sequence[tuple[str, str]]) -> str:
    body = "".join(
        f'    "{pattern}" "{value}";\n' if pattern != "default" else f'    default "{value}";\n'
        for pattern, value in rows
    )
    return f'map "{source}" {variable} {{\n{body}}}\n'


def _maps() -> str:
    """Derived variables. Cookies: twice each is taken out; if one is left then, the whole header goes."""
    parts = [
        _map(
            "$http_cookie",
            "$dcos_cookie_token",
            [(rf"~(?:^|;\s*){AUTH_COOKIE}=(?<dcos_token>[^;\s]*)", "$dcos_token"), ("default", "")],
        ),
        _map("$dcos_cookie_token", "$dcos_cookie_authorization", [("", ""), ("default", "token=$dcos_cookie_token")]),
        _map(
            "$http_authorization",
            "$dcos_authorization",
            [("", "$dcos_cookie_authorization"), ("default", "$http_authorization")],
        ),
        _map("$http_upgrade", "$dcos_connection", [("", ""), ("default", "upgrade")]),
        _map("$http_dcos_forwarded", "$dcos_came_forwarded", [("", ""), ("default", "true")]),
    ]
    source = "$http_cookie"
    for number, cookie in enumerate((AUTH_COOKIE, AUTH_COOKIE, INFO_COOKIE, INFO_COOKIE)):
        variable = f"$dcos_cookie_{number}"
        pattern = rf"~(?s)^(?<dcos_before{number}>(?:.*;\s*)?){cookie}=[^;]*(?:;\s*(?<dcos_after{number}>.*))?$"
        parts.append(
            _map(
                source,
                variable,
                [("", ""), (pattern, f"$dcos_before{number}$dcos_after{number}"), ("default", source)],
            )
        )
        source = variable
    parts.append(
        _map(
            source,
            "$dcos_cookie",
            [
                ("", ""),
                (rf"~(?s)(?:^|;\s*)(?:{AUTH_COOKIE}|{INFO_COOKIE})=", ""),
                (r"~(?s)^(?<dcos_kept>.*?);?\s*$", "$dcos_kept"),
                ("default", source),
            ],
        )
    )
    return "\n".join(parts)


def _paths() -> str:
    """Parts of a master's paths: of a service's name, and what is left of the path behind it."""
    parts = [
        _map("$dcos_agent_rest", "$dcos_agent_path", [("", "/"), ("default", "$dcos_agent_rest")]),
        _map("$uri", "$dcos_service_first", [(r"~(?s)^/service(?<dcos_first>/[^/]+)", "$dcos_first"), ("default", "")]),
        _map(
            "$uri",
            "$dcos_service",
            [(rf"~(?s)^/service(?<dcos_name>(?:/[^/]+){{1,{_MAX_SEGMENTS}}})", "$dcos_name"), ("default", "")],
        ),
        _map(
            "$dcos_strip:$uri",
            "$dcos_service_rest",
            [
                ("~(?s)^0:(?<dcos_rest>/.*)", "$dcos_rest"),
                *(
                    (rf"~(?s)^{count}:/service(?:/[^/]+){{{count}}}(?<dcos_rest>/.*)", "$dcos_rest")
                    for count in range(1, _MAX_SEGMENTS + 1)
                ),
                ("default", "/"),
            ],
        ),
    ]
    return "\n".join(parts)


def _modules(lua: Path | None) -> str:
    names = ("ndk_http_module.so", "ngx_http_lua_module.so") if lua is not None else ()
    return "".join(f"load_module {quoted(f'{lua}/{name}')};\n" for name in names)


_BALANCE = """local to = ngx.var.dcos_upstream
local place = places[to]
if not place then
    local colon = to:find(":[0-9]+$")
    place = {to:sub(1, colon - 1), tonumber(to:sub(colon + 1))}
    places[to] = place
end
local done, why = set_current_peer(place[1], place[2])
if not done then ngx.log(ngx.ERR, why) end"""

_BALANCING = """set_current_peer = require("ngx.balancer").set_current_peer
places = setmetatable({}, {__mode = "v"})"""
"""What each worker makes once. ``places``: addresses that were taken apart before, until Lua needs the room."""


def _groups(lua: Path | None) -> str:
    """``$dcos_group``: where a request to a service goes: the address decided on, or a group that keeps connections to it.

    A kept connection may be closed by the other side at the moment when a request is sent on it, which is then sent again. So
    only requests that change nothing are sent on kept ones.
    """
    rows = [("default", "$dcos_upstream")]
    if lua is None:
        return _map("$dcos_upstream", "$dcos_group", rows)
    pattern = r"~^(?:GET|HEAD)::{}:.*:\d+$"
    rows += [(pattern.format("http"), KEPT_UPSTREAM), (pattern.format("https"), f"{KEPT_UPSTREAM}_tls")]
    balance = f"balancer_by_lua_block {{\n{_indented(_indented(_BALANCE))}    }}"
    groups = "\n".join(
        f"upstream {name} {{\n    server 0.0.0.1;\n    {balance}\n    keepalive 128;\n    keepalive_timeout 15s;\n}}"
        for name in (KEPT_UPSTREAM, f"{KEPT_UPSTREAM}_tls")
    )
    source = "$request_method:$http_upgrade:$dcos_scheme:$dcos_upstream"
    made = f"init_worker_by_lua_block {{\n{_indented(_BALANCING)}}}\n"
    return _map(source, "$dcos_group", rows) + "\n" + made + groups


def _upstreams(site: Site) -> str:
    """On an agent nobody decides: every location has a fixed upstream.

    The waiting socket has no kept connections, for those end with the process; it stands there more than once: who was just taken
    on by a process that dies asks again.
    """
    groups = {name: f"server {_server_address(where)};\n    keepalive 16;" for name, where in site.upstreams.items()}
    if site.role is NodeRole.MASTER:
        now, waiting = (_server_address(f"unix:{path}") for path in (site.decision_socket, site.waiting_socket))
        groups[QUICK_UPSTREAM] = f"server {now};\n    keepalive 16;"
        groups[DECISION_UPSTREAM] = "\n    ".join([f"server {waiting};"] * _PATIENCE)
    return "\n".join(f"upstream {name} {{\n    {lines}\n}}" for name, lines in sorted(groups.items()))


def _server_address(where: str) -> str:
    return f'"{_server_name(where)}" max_fails=0'


def _server_name(where: str) -> str:
    return quoted(where)[1:-1]


def _listens(site: Site) -> str:
    lines = []
    for address in site.listen:
        host, only = _bracketed(address), _only_v6(address)
        if not (site.strict and site.tls):
            lines.append(f"listen {host}:{site.port} default_server{only};")
        if site.tls:
            lines.append(f"listen {host}:{site.tls.port} ssl default_server{only};")
    if site.tls:
        lines += _shown(site.tls)
        if site.role is not NodeRole.MASTER and site.strict:
            lines += [
                f"ssl_client_certificate {quoted(site.files.authorities)};",
                "ssl_verify_client on;",
                "ssl_verify_depth 4;",
                'if ($ssl_client_s_dn !~ "(^|,)OU=master(,|$)") { return 403; }',
            ]
    return "\n".join(lines)


def _shown(tls: Tls) -> list[str]:
    return [
        f"ssl_certificate {quoted(tls.certificate)};",
        f"ssl_certificate_key {quoted(tls.key)};",
        f"ssl_protocols {' '.join(tls.protocols)};",
        f"ssl_ciphers {quoted(tls.ciphers)};",
        "ssl_prefer_server_ciphers off;",
        "ssl_session_cache shared:tls:1m;",
        "ssl_session_tickets off;",
    ]


def _to_https(site: Site) -> str:
    """What port 80 is for then: to lead elsewhere, and to hand out the root that must be known before."""
    lines = []
    for address in site.listen:
        lines.append(f"listen {_bracketed(address)}:{site.port} default_server{_only_v6(address)};")
    assert site.tls is not None
    port = "" if site.tls.port == 443 else f":{site.tls.port}"
    lines += ["server_name _;", authorities(site.files), block("/", f"return 308 https://$host{port}$request_uri;")]
    return "server {\n" + _indented("\n".join(lines)) + "}\n"


def _server(site: Site) -> str:
    """Errors made here (not those of upstreams) get our pages; 500 is what nginx says when the decision service is away."""
    if site.role is NodeRole.MASTER:
        made = master(
            site.files,
            login=site.login,
            mesos=site.mesos,
            frames=site.frames,
            secured=site.secured,
            checked=site.checked,
        )
        locations = [*made, *_decision(), *_error_pages(site)]
        errors = "\n".join((*ERROR_PAGES, ""))
    else:
        locations = [*agent(site.role, site.files, site.secured)]
        errors = ""
    body = _listens(site) + "\nserver_name _;\n" + errors + "".join(locations)
    return "server {\n" + _indented(body) + "}\n"


_ASKS = (
    "internal;",
    "proxy_method GET;",
    "proxy_pass_request_body off;",
    "proxy_pass_request_headers off;",
    'proxy_set_header Content-Length "";',
    'proxy_set_header Connection "";',
    "proxy_set_header Host decision;",
    "proxy_set_header Authorization $dcos_authorization;",
    "proxy_set_header DCOS-Forwarded $dcos_came_forwarded;",
    "proxy_set_header X-Real-IP $remote_addr;",
    "proxy_buffering on;",
)


def _decision() -> list[str]:
    """The sub-request. Its path is made by ``rewrite``, so that nginx escapes whatever the request's path had in it.

    One try: if the decision service is away or knows nothing, what it said before is used for as long as it allowed. Where there
    is no such thing, the second location waits for it and gets words.
    """
    return [
        block(
            "= /_dcos/decide",
            "rewrite ^ /decide/$dcos_need/$dcos_subject break;",
            *_ASKS,
            f"proxy_pass http://{QUICK_UPSTREAM};",
            "proxy_read_timeout 15s;",
            "proxy_next_upstream off;",
            "proxy_intercept_errors on;",
            "error_page 500 502 503 504 = /_dcos/decide-finally;",
            "proxy_cache decisions;",
            # files of the memory stay open: one system call a request, and still the same file, whose head is read each time
            "open_file_cache max=4096 inactive=30s;",
            "open_file_cache_valid 1s;",
            f'proxy_cache_key "{KEY}";',
            "proxy_cache_valid 401 403 1s;",
            "proxy_cache_lock on;",
            # who waits looks again only when this time is over
            "proxy_cache_lock_timeout 20ms;",
        ),
        block(
            "= /_dcos/decide-finally",
            "rewrite ^ /decide-finally/$dcos_need/$dcos_subject break;",
            *_ASKS,
            f"proxy_pass http://{DECISION_UPSTREAM};",
            "proxy_read_timeout 30s;",
        ),
    ]


_SAYS_WHAT_IS_MISSING = (
    "ssi on;",
    "ssi_types *;",
    "add_header X-Dcos-Missing-Permission $dcos_missing always;",
)


def _error_pages(site: Site) -> list[str]:
    return [
        block(
            f"= /_dcos/{status}.html",
            "internal;",
            f"alias {quoted(site.files.pages / f'{status}.html')};",
            "types {}",
            'default_type "text/html; charset=UTF-8";',
            *(_SAYS_WHAT_IS_MISSING if status == 403 else ()),
            'add_header Cache-Control "no-store" always;',
        )
        for status in (401, 403, 503)
    ]


def _grpc_server(made: Grpc, listen: Sequence[str], tls: Tls | None) -> str:
    how = "ssl http2" if tls is not None else "http2"
    lines = [f"listen {_bracketed(address)}:{made.port} {how} default_server{_only_v6(address)};" for address in listen]
    lines += _shown(tls) if tls is not None else []
    lines += ["error_page 401 = @grpc_401;", "error_page 403 = @grpc_403;", "error_page 500 502 503 504 = @grpc_503;"]
    return (
        "server {\n"
        + _indented("\n".join([*lines, *grpc(_server_name(made.upstream), made.secured, made.peer), *_decision()]))
        + "}\n"
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _only_v6(address: str) -> str:
    return " ipv6only=on" if ":" in address else ""


def _status(site: Site) -> str:
    """nginx's own counters, for the decision service's metrics."""
    lines = [f"listen {quoted(f'unix:{site.status_socket}')};", "access_log off;", block("/", "stub_status;")]
    return "server {\n" + _indented("\n".join(lines)) + "}\n"
