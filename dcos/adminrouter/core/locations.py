"""The routes, as nginx locations.

Theory: a route of the service table becomes a location with a fixed upstream group. A route whose upstream changes at run
time (the leading master, an agent, a service) asks first: ``_ask`` sets what is asked, ``auth_request`` lets the decision
service answer (from nginx's memory most of the time), and variables carry the answer to ``proxy_pass``. So neither a new
service nor a new leader needs a reload. The path is always changed by ``rewrite``, never pasted into ``proxy_pass``: nginx
then escapes it again.

Order within a request: the location's ``rewrite``, then ``auth_request``, then ``try_files``, then ``proxy_pass``. ``/service/``
must cut a path by what the answer says, hence it goes through ``try_files`` into a named location, whose ``rewrite`` runs
after the answer.
Source: Admin Router's routes; ``docs/reference/adminrouter.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dcos import registry
from dcos.adminrouter.core.targets import ANSWER_HEADER, DECISION_UPSTREAM, LONGER_MODE, OF_THE_CLUSTER
from dcos.registry import NodeRole, Route
from dcos.wire.ciphers import PROTOCOLS

_UNCACHED = (
    "proxy_hide_header Cache-Control;",
    'add_header Cache-Control "no-cache, no-store, must-revalidate" always;',
    'add_header Pragma "no-cache" always;',
    'add_header Expires "0" always;',
)
_STREAMING = (
    "proxy_buffering off;",
    "proxy_request_buffering off;",
    "proxy_read_timeout 600s;",
)
_CLOSE = ("keepalive_timeout 0;",)
_HOST_LOCATION = ("proxy_redirect http://$http_host/ {prefix};", "proxy_redirect https://$http_host/ {prefix};")

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "/pkgpanda/": _HOST_LOCATION,
    # who follows a log may hear nothing for long
    "/system/v1/logs/": ("proxy_pass_header X-Accel-Buffering;", "proxy_read_timeout 600s;"),
    "/acs/api/v1": _UNCACHED,
    "/exhibitor/": _HOST_LOCATION,
    "/package/": ("proxy_read_timeout 300s;", "proxy_send_timeout 300s;"),
    "/capabilities": ("proxy_read_timeout 300s;",),
    "/cosmos/service/": ("proxy_read_timeout 300s;", "proxy_send_timeout 300s;"),
}
"""What a route of the service table needs beyond its row."""

ERROR_PAGES = (
    "error_page 401 /_dcos/401.html;",
    "error_page 403 /_dcos/403.html;",
    "error_page 500 =503 /_dcos/503.html;",
)
"""Pages for errors made here; a location with a page of its own inherits none."""

TOKEN, NOBODY, SERVICE = "token", "none", "service"
"""What is needed where it is no permission id: a good token; nothing; the right to the service that the path names."""

OPS = "dcos:adminrouter:ops:"

OWN = frozenset({"/mesos/", "/marathon/"})
"""Routes of the table that lead to whoever leads: made here."""


LOOSE: tuple[tuple[str, Route], ...] = (
    (
        "dcos-ui-update-service",
        Route(
            prefix="/dcos-ui-update-service/api/",
            to="unix:dcos-ui-update-service.sock",
            upstream_path="/api/",
            needs="dcos:superuser",
        ),
    ),
)
"""Routes to services that have no row in the table yet: who listens on the socket is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What nginx serves itself."""

    ui: Path
    own_ui: bool = False
    """``ui`` is our web interface, which a strict policy fits; others may need scripts and styles within their pages."""
    pages: Path
    version: Path
    buildinfo: Path
    metadata: Path
    authorities: Path
    """The roots that the cluster trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """How services of the cluster are asked over TLS: what we show them, and who must have signed what they show."""

    certificate: Path
    authorities: Path

    def lines(self, peer: str, *, by: str = "proxy") -> tuple[str, ...]:
        """``peer``: the name that the other end's certificate must have. nginx compares names, never addresses. ``by``: proxy or
        grpc."""
        return (
            f"{by}_ssl_certificate {quoted(self.certificate)};",
            f"{by}_ssl_certificate_key {quoted(self.certificate)};",
            f"{by}_ssl_trusted_certificate {quoted(self.authorities)};",
            f"{by}_ssl_verify on;",
            f"{by}_ssl_verify_depth 4;",
            f"{by}_ssl_name {peer};",
            f"{by}_ssl_protocols {' '.join(PROTOCOLS)};",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mesos:
    """``Authorization`` headers for masters and agents that ask for a name; None: the user's own is passed on."""

    master: str | None = field(default=None, repr=False)
    agent: str | None = field(default=None, repr=False)


def block(head: str, *lines: str) -> str:
    body = "".join(f"    {line}\n" for text in lines for line in text.splitlines())
    return f"location {head} {{\n{body}}}\n"


def quoted(text: str | Path) -> str:
    """A string of nginx's language.   Errors: ValueError: what would not stay a plain string there."""
    value = str(text)
    if not value.isprintable() or any(character in value for character in "\"\\$'{};"):
        raise ValueError(f"{value!r}: not usable in nginx's configuration")
    return f'"{value}"'


def _proxy_headers(
    *, authorization: str = "$dcos_authorization", websocket: bool = False, uid: str = '""'
) -> tuple[str, ...]:
    """``uid``: who asks, for the audit log of the service; what a client says of itself never passes."""
    return (
        f"proxy_set_header X-Dcos-Uid {uid};",
        "proxy_set_header Host $http_host;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_set_header Cookie $dcos_cookie;",
        f"proxy_set_header Authorization {authorization};",
        f'proxy_set_header {ANSWER_HEADER} "";',
        *(
            ("proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection $dcos_connection;")
            if websocket
            else ('proxy_set_header Connection "";',)
        ),
    )


def _ask(subject: str, *, need: str = TOKEN) -> tuple[str, ...]:
    """Ask the decision service about ``subject`` before anything is proxied. ``need``: as of ``decide.py``."""
    return (
        f"set $dcos_need {need};",
        f'set $dcos_subject "{subject}";',
        "auth_request /_dcos/decide;",
        "auth_request_set $dcos_upstream $upstream_http_x_dcos_upstream;",
        "auth_request_set $dcos_scheme $upstream_http_x_dcos_scheme;",
        "auth_request_set $dcos_strip $upstream_http_x_dcos_strip;",
        "auth_request_set $dcos_mode $upstream_http_x_dcos_mode;",
        "auth_request_set $dcos_path $upstream_http_x_dcos_path;",
        "auth_request_set $dcos_location $upstream_http_x_dcos_location;",
        "auth_request_set $dcos_forward $upstream_http_x_dcos_forward;",
        "auth_request_set $dcos_peer $upstream_http_x_dcos_peer;",
        "auth_request_set $dcos_answer $upstream_http_x_dcos_answer;",
        *_WHO,
    )


_WHO = (
    "auth_request_set $dcos_uid $upstream_http_x_dcos_uid;",
    "auth_request_set $dcos_missing $upstream_http_x_dcos_missing;",
)


def _only(need: str = TOKEN, subject: str = "token") -> tuple[str, ...]:
    """Ask only whether the token is good, and good enough for ``need``."""
    return (
        f"set $dcos_need {need};",
        f'set $dcos_subject "{subject}";',
        "auth_request /_dcos/decide;",
        *_WHO,
    )


def _to_answered(
    secured: Secured | None = None,
    *,
    websocket: bool = False,
    authorization: str = "$dcos_authorization",
    upstream: str = "$dcos_upstream",
) -> tuple[str, ...]:
    """Proxy to what ``_ask`` was answered. ``secured``: it is a service of the cluster, and speaks TLS."""
    headers = _proxy_headers(websocket=websocket, authorization=authorization)
    carried = tuple(line for line in headers if ANSWER_HEADER not in line)
    return (
        *carried,
        f"proxy_set_header {ANSWER_HEADER} $dcos_answer;",
        "proxy_set_header DCOS-Forwarded $dcos_forward;",
        *(secured.lines("$dcos_peer") if secured is not None else ()),
        f"proxy_pass $dcos_scheme://{upstream};",
    )


# ---- routes of the service table -------------------------------------------------------------------------------------


_PLAIN = str.maketrans("-./", "___")


def upstream_name(service: str, to: str) -> str:
    """The nginx group of a service's port or socket."""
    return f"{service}_{to.removeprefix('unix:').removesuffix('.sock')}".translate(_PLAIN)


def table_routes(role: NodeRole) -> Iterator[tuple[str, Route]]:
    """(service, route) of everything that an Admin Router on ``role`` serves from this machine."""
    rows = ((service.name, route) for service in registry.SERVICES for route in service.routes)
    yield from ((service, route) for service, route in (*rows, *LOOSE) if role in route.on)


def _upstream(service: str, to: str, secured: Secured | None) -> tuple[str, tuple[str, ...]]:
    """(URL of the group of a service's port, what else it takes); sockets are without TLS."""
    inside = secured if not to.startswith("unix:") else None
    how, extra = ("https", inside.lines(service)) if inside is not None else ("http", ())
    return f"{how}://{upstream_name(service, to)}", extra


def _table_location(service: str, route: Route, secured: Secured | None) -> str:
    head = f"= {route.prefix}" if route.exact else f"~ {route.prefix}" if route.pattern else route.prefix
    extras = tuple(line.format(prefix=route.prefix) for line in EXTRAS.get(route.prefix, ()))
    streaming = () if route.buffered else ("proxy_buffering off;", "proxy_request_buffering off;")
    authorization = '""' if route.drop_authorization else "$dcos_authorization" if route.auth else "$http_authorization"
    # who asks bouncer only about itself needs no right for it: there the path counts
    subject = "acs/$request_method$uri" if route.prefix == "/acs/api/v1" else TOKEN
    group = upstream_name(service, route.to)
    on_socket = route.to.startswith("unix:")
    url, tls = _upstream(service, route.to, secured)
    location = block(
        head,
        *(_only(route.needs or TOKEN, subject) if route.auth else ()),
        *_proxy_headers(authorization=authorization, uid="$dcos_uid" if route.auth else '""'),
        *streaming,
        *extras,
        # the upstream gets the path that was decided on: what the client sent may mean another route to who reads it otherwise
        *((r'rewrite "(?s)^(.*)$" $1 break;',) if route.upstream_path is None else ()),
        # only where nginx itself finds nobody: what a service answers stays as it is
        *((f"error_page 502 = @no_{group};", *(ERROR_PAGES if route.auth else ())) if on_socket else ()),
        *tls,
        f"proxy_pass {url}{route.upstream_path or ''};",
    )
    return location + _nobody(group, service) if on_socket else location


def _nobody(group: str, service: str) -> str:
    return block(
        f"@no_{group}",
        'default_type "text/plain; charset=utf-8";',
        'add_header Cache-Control "no-store" always;',
        rf'return 503 "503 Service Unavailable: {service} is not running on this node\n";',
    )


# ---- the two roles ---------------------------------------------------------------------------------------------------


def master(
    files: Files, *, login: str, mesos: Mesos, frames: str, secured: Secured | None, checked: bool = False
) -> Iterator[str]:
    """Locations of a master. ``login``: where ``/login`` sends to; the request's query is added. ``frames``: who may show it
    in a frame. ``checked``: permissions are."""
    for service, route in table_routes(NodeRole.MASTER):
        if route.prefix not in OWN:
            yield _table_location(service, route, secured)
    yield from _pages(files, login, frames)
    yield from _files(files, secured)
    yield from _mesos(mesos.master, secured, checked=checked)
    yield from _agents(mesos.agent, secured)
    yield from _leaders(secured)
    yield from _services(secured)
    yield from _own()


def agent(role: NodeRole, files: Files, secured: Secured | None) -> Iterator[str]:
    """Locations of an agent, where nginx is alone: nothing asks for a token, the masters' Admin Routers did."""
    for service, route in table_routes(role):
        yield _table_location(service, route, secured)
    yield _version(files)
    yield _own_metrics()
    yield block("/", "return 404;")


_POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect")),
        "base-uri 'none'",
        "form-action 'self'",
    )
)
"""Nothing runs, is shown or asked that does not come from this very host. Who may frame us: ``X-Frame-Options``."""
_STRICT = (
    f'add_header Content-Security-Policy "{_POLICY}" always;',  # the quotes in it are the policy's
    "add_header X-Content-Type-Options nosniff always;",
    "add_header Referrer-Policy same-origin always;",
)


def _own_ui(files: Files, frames: str) -> Iterator[str]:
    """The page is asked for each time; its assets are named by their content, so a browser keeps them for a year."""
    yield block(
        "/",
        f"root {quoted(files.ui)};",
        "index index.html;",
        'add_header Cache-Control "no-cache";',
        f"add_header X-Frame-Options {quoted(frames)};",
        *_STRICT,
    )
    yield block(
        "/assets/",
        f"root {quoted(files.ui)};",
        "gzip_static on;",
        "add_header Vary Accept-Encoding;",
        'add_header Cache-Control "public, max-age=31536000, immutable";',
        *_STRICT,
    )


def _other_ui(files: Files, frames: str) -> Iterator[str]:
    yield block(
        "/",
        f"root {quoted(files.ui)};",
        "index index.html;",
        "expires 30s;",
        f"add_header X-Frame-Options {quoted(frames)};",
    )
    yield block(
        "/assets",
        f"root {quoted(files.ui)};",
        "expires 2d;",
        "gzip_static on;",
        "add_header Vary Accept-Encoding;",
    )


def _pages(files: Files, login: str, frames: str) -> Iterator[str]:
    yield from _own_ui(files, frames) if files.own_ui else _other_ui(files, frames)
    joint = "&" if "?" in login else "?"
    yield block("= /login", f'if ($args) {{ return 302 "{login}{joint}$args"; }}', f"return 302 {quoted(login)};")
    yield block("= /marathon", "return 307 /marathon/$is_args$args;")


def _version(files: Files) -> str:
    return block(
        "= /dcos-metadata/dcos-version.json",
        f"alias {quoted(files.version)};",
        'add_header Cache-Control "no-cache";',
    )


def authorities(files: Files) -> str:
    return block(
        "= /ca/dcos-ca.crt",
        f"alias {quoted(files.authorities)};",
        "types {}",
        "default_type application/x-x509-ca-cert;",
        'add_header Cache-Control "no-cache";',
    )


def _files(files: Files, secured: Secured | None) -> Iterator[str]:
    identity, tls = _upstream("dcos-bouncer", "http", secured)
    yield _version(files)
    yield block("/dcos-metadata/", *_only(f"{OPS}metadata"), f"alias {quoted(f'{files.metadata}/')};")
    yield block(
        "= /pkgpanda/active.buildinfo.full.json",
        *_only(f"{OPS}metadata"),
        f"alias {quoted(files.buildinfo)};",
        *(line for line in _UNCACHED if line.startswith("add_header")),
    )
    yield authorities(files)
    yield block(
        "= /dcos-metadata/ui-config.json",
        *_proxy_headers(authorization="$http_authorization"),
        *tls,
        f"proxy_pass {identity}/acs/api/v1/uiconfig/;",
    )


def _named(authorization: str | None) -> str:
    return quoted(authorization) if authorization is not None else "$dcos_authorization"


def _mesos(authorization: str | None, secured: Secured | None, *, checked: bool) -> Iterator[str]:
    yield block(
        "/mesos/",
        *_ask("mesos", need=f"{OPS}mesos"),
        r'rewrite "(?s)^/mesos(/.*)" $1 break;',
        *_STREAMING,
        *_CLOSE,
        *_to_answered(secured, authorization=_named(authorization)),
    )
    if checked:
        # What a master shows depends on who asks then, so that nothing is kept for others.
        yield block(
            "/cache/master/",
            *_ask("mesos", need=f"{OPS}mesos"),
            r'rewrite "(?s)^/cache(/master/.*)" $1 break;',
            *_STREAMING,
            *_CLOSE,
            *_to_answered(secured, authorization=_named(authorization)),
        )
        return
    yield block(
        "/cache/master/",
        *_ask("mesos", need=NOBODY),
        r'rewrite "(?s)^/cache(/master/.*)" $1 break;',
        "proxy_cache state;",
        "proxy_cache_key $uri$is_args$args;",
        "proxy_cache_valid 200 5s;",
        "proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;",
        "proxy_cache_lock on;",
        "proxy_cache_lock_timeout 30s;",
        "proxy_cache_lock_age 30s;",
        "proxy_cache_bypass $http_cache_control;",
        "add_header X-Cache-Status $upstream_cache_status;",
        # what a master told to one name is not for others: nobody is named here
        *_to_answered(secured, authorization='""'),
    )


def _agents(authorization: str | None, secured: Secured | None) -> Iterator[str]:
    identity = "(?<dcos_agent>[0-9a-zA-Z-]+)"
    yield block(
        rf'~ "(?s)^/(?:agent|slave)/{identity}(?<dcos_agent_rest>/.*)?$"',
        *_ask("agent/$dcos_agent", need=f"{OPS}slave"),
        "rewrite ^ $dcos_agent_path break;",
        *_STREAMING,
        # what is typed into a task is one request that goes on for as long as somebody types
        "client_max_body_size 0;",
        *_CLOSE,
        'proxy_set_header Accept-Encoding "";',
        *_to_answered(secured, authorization=_named(authorization)),
    )
    for path, right in (("logs.*", "system-logs"), ("metrics/v0.*", "system-metrics")):
        yield block(
            rf'~ "(?s)^/system/v1/agent/{identity}(?<dcos_system>/{path})$"',
            *_ask("agent-router/$dcos_agent", need=OPS + right),
            "rewrite ^ /system/v1$dcos_system break;",
            *_STREAMING,
            *_CLOSE,
            'proxy_set_header Accept-Encoding "";',
            *_to_answered(secured),
        )
    for path, right in ((r"dcos-metadata/dcos-version\.json", "metadata"), ("nginx/metrics", "system-metrics")):
        yield block(
            rf'~ "^/system/v1/agent/{identity}(?<dcos_system>/{path})$"',
            *_ask("agent-router/$dcos_agent", need=OPS + right),
            "rewrite ^ $dcos_system break;",
            *_CLOSE,
            *_to_answered(secured),
        )


def _leaders(secured: Secured | None) -> Iterator[str]:
    for name in ("mesos", "marathon"):
        yield block(
            rf'~ "(?s)^/system/v1/leader/{name}(?<dcos_system>/.*)?$"',
            # the leader's own Admin Router asks for the right
            *_ask(f"leader-router/{name}"),
            "rewrite ^ /system/v1$dcos_system break;",
            *_STREAMING,
            *_to_answered(secured),
        )


_BY_MODE = (
    "root /;",
    # that there is no such file need not be looked up again and again
    "open_file_cache max=4 inactive=1h;",
    "open_file_cache_errors on;",
    "open_file_cache_valid 1h;",
    'try_files "/_dcos/no/such/file" @dcos_service_$dcos_mode;',
)
"""On to the location for what was answered."""


def _services(secured: Secured | None) -> Iterator[str]:
    yield block("/marathon/", r'rewrite "(?s)^/marathon/(.*)" /service/marathon/$1 last;')
    yield block(r'~ "^/service/[0-9a-zA-Z.-]+$"', "return 301 $uri/$is_args$args;")
    yield block(
        "/service/",
        "client_max_body_size 32g;",
        *_ask("first$dcos_service_first", need=SERVICE),
        *_BY_MODE,
    )
    yield block(
        f"@dcos_service_{LONGER_MODE}",
        "client_max_body_size 32g;",
        *_ask("service$dcos_service", need=SERVICE),
        *_BY_MODE,
    )
    for mode, lines in (
        ("buffered", ("proxy_buffering off;",)),
        (OF_THE_CLUSTER, ("proxy_buffering off;",)),
        ("unbuffered", ("proxy_buffering off;", "proxy_request_buffering off;", "proxy_read_timeout 600s;")),
    ):
        yield block(
            f"@dcos_service_{mode}",
            "client_max_body_size 32g;",
            "rewrite ^ $dcos_path$dcos_service_rest break;",
            # answers pass through this one buffer: twice the size, half the system calls of what is big
            "proxy_buffer_size 32k;",
            *lines,
            "proxy_redirect $dcos_location/ $dcos_location/;",
            "proxy_redirect http://$http_host$dcos_location/ $dcos_location/;",
            "proxy_redirect https://$http_host$dcos_location/ $dcos_location/;",
            "proxy_redirect http://$http_host/ $dcos_location/;",
            "proxy_redirect https://$http_host/ $dcos_location/;",
            "proxy_redirect http://$host$dcos_location/ $dcos_location/;",
            "proxy_redirect https://$host$dcos_location/ $dcos_location/;",
            "proxy_redirect http://$host/ $dcos_location/;",
            "proxy_redirect https://$host/ $dcos_location/;",
            "proxy_redirect // //;",
            "proxy_redirect / $dcos_location/;",
            *(
                _to_answered(secured, websocket=True)
                if mode == OF_THE_CLUSTER
                else _to_answered(websocket=True, upstream="$dcos_group")
            ),
        )


def grpc(where: str, secured: Secured | None, peer: str) -> Iterator[str]:
    """Everything that comes by gRPC goes to ``where``; refusals are in its own words: statuses 16, 7 and 14.

    ``secured``: over TLS, where the certificate must name ``peer``.
    """
    yield block(
        "/",
        *_only(need="dcos:superuser"),
        "client_max_body_size 0;",
        "grpc_read_timeout 1h;",
        "grpc_send_timeout 1h;",
        'grpc_set_header Authorization "";',
        'grpc_set_header Cookie "";',
        *((*secured.lines(quoted(peer), by="grpc"), "grpc_ssl_server_name on;") if secured is not None else ()),
        f"grpc_pass {'grpc' if secured is None else 'grpcs'}://{where};",
    )
    for status, answer in ((401, 16), (403, 7), (503, 14)):
        yield block(
            f"@grpc_{status}",
            "default_type application/grpc;",
            f"add_header grpc-status {answer} always;",
            'return 200 "";',
        )


def _own_metrics() -> str:
    """What nginx has as variables, in Prometheus' text format; its totals stand on its own page only."""
    rows = "".join(
        rf'nginx_connections{{state="{name}"}} $connections_{name}\n'
        for name in ("active", "reading", "writing", "waiting")
    )
    return block(
        "= /nginx/metrics",
        'default_type "text/plain; version=0.0.4; charset=utf-8";',
        r"return 200 '# HELP nginx_up Whether nginx answers.\n# TYPE nginx_up gauge\nnginx_up 1\n"
        r"# HELP nginx_connections Connections by what they do.\n# TYPE nginx_connections gauge\n"
        f"{rows}';",
    )


def _own() -> Iterator[str]:
    """What the decision service answers itself."""
    yield block(
        "/metadata", *_only(f"{OPS}metadata"), *_proxy_headers(), f"proxy_pass http://{DECISION_UPSTREAM}/metadata;"
    )
    yield block("= /nginx/metrics", f"proxy_pass http://{DECISION_UPSTREAM}/nginx/metrics;")
    yield block("= /nginx/status", f"proxy_pass http://{DECISION_UPSTREAM}/nginx/status;")
