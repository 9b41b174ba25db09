"""``dcos job`` against a real Metronome on a fake Mesos."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dcos.model.v1.types import TaskState
from tests.unit.cli.program import Dcos, program
from tests.unit.metronome.conftest import House, Running

JOB = {
    "id": "nightly.backup",
    "run": {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "true"},
    "schedules": [{"id": "default", "cron": "0 3 * * *"}],
}


@pytest.fixture
async def metronome() -> AsyncIterator[Running]:
    house = House()
    house.mesos.agent(1)
    async with house.metronome() as one:
        yield one


@pytest.fixture
async def dcos(
    metronome: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> AsyncIterator[Dcos]:
    async with program(monkeypatch, capsys, tmp_path, "job.url", metronome.client.make_url("")) as run:
        yield run


async def test_the_life_of_a_job(dcos: Dcos, metronome: Running) -> None:
    assert await dcos("job", "add", stdin=json.dumps(JOB)) == (0, "", "")
    code, out, _ = await dcos("job", "list")
    assert out.splitlines()[1].split() == ["nightly.backup", "Scheduled", "N/A"]
    assert (await dcos("job", "list", "-q"))[1] == "nightly.backup\n"
    code, out, _ = await dcos("job", "run", "nightly.backup", "--json")
    run_id = json.loads(out)["id"]
    await metronome.until("runs", lambda: metronome.state.runs[run_id].status == "ACTIVE")
    assert (await dcos("job", "list"))[1].splitlines()[1].split()[1] == "Running"
    code, out, _ = await dcos("job", "show", "runs", "nightly.backup")
    assert out.splitlines()[1].split()[1] == "nightly.backup"
    assert (await dcos("job", "show", "runs", "nightly.backup", "-q"))[1] == f"{run_id}\n"
    code, _, err = await dcos("job", "kill", "nightly.backup")
    assert code == 1
    assert "run id or --all" in err
    assert (await dcos("job", "kill", "nightly.backup", "--all"))[0] == 0
    await metronome.until("stopped", lambda: not metronome.state.runs)
    code, out, _ = await dcos("job", "history", "nightly.backup", "--failures")
    assert out.startswith('"nightly.backup"  Failure runs: 1 Last Failure: 2026-01-01T')
    assert run_id in out
    await dcos("job", "run", "nightly.backup")
    await metronome.until("runs", lambda: bool(metronome.tasks()))
    metronome.clock.time += 60
    metronome.mesos.update(metronome.tasks()[0], TaskState.TASK_FINISHED)
    await metronome.until("over", lambda: not metronome.state.runs)
    assert (await dcos("job", "list"))[1].splitlines()[1].split()[2] == "Success"
    assert (
        (await dcos("job", "history", "nightly.backup", "--last"))[1]
        .splitlines()[0]
        .startswith('"nightly.backup"  Successful runs: 1')
    )
    assert json.loads((await dcos("job", "show", "nightly.backup"))[1])["id"] == "nightly.backup"
    assert await dcos("job", "remove", "nightly.backup") == (0, "", "")
    assert (await dcos("job", "list"))[1].splitlines() == ["ID  STATUS  LAST RUN"]


async def test_schedules(dcos: Dcos) -> None:
    bare = {name: value for name, value in JOB.items() if name != "schedules"}
    await dcos("job", "add", stdin=json.dumps(bare))
    assert (await dcos("job", "list"))[1].splitlines()[1].split()[1] == "Unscheduled"
    one = {"id": "default", "cron": "0 4 * * *"}
    assert (await dcos("job", "schedule", "add", "nightly.backup", stdin=json.dumps(one)))[0] == 0
    one["cron"] = "0 5 * * *"
    assert (await dcos("job", "schedule", "update", "nightly.backup", stdin=json.dumps(one)))[0] == 0
    _, out, _ = await dcos("job", "schedule", "show", "nightly.backup")
    assert out.splitlines()[1].split() == [
        "default",
        "0",
        "5",
        "*",
        "*",
        "*",
        "True",
        "2026-01-01T05:00:00.000+0000",
        "ALLOW",
    ]
    assert (await dcos("job", "update", stdin=json.dumps(JOB)))[0] == 0
    shown = json.loads((await dcos("job", "schedule", "show", "nightly.backup", "--json"))[1])
    assert shown[0]["cron"] == "0 3 * * *"
    assert (await dcos("job", "schedule", "remove", "nightly.backup", "default"))[0] == 0
    assert json.loads((await dcos("job", "schedule", "show", "nightly.backup", "--json"))[1]) == []


async def test_refusals_are_shown(dcos: Dcos) -> None:
    code, _, err = await dcos("job", "show", "none")
    assert code == 1
    assert "Job not found" in err
    code, _, err = await dcos("job", "add", stdin=json.dumps({"id": "x", "run": {"cmd": "y"}}))
    assert code == 1
    assert "/run" in err
    assert "Property mem missing" in err


async def test_jobs_are_read_from_yaml_too(dcos: Dcos, metronome: Running, tmp_path: Path) -> None:
    file = tmp_path / "job.yml"
    file.write_text("id: nightly\nrun: {cpus: 0.1, mem: 32, disk: 0, cmd: 'true'}\n")
    assert await dcos("job", "add", str(file)) == (0, "", "")
    assert json.loads((await dcos("job", "show", "nightly"))[1])["run"]["mem"] == 32
    file.write_text("id: [")
    assert "is not YAML: line 2" in (await dcos("job", "update", str(file)))[2]
