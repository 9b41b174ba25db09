"""Every answer recorded from a Mesos 1.11 master, asked again of ours over HTTP: code, type, names and kinds of members."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dcos.model.v1 import scheduler
from dcos.model.v1.types import TaskState
from tests.unit.master.served import Master, serving
from tests.unit.master.stage import launch, task
from tests.unit.master.test_golden import GOLDEN, recorded_cluster, shape

FRAMEWORK = "f4253cde-67b1-473c-86ae-c5fd08dcacfe-0000"
LOG_METRICS = {"registrar/log/recovered", "registrar/log/ensemble_size"}
"""Of the replicated log, which the recorded master (``--registry=in_memory``) did not have."""
RECORDED = sorted(path for pattern in ("master-*.json", "operator-master-*.json") for path in GOLDEN.glob(pattern))


@pytest.fixture
async def master() -> AsyncIterator[Master]:
    stage = recorded_cluster()
    stage.call("m-0000", scheduler.Call(type=scheduler.CallType.REVIVE))
    invalid = task("bad/1", "m-S0")
    stage.accept("m-0000", [offer.message for offer in stage.state.offers.values()], [launch(invalid)], refuse_s=1000)
    assert stage.statuses("stream-1")[-1].state is TaskState.TASK_ERROR
    async with serving(given=stage.state) as made:
        quota = {"role": "golden", "guarantees": {"cpus": {"value": 0.5}}}
        quota["limits"] = {"cpus": {"value": 1.5}, "mem": {"value": 2048.0}}
        for _ in range(2):  # two writes: statistics need two samples
            updated = await made.call("UPDATE_QUOTA", quota_configs=[quota])
            assert (updated.status, updated.text) == (200, "")
        made.api.writer.fetched.note(0.0, 0.001)
        yield made


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_recorded(master: Master, path: Path) -> None:
    recorded = json.loads(path.read_text())
    request = recorded["request"]
    if "GET" in request:
        ours = await master.get(request["GET"])
    else:
        ours = await master.post(request["POST"], request["body"])
    assert ours.status == recorded["status"]
    kind = recorded["headers"].get("Content-Type")
    if kind is not None:
        assert ours.headers["Content-Type"].partition(";")[0] == kind.partition(";")[0]
    theirs = recorded["body"]
    if kind is None or kind.startswith("text/plain"):
        assert ours.text.strip() == str(theirs)
        return
    made = ours.json
    if path.stem in ("master-metrics-snapshot", "operator-master-get-metrics"):
        check_metrics(made, theirs)
        return
    if path.stem in ("master-flags", "operator-master-get-flags"):
        check_flags(made, theirs)
        return
    for side in (made, theirs):
        if isinstance(side, dict) and "flags" in side:
            assert all(isinstance(value, str) for value in side.pop("flags").values())
    assert _cut(shape(made)) == _cut(shape(theirs))


def _cut(value: Any) -> Any:
    """Without a check's reason and message, which are the agent's to tell."""
    if isinstance(value, dict):
        return {name: _cut(member) for name, member in value.items() if name not in ("reason", "message")}
    return [_cut(member) for member in value] if isinstance(value, list) else value


def _metrics(body: Any) -> dict[str, Any]:
    if "get_metrics" in body:
        return {one["name"]: one["value"] for one in body["get_metrics"]["metrics"]}
    return dict(body)


def check_metrics(made: Any, theirs: Any) -> None:
    ours = _metrics(made)
    assert all(isinstance(value, int | float) and not isinstance(value, bool) for value in ours.values())
    wanted = {name.replace(FRAMEWORK, "m-0000") for name in _metrics(theirs)}
    assert (wanted - ours.keys(), ours.keys() - wanted) == (set(), LOG_METRICS)
    fw = "master/frameworks/golden/m-0000/"
    recorded = {name.replace(FRAMEWORK, "m-0000"): value for name, value in _metrics(theirs).items()}
    for name in ("operations/launch", *(f"tasks/terminal/task_{end}" for end in ("failed", "error", "killed"))):
        assert ours[fw + name] == recorded[fw + name], name
    assert (ours["master/tasks_failed"], ours["master/tasks_error"]) == (1, 1)
    assert ours[fw + "tasks/active/task_running"] == 1
    assert ours[fw + "calls/subscribe"] == 1
    assert (ours[fw + "offers/accepted"], ours[fw + "offers/declined"]) == (2, 1)
    assert ours[fw + "offers/sent"] >= 3
    assert ours["master/task_error/source_master/reason_task_invalid"] == 1
    role = "allocator/mesos/quota/roles/golden/resources/"
    assert (ours[role + "cpus/guarantee"], ours[role + "cpus/limit"]) == (0.5, 1.5)
    assert ours[role + "cpus/consumed"] == ours["allocator/mesos/quota/roles//resources/cpus/consumed"] == 0.1


def _flags(body: Any) -> dict[str, str]:
    if "get_flags" in body:
        return {one["name"]: one["value"] for one in body["get_flags"]["flags"]}
    return dict(body["flags"])


def check_flags(made: Any, theirs: Any) -> None:
    """Ours has upstream's, with upstream's defaults as upstream writes them."""
    ours, recorded = _flags(made), _flags(theirs)
    given = {"cluster", "ip", "port", "registry", "work_dir"}
    assert {name: ours.get(name) for name in recorded if name not in given} == {
        name: value for name, value in recorded.items() if name not in given
    }
