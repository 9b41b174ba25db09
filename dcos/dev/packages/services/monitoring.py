"""What watches the others."""

from __future__ import annotations

from dcos.dev.packages.frame import APACHE, URL, Definition, Option, Port

_HOSTS = {"pattern": "^([A-Za-z0-9.:_-]+( |$))*$"}

PROMETHEUS = Definition(
    name="prometheus",
    description="Collects metrics of services and of apps that say where theirs are, keeps them, and tells alerts.",
    tags=("monitoring", "metrics"),
    license=APACHE,
    color="#e6522c",
    program="prometheus.sh",
    group="prometheus",
    options=(
        Option(
            "targets",
            "string",
            "",
            "host:port of what is asked for metrics, with blanks between.",
            "PROMETHEUS_TARGETS",
            _HOSTS,
        ),
        Option(
            "marathon_url",
            "string",
            "",
            "Marathon: its apps with the label METRICS_PATH are asked, too.",
            "PROMETHEUS_MARATHON",
            {"pattern": URL},
        ),
        Option(
            "alertmanagers",
            "string",
            "",
            "host:port of Alertmanagers, with blanks between.",
            "PROMETHEUS_ALERTMANAGERS",
            _HOSTS,
        ),
        Option("rules", "string", "", "Rules of alerts, YAML.", "PROMETHEUS_RULES"),
        Option(
            "config",
            "string",
            "",
            "The whole configuration, YAML, instead of what the options above make.",
            "PROMETHEUS_CONFIG",
        ),
        Option("interval_s", "integer", 15, "Seconds between questions.", "PROMETHEUS_INTERVAL_S", {"minimum": 1}),
        Option(
            "retention",
            "string",
            "15d",
            "How long metrics are kept.",
            "PROMETHEUS_RETENTION",
            {"pattern": "^[0-9]+(ms|s|m|h|d|w|y)$"},
        ),
        Option("flags", "string", "", "Further flags of the program.", "PROMETHEUS_FLAGS"),
    ),
    ports=(Port("http", 9090),),
    cpus=0.5,
    mem=512,
    health="/-/healthy",
    web=0,
    needs="prometheus",
    storage_mb=4096,
    notes="Prometheus answers at http://SERVICE:9090/.",
)

ALERTMANAGER = Definition(
    name="alertmanager",
    description="Takes alerts of Prometheus, groups and silences them, and tells people.",
    tags=("monitoring", "alerts"),
    license=APACHE,
    color="#c2410c",
    program="alertmanager.sh",
    group="alertmanager",
    options=(
        Option("webhook", "string", "", "URL that alerts are posted to.", "ALERTMANAGER_WEBHOOK", {"pattern": URL}),
        Option("wait_s", "integer", 30, "Seconds to wait for more of a group.", "ALERTMANAGER_WAIT_S", {"minimum": 1}),
        Option(
            "config",
            "string",
            "",
            "The whole configuration, YAML, instead of what the options above make.",
            "ALERTMANAGER_CONFIG",
            secret=True,
        ),
    ),
    ports=(Port("http", 9093),),
    cpus=0.1,
    mem=128,
    health="/-/healthy",
    web=0,
    needs="prometheus-alertmanager",
    storage_mb=128,
    notes="Alertmanager answers at http://SERVICE:9093/. Tell Prometheus: prometheus.alertmanagers=SERVICE:9093.",
)

GRAFANA = Definition(
    name="grafana",
    description="Dashboards over Prometheus and other sources.",
    tags=("monitoring", "dashboards"),
    license=("GNU Affero General Public License Version 3", "https://www.gnu.org/licenses/agpl-3.0.html"),
    color="#f46800",
    program="grafana.sh",
    group="grafana",
    options=(
        Option(
            "password",
            "string",
            "",
            "Of the user admin; where empty, one is made and kept in data/password.",
            "GRAFANA_PASSWORD",
            {"pattern": "^[^\\r\\n]*$"},
            secret=True,
        ),
        Option(
            "prometheus_url",
            "string",
            "http://prometheus.marathon.l4lb.thisdcos.directory:9090",
            "A Prometheus to show at once.",
            "GRAFANA_PROMETHEUS",
            {"pattern": URL},
        ),
        Option("anonymous", "boolean", False, "Whether dashboards are shown without a login.", "GRAFANA_ANONYMOUS"),
    ),
    ports=(Port("http", 3000),),
    cpus=0.2,
    mem=256,
    health="/api/health",
    web=0,
    grace_s=120,
    image="grafana/grafana:11.2.0",
    storage_mb=512,
    notes="Grafana answers at http://SERVICE:3000/. Where no password was given: dcos task exec grafana cat data/password",
)
