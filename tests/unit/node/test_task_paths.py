"""Which task is meant by a part of its id, and where its sandbox is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dcos.node.core.task_paths import Ambiguous, Task, choose, sandbox


def task(id: str, state: str = "TASK_RUNNING", **more: Any) -> Task:
    plain = {"id": id, "framework_id": "F", "slave_id": "S1", "state": state}
    return msgspec.convert(plain | more, Task)


def container(value: str, parent: str | None = None) -> list[dict[str, Any]]:
    id: dict[str, Any] = {"value": value} | ({"parent": {"value": parent}} if parent else {})
    return [{"state": "TASK_STARTING"}, {"state": "TASK_RUNNING", "container_status": {"container_id": id}}]


def test_the_whole_id_wins_then_who_lives() -> None:
    web, gone, other = task("web.1"), task("web.12", "TASK_FINISHED"), task("db.1")
    assert choose("web.1", [gone, other, web]) == web
    assert choose("web", [gone, other, web]) == web
    assert choose("12", [gone, other, web]) == gone
    assert choose("x", [gone, other, web]) is None


def test_several_are_refused_by_name() -> None:
    with pytest.raises(Ambiguous, match=r"2 tasks have 'web' in their ids: web\.1, web\.2"):
        choose("web", [task("web.2"), task("web.1")])
    twice = [task("a", "TASK_LOST", slave_id="S0"), task("a", slave_id="S2")]
    assert choose("a", twice) == twice[1], "one id, started again"


def test_sandboxes() -> None:
    assert sandbox(task("a", statuses=container("c1"))) == "/frameworks/F/executors/a/runs/c1"
    assert sandbox(task("a", executor_id="e 1", statuses=container("c1"))) == "/frameworks/F/executors/e%201/runs/c1"
    assert sandbox(task("a", executor_id="e", statuses=container("c2", "c1"))) == (
        "/frameworks/F/executors/e/runs/c1/tasks/a"
    )
    assert sandbox(task("a", "TASK_FAILED")) is None
