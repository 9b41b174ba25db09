"""Where /service/... leads, as tables."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dcos.adminrouter.core import services, targets
from dcos.adminrouter.core.services import Apps, AppTarget, AskDns, Cluster, Found, Framework, LeaderOf
from dcos.adminrouter.core.targets import Refusal, Target
from dcos.wire.authorization import token_in


def _app(name: object = "web", **changes: Any) -> dict[str, Any]:
    labels = {"DCOS_SERVICE_NAME": name, "DCOS_SERVICE_SCHEME": "http", "DCOS_SERVICE_PORT_INDEX": "0"}
    task = {"id": "t", "host": "10.0.0.1", "ports": [31000, 31001], "state": "TASK_RUNNING"}
    app = {"id": "/x", "labels": labels | changes.pop("labels", {}), "tasks": [task | changes.pop("task", {})]}
    return {**app, **changes}


def _read(*apps: dict[str, Any]) -> dict[str, AppTarget]:
    return dict(services.read_apps(json.dumps({"apps": apps}).encode()).by_name)


CONTAINER = {
    "networks": [{"mode": "container", "name": "dcos"}],
    "container": {"type": "MESOS", "portMappings": [{"containerPort": 8080}, {"containerPort": 0}]},
    "task": {"ipAddresses": [{"ipAddress": "9.0.1.2", "protocol": "IPv4"}]},
}


@pytest.mark.parametrize(
    ("app", "where"),
    [
        pytest.param(_app(), ("http", "10.0.0.1", 31000), id="host"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "1"}), ("http", "10.0.0.1", 31001), id="second port"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": 1}), ("http", "10.0.0.1", 31001), id="a number"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "1.0"}), ("http", "10.0.0.1", 31001), id="1.0"),
        pytest.param(_app(labels={"DCOS_SERVICE_SCHEME": "https"}), ("https", "10.0.0.1", 31000), id="https"),
        pytest.param(
            _app(networks=[{"mode": "container/bridge"}], container={"portMappings": [{"containerPort": 80}]}),
            ("http", "10.0.0.1", 31000),
            id="bridge",
        ),
        pytest.param(_app(**CONTAINER), ("http", "9.0.1.2", 8080), id="container"),
        pytest.param(
            _app(**CONTAINER, labels={"DCOS_SERVICE_PORT_INDEX": "1"}),
            ("http", "9.0.1.2", 31001),
            id="container, port 0",
        ),
        pytest.param(
            _app(**{**CONTAINER, "container": {"docker": {"portMappings": [{"containerPort": 81}]}}}),
            ("http", "9.0.1.2", 81),
            id="older form",
        ),
    ],
)
def test_apps_that_are_found(app: dict[str, Any], where: tuple[str, str, int]) -> None:
    target = _read(app)["web"]
    assert (target.scheme, target.host, target.port) == where


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "x"}), id="no number"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "nan"}), id="nan"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "1e400"}), id="infinite"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "-1"}), id="negative"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": "2"}), id="no such port"),
        pytest.param(_app(labels={"DCOS_SERVICE_PORT_INDEX": None}), id="no index"),
        pytest.param(_app(labels={"DCOS_SERVICE_SCHEME": None}), id="no scheme"),
        pytest.param(_app(labels={"DCOS_SERVICE_SCHEME": "ftp"}), id="other scheme"),
        pytest.param(_app(name=None), id="no name"),
        pytest.param(_app(name="/"), id="empty name"),
        pytest.param(_app(tasks=[]), id="no task"),
        pytest.param(_app(task={"state": "TASK_STAGING"}), id="not running"),
        pytest.param(_app(task={"host": None}), id="no host"),
        pytest.param(_app(task={"ports": "x"}), id="bad ports"),
        pytest.param(_app(task={"ports": [70000]}), id="impossible port"),
        pytest.param(_app(**{**CONTAINER, "task": {"ipAddresses": []}}), id="no address yet"),
        pytest.param({"id": "/x", "labels": ["bad"]}, id="bad labels"),
    ],
)
def test_an_app_that_cannot_be_used_disturbs_nobody(app: dict[str, Any]) -> None:
    assert list(_read(app, _app("other"))) == ["other"]


@pytest.mark.parametrize(
    ("labels", "rewrite", "buffered"),
    [
        ({}, True, True),
        ({"DCOS_SERVICE_REWRITE_REQUEST_URLS": "false"}, False, True),
        ({"DCOS_SERVICE_REWRITE_REQUEST_URLS": False}, False, True),
        ({"DCOS_SERVICE_REWRITE_REQUEST_URLS": "no"}, True, True),
        ({"DCOS_SERVICE_REQUEST_BUFFERING": "false"}, True, False),
        ({"DCOS_SERVICE_REQUEST_BUFFERING": True}, True, True),
    ],
)
def test_labels_that_change_how(labels: dict[str, Any], rewrite: bool, buffered: bool) -> None:
    target = _read(_app(labels=labels))["web"]
    assert (target.rewrite, target.buffered) == (rewrite, buffered)


def test_the_first_running_task_is_taken() -> None:
    tasks = [
        {"host": "10.0.0.1", "ports": [1], "state": "TASK_KILLED"},
        {"host": "10.0.0.2", "ports": [2], "state": "TASK_RUNNING"},
        {"host": "10.0.0.3", "ports": [3], "state": "TASK_RUNNING"},
    ]
    assert _read(_app(tasks=tasks))["web"].host == "10.0.0.2"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"apps": {}}', b"\xff"])
def test_answers_that_are_no_app_list(raw: bytes) -> None:
    with pytest.raises(services.StateError):
        services.read_apps(raw)


WEB = AppTarget(scheme="http", host="10.0.0.1", port=80, rewrite=True, buffered=True)
APPS = Apps({"web": WEB, "web.group": WEB, "j.i.h.g.f.e.d.c.b.a": WEB, "k.j.i.h.g.f.e.d.c.b.a": WEB})
SPARK = Framework("spark", "https://10.0.0.2:4040/ui/")
KAFKA = Framework("kafka.dev", "")
CLUSTER = Cluster(
    by_id={"fw-1": SPARK, "fw-2": KAFKA},
    by_name={
        "spark": SPARK,
        "kafka.dev": KAFKA,
        "hidden": Framework("hidden", None),
        "odd": Framework("odd", "ftp://x"),
        "plain": Framework("plain", "http://host"),
        "worse": Framework("worse", "http://x:99999"),
    },
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("web", Found(("web",), WEB)),
        ("web/x/y", Found(("web",), WEB)),
        ("//group//web//x", Found(("group", "web"), WEB)),
        ("group/other", services.NOT_FOUND),
        ("", services.NOT_FOUND),
        ("a/b/c/d/e/f/g/h/i/j/k", Found(tuple("abcdefghij"), WEB)),
        ("b/c/d/e/f/g/h/i/j/k/web", services.NOT_FOUND),
        ("marathon/v2", LeaderOf("marathon")),
        ("metronome", LeaderOf("metronome")),
        ("group/marathon", services.NOT_FOUND),
        ("fw-2/x", AskDns(("fw-2",), "kafka.dev")),
        ("dev/kafka/x", AskDns(("dev", "kafka"), "kafka.dev")),
        ("hidden/x", services.NOT_FOUND),
        ("odd", services.NOT_FOUND),
        ("worse", services.NOT_FOUND),
    ],
)
def test_resolution(path: str, expected: services.Resolution) -> None:
    assert services.resolve(path, APPS, CLUSTER) == expected


def test_frameworks_with_an_address() -> None:
    for path in ("spark/x", "fw-1"):
        found = services.resolve(path, APPS, CLUSTER)
        assert isinstance(found, Found)
        assert (found.target.scheme, found.target.host, found.target.port, found.path) == (
            "https",
            "10.0.0.2",
            4040,
            "/ui",
        )
    plain = services.resolve("plain", APPS, CLUSTER)
    assert isinstance(plain, Found)
    assert (plain.target.port, plain.path) == (80, "")


def test_what_is_not_known_is_said() -> None:
    assert services.resolve("web", None, CLUSTER) == services.NO_APPS
    assert services.resolve("marathon", None, None) == LeaderOf("marathon")
    assert services.resolve("web", APPS, None) == Found(("web",), WEB)
    assert services.resolve("other", APPS, None) == services.NO_CLUSTER


def test_a_name_that_dns_does_not_know_is_skipped() -> None:
    assert services.resolve("fw-2/x", APPS, CLUSTER, skip=1) == services.NOT_FOUND


def test_targets() -> None:
    found = Found(("gr oup", "web"), WEB, "/ui")
    assert services.proxied(found, "10.0.0.1") == Target(
        address="10.0.0.1:80", path="/ui", strip=2, location="/service/gr%20oup/web"
    )
    assert services.address("fd00::1", 80) == "[fd00::1]:80"
    with pytest.raises(ValueError, match="not appear to be"):
        services.address("host", 80)


def test_the_masters_summary() -> None:
    raw = {
        "frameworks": [{"id": "1", "name": "a/b", "webui_url": "http://h"}, {"id": "2", "name": "c"}],
        "slaves": [{"id": "s1", "pid": "slave(1)@10.0.0.1:5051"}, {"id": "s2"}],
    }
    cluster = services.read_cluster(json.dumps(raw).encode())
    assert cluster.by_name["b.a"] is cluster.by_id["1"]
    assert cluster.by_id["2"].webui_url is None
    assert cluster.agents == {"s1": "10.0.0.1:5051"}
    with pytest.raises(services.StateError):
        services.read_cluster(b"[]")


@pytest.mark.parametrize(
    ("raw", "record"),
    [
        ('[{"ip": "10.0.0.1", "port": "31000"}]', ("10.0.0.1", 31000)),
        ('[{"ip": "10.0.0.1", "port": 31000}, {"ip": "x"}]', ("10.0.0.1", 31000)),
        ('[{"service": "", "host": "", "ip": "", "port": ""}]', None),
        ("[]", None),
    ],
)
def test_srv_records(raw: str, record: tuple[str, int] | None) -> None:
    assert services.read_srv(raw.encode()) == record


def test_refusals_travel_as_a_header() -> None:
    said = targets.headers(services.NOT_FOUND)
    assert targets.said_answer(said) == services.NOT_FOUND
    assert said["X-Dcos-Upstream"] == targets.DECISION_UPSTREAM
    assert targets.said_answer({}) is None
    assert targets.said_answer({"X-Dcos-Answer": "200 fine"}) is None
    assert Refusal("503 x").status == 503


@pytest.mark.parametrize("bad", ["a b", "a\nb", "ü", "a\r"])
def test_no_header_is_made_of_odd_text(bad: str) -> None:
    with pytest.raises(ValueError, match="not plain text"):
        targets.headers(Target(address=bad))


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("token=abc", "abc"),
        ("Bearer abc", "abc"),
        ("prefix token=abc suffix", "abc"),
        ("token=", None),
        ("Bearer", None),
        ("", None),
        ("Basic abc", None),
    ],
)
def test_tokens_in_headers(header: str, token: str | None) -> None:
    assert token_in(header) == token
