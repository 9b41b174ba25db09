"""Debian's Prometheus beside a real cluster: it finds apps by its own Marathon discovery, scrapes them and Marathon itself, and
its answers drive autoscaling and rollouts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.testing import prometheus as real
from dcos.testing.prometheus import Prometheus, prometheus
from dcos.testing.zookeeper import ensemble, why_not
from tests.integration.marathon.test_whole_cluster import Cluster

_WHY_NOT = why_not() or real.why_not()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_WHY_NOT is not None, reason=str(_WHY_NOT)),
]

SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        load = open(sys.argv[1]).read().strip()
        bad = int(os.environ["MODE"] == "bad")
        text = f"# TYPE load gauge\\nload {load}\\n# TYPE broken gauge\\nbroken{{mode=\\"{os.environ['MODE']}\\"}} {bad}\\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["PORT0"])), Page).serve_forever()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("prometheus")
    with ensemble(folder / "zk") as zookeeper:
        made = Cluster(folder, zookeeper)
        try:
            made.start_mesos()
            made.start_marathon("marathon", "--metrics_prometheus")
            made.eventually("leads", lambda: made.ask("GET", "/v2/info")["frameworkId"])
            yield made
            for app in made.ask("GET", "/v2/apps")["apps"]:
                made.ask("DELETE", f"/v2/apps{app['id']}")
            made.eventually("everything stopped", made.quiet)
        finally:
            made.end(())


@pytest.fixture(scope="module")
def server(cluster: Cluster) -> Iterator[Prometheus]:
    marathon = f"127.0.0.1:{cluster.marathon_ports['marathon']}"
    scrape: list[dict[str, Any]] = [
        {
            "job_name": "apps",
            "marathon_sd_configs": [{"servers": [f"http://{marathon}"], "refresh_interval": "1s"}],
            "relabel_configs": [{"source_labels": ["__meta_marathon_app"], "target_label": "app"}],
        },
        {"job_name": "marathon", "metrics_path": "/metrics/prometheus", "static_configs": [{"targets": [marathon]}]},
    ]
    with prometheus(cluster.folder / "prometheus", scrape) as made:
        yield made


def app(cluster: Cluster, name: str, **more: Any) -> dict[str, Any]:
    (cluster.folder / "server.py").write_text(SERVER)
    command = f"exec {sys.executable} {cluster.folder / 'server.py'} {cluster.folder / 'load'}"
    base = {"id": f"/{name}", "cmd": command, "cpus": 0.1, "mem": 32, "backoffSeconds": 0, "env": {"MODE": "good"}}
    return {**base, **more}


def write(cluster: Cluster, load: int) -> None:
    """Whole at any moment."""
    new = Path(cluster.folder / "load.new")
    new.write_text(str(load))
    os.replace(new, cluster.folder / "load")


def test_it_scrapes_marathon_itself(cluster: Cluster, server: Prometheus) -> None:
    cluster.eventually("scraped", lambda: server.value('up{job="marathon"}') == 1)
    assert server.value('scrape_samples_scraped{job="marathon"}') > 20
    [target] = [one for one in server.ask("targets")["activeTargets"] if one["scrapePool"] == "marathon"]
    assert target["lastError"] == ""
    described = server.ask("targets/metadata", match_target='{job="marathon"}')
    assert all(one["help"] for one in described), "each metric says what it is"


def test_its_query_scales_an_app_up_and_down(cluster: Cluster, server: Prometheus) -> None:
    write(cluster, 9)
    policy = {
        "min": 1,
        "max": 4,
        "query": {"query": 'max(load{app="/web"})', "target": 10, "prometheusUrl": server.url},
        "intervalSeconds": 1,
        "cooldownSeconds": 0,
        "scaleDownSeconds": 2,
    }
    cluster.ask("POST", "/v2/apps", app(cluster, "web", autoscaling=policy))
    cluster.eventually("found and scraped", lambda: server.value('load{app="/web"}') == 9)

    def count() -> int:
        return len(cluster.tasks("/web"))

    write(cluster, 28)
    cluster.eventually("grown", lambda: count() == 3)
    cluster.eventually("all three are scraped", lambda: server.value('count(load{app="/web"})') == 3)
    write(cluster, 12)
    cluster.eventually("shrunk", lambda: count() == 2)
    assert cluster.ask("GET", "/v2/apps/web")["app"]["instances"] == 2
    told = cluster.ask("GET", "/v2/apps/web/autoscaling")["history"]
    steps = [(one["instances"], one["wanted"]) for one in reversed(told) if one["applied"]]
    assert steps == [(1, 3), (3, 2)]
    cluster.ask("DELETE", "/v2/apps/web")
    cluster.eventually("gone", cluster.quiet)


def test_its_query_promotes_a_rollout_and_rolls_another_back(cluster: Cluster, server: Prometheus) -> None:
    write(cluster, 1)

    def upgrade(mode: str) -> dict[str, Any]:
        """Asks for the series of the new instances alone: until they are scraped there is no value, and the step waits."""
        query = f'max(broken{{app="/shop",mode="{mode}"}})'
        metric = {"query": query, "max": 0, "prometheusUrl": server.url}
        return {
            "minimumHealthCapacity": 1,
            "maximumOverCapacity": 0.5,
            "steps": [{"instances": 1}],
            "promotion": {"metric": metric, "intervalSeconds": 1, "maxFailures": 2, "onFailure": "rollback"},
        }

    cluster.ask("POST", "/v2/apps", app(cluster, "shop", instances=2, upgradeStrategy=upgrade("good")))
    cluster.eventually("deployed", cluster.quiet)
    cluster.eventually("both are scraped", lambda: server.value('count(broken{app="/shop"})') == 2)

    def update(mode: str) -> None:
        cluster.ask("PUT", "/v2/apps/shop", {"env": {"MODE": mode}, "upgradeStrategy": upgrade(mode)})

    def mode() -> str:
        return str(cluster.ask("GET", "/v2/apps/shop")["app"]["env"]["MODE"])

    update("better")
    cluster.eventually("promoted", cluster.quiet, 90)
    assert mode() == "better"
    before = set(cluster.tasks("/shop"))
    assert len(before) == 2
    update("bad")
    cluster.eventually("rolled back", lambda: mode() == "better" and cluster.quiet(), 90)
    after = set(cluster.tasks("/shop"))
    assert len(after) == 2
    assert before & after, "what the canary did not replace is still there"
    assert server.value('max(max_over_time(broken{app="/shop",mode="bad"}[10m]))') == 1, "that instance is gone"
