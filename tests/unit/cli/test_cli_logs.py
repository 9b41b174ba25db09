"""``dcos logs``: which tasks, how they are named, and what is printed as they come and go."""

from __future__ import annotations

import json

import pytest

from dcos.cli import merging
from dcos.cli.commands.logs import Stream
from dcos.cli.context import Context
from dcos.cli.tails import Lines
from dcos.cli.tasks import tasks
from dcos.testing.adminrouter import FakeAdminRouter
from tests.unit.cli.results import Dcos

UUID = "4f2a9c1e-0000-11ee-8000-70b3d5800001"
OTHER = "5f2a9c1e-0000-11ee-8000-70b3d5800001"
APP = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 2}
IDS = {
    "fw-m": [
        f"shop_web.instance-{UUID}._app.1",
        f"shop_web2.instance-{UUID}._app.1",
        f"shop_pair.instance-{UUID}.side.1",
        f"kafka.instance-{UUID}._app.1",
    ],
    "fw-j": [f"nightly_backup_20260102.instance-{UUID}._app.1"],
    "fw-k": ["broker-0__1"],
}


def state() -> dict[str, object]:
    names = {"fw-m": "marathon", "fw-j": "metronome", "fw-k": "kafka"}
    label = [{"key": "DCOS_PACKAGE_FRAMEWORK_NAME", "value": "kafka"}]
    return {
        "slaves": [],
        "frameworks": [
            {
                "id": framework,
                "name": names[framework],
                "tasks": [
                    {"id": one, "framework_id": framework, "labels": label if one.startswith("kafka") else []}
                    for one in ids
                ],
            }
            for framework, ids in IDS.items()
        ],
    }


@pytest.mark.parametrize(
    ("service", "wanted"),
    [
        ("/shop/web", ["shop_web."]),
        ("shop/pair", ["shop_pair."]),
        ("/shop", ["shop_pair.", "shop_web.", "shop_web2."]),
        ("nightly.backup", ["nightly_backup_"]),
        ("kafka", ["broker-0", "kafka."]),
        ("nobody", []),
    ],
    ids=str,
)
def test_tasks_of_a_service(service: str, wanted: list[str]) -> None:
    found = [one.id for one in merging.wanted(state(), service)]
    assert len(found) == len(wanted)
    assert all(task_id.startswith(start) for task_id, start in zip(found, wanted, strict=True))


def test_labels() -> None:
    some = list(tasks(state()))
    labels = merging.labels(some)
    assert labels[f"shop_web.instance-{UUID}._app.1"] == "web.4f2a9c1e"
    assert labels[f"shop_pair.instance-{UUID}.side.1"] == "pair.4f2a9c1e.side"
    assert labels["broker-0__1"] == "broker-0__1"
    assert "| hello" in merging.line("web", "hello", width=5, error=False)
    assert "! hello" in merging.line("web", "hello", width=5, error=True)


def test_lines_of_pieces() -> None:
    lines = Lines()
    assert lines.feed("one\ntw") == ["one"]
    assert lines.feed("o\n\nthree") == ["two", ""]
    assert (lines.rest(), lines.rest()) == (["three"], [])


def test_what_is_there(ready: Dcos, fake: FakeAdminRouter) -> None:
    nothing = ready("logs", "marathon")
    assert (nothing.code, "no task of 'marathon' runs" in nothing.err) == (1, True)
    ready("marathon", "app", "add", stdin=json.dumps(APP))
    fake.files = {
        "/sandbox/web.0/stdout": b"first\nsecond\nthird\n",
        "/sandbox/web.0/stderr": b"bad\n",
        "/sandbox/web.1/stdout": "süß\n".encode(),
    }
    assert ready("logs", "marathon", "--lines=2").out.splitlines() == [
        *("web.0 | second", "web.0 | third", "web.0 ! bad", "web.1 | süß"),
    ]
    assert ready("logs", "marathon", "--file=stderr", "--json").json == {
        "task": "web.0",
        "file": "stderr",
        "line": "bad",
    }


def test_following(ready: Dcos, fake: FakeAdminRouter, capsys: pytest.CaptureFixture[str]) -> None:
    ready("marathon", "app", "add", stdin=json.dumps(APP | {"instances": 1}))
    fake.files = {"/sandbox/web.0/stdout": b"old\n"}
    context = Context()
    stream = Stream(context, "marathon", ("stdout",), 0, as_json=False)

    def seen() -> list[str]:
        stream._looked_at = 0.0
        stream.look()
        said = capsys.readouterr()
        return (said.err + said.out).splitlines()

    stream.begin(completed=False)
    assert seen() == []
    fake.files["/sandbox/web.0/stdout"] += b"new\nhalf"
    assert seen() == ["web.0 | new"]
    fake.files["/sandbox/web.1/stdout"] = b"hello\n"
    ready("marathon", "app", "scale", "web", "2")
    assert seen() == ["--- web.1 is new, on 10.0.0.2", "web.1 | hello"]
    fake.files["/sandbox/web.0/stdout"] = b"rotated\n"
    assert seen() == ["web.0 | half", "web.0 | rotated"]
    ready("marathon", "app", "scale", "web", "1")
    fake.files["/sandbox/web.1/stdout"] += b"last words"
    assert seen() == ["--- web.1 is over", "web.1 | last words"]
    fake.down = {"mesos"}
    assert seen()[0].startswith("cannot ask for tasks now")
    context.close()
