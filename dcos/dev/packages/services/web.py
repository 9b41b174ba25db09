"""What speaks to the outside."""

from __future__ import annotations

from dcos.dev.packages.frame import Definition, Option, Port

NGINX = Definition(
    name="nginx",
    description="A web server for static sites, or a proxy before another service.",
    tags=("web", "proxy"),
    license=("BSD 2-Clause License", "https://nginx.org/LICENSE"),
    color="#00853f",
    program="nginx.sh",
    group="nginx",
    options=(
        Option(
            "page",
            "string",
            "<h1>It works</h1>",
            "The page, where no archive with a site is given (software.artifact).",
            "NGINX_PAGE",
        ),
        Option(
            "proxy_to",
            "string",
            "",
            "Pass everything on to this URL instead of serving files.",
            "NGINX_PROXY_TO",
            {"pattern": "^(https?://[^\\s;{}\"'\\\\]+)?$"},
        ),
        Option("workers", "integer", 1, "Worker processes.", "NGINX_WORKERS", {"minimum": 1, "maximum": 64}),
        Option("connections", "integer", 1024, "Connections of each worker.", "NGINX_CONNECTIONS", {"minimum": 16}),
        Option("max_body_mb", "integer", 16, "Largest request body in MB.", "NGINX_MAX_BODY_MB", {"minimum": 0}),
        Option("more", "string", "", "Directives of nginx for the server block.", "NGINX_MORE"),
    ),
    ports=(Port("http", 80),),
    cpus=0.1,
    mem=64,
    health="/nginx-health",
    web=0,
    scales=True,
    needs="nginx-light",
    notes="nginx answers at http://SERVICE/. A site of your own: software.artifact, an archive with index.html in a folder.",
)

EDGE_PROXY = Definition(
    name="edge-proxy",
    description="HAProxy on public agents: brings requests from outside to apps by host name, path and port, as their HAPROXY_ "
    "labels say. Follows Marathon, and changes without dropping connections.",
    tags=("proxy", "load-balancer", "ingress"),
    license=("GNU General Public License Version 2", "https://www.haproxy.org/download/2.6/doc/gpl.txt"),
    color="#8a3fa8",
    program="edge_proxy.py",
    group="edge",
    options=(
        Option(
            "group",
            "string",
            "external",
            "Serves the apps whose label HAPROXY_GROUP names this.",
            "EDGE_GROUP",
            {"pattern": "^[A-Za-z0-9_.-]+$"},
        ),
        Option(
            "http_port",
            "integer",
            80,
            "Port for HTTP by host name and path.",
            "EDGE_HTTP_PORT",
            {"minimum": 1, "maximum": 65535},
        ),
        Option(
            "https_port",
            "integer",
            443,
            "Port for HTTPS, where there is a certificate.",
            "EDGE_HTTPS_PORT",
            {"minimum": 1, "maximum": 65535},
        ),
        Option(
            "stats_port",
            "integer",
            9090,
            "Port for health, statistics and metrics.",
            "EDGE_STATS_PORT",
            {"minimum": 1, "maximum": 65535},
        ),
        Option("certificate", "string", "", "Certificate and key for HTTPS, PEM.", "EDGE_CERTIFICATE", secret=True),
        Option(
            "marathon_url",
            "string",
            "http://master.mesos:8080",
            "Marathon.",
            "MARATHON_URL",
            {"pattern": "^https?://[^\\s]+$"},
        ),
        Option(
            "service_account",
            "string",
            "",
            "Service account that may read apps, where Marathon asks who asks: JSON with uid, private_key, login_endpoint.",
            "EDGE_ACCOUNT",
            secret=True,
        ),
        Option(
            "ca_file",
            "string",
            "/opt/mesosphere/etc/ca-bundle.crt",
            "Authorities that HTTPS to Marathon and login is checked by; the system's where the file is not there.",
            "EDGE_CA_FILE",
        ),
        Option("interval_s", "number", 2, "Seconds between looks at Marathon.", "EDGE_INTERVAL_S", {"minimum": 0.1}),
        Option("max_connections", "integer", 10000, "Connections at once.", "EDGE_MAX_CONNECTIONS", {"minimum": 10}),
        Option("connect_s", "integer", 5, "Seconds to reach an app.", "EDGE_CONNECT_S", {"minimum": 1}),
        Option("idle_s", "integer", 60, "Seconds that a connection may be silent.", "EDGE_IDLE_S", {"minimum": 1}),
    ),
    ports=(Port("http", option="http_port"), Port("https", option="https_port"), Port("stats", option="stats_port")),
    cpus=0.5,
    mem=256,
    health="/_haproxy_health_check",
    web=2,
    scales=True,
    public=True,
    needs="haproxy",
    notes="Apps with the label HAPROXY_GROUP=external are served: by host name with HAPROXY_0_VHOST, "
    "below a path with HAPROXY_0_PATH, or at their service port. "
    "More labels: HAPROXY_0_MODE, _PORT, _BALANCE, _STICKY, _REDIRECT_TO_HTTPS, _ENABLED.",
)
