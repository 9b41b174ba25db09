"""``dcos apply`` and ``dcos explain`` against a real Marathon on a fake Mesos, and a real Metronome."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.cli.program import Dcos, program
from tests.unit.marathon.conftest import House, Running
from tests.unit.metronome.conftest import House as JobHouse
from tests.unit.metronome.conftest import Running as RunningJobs

WEB = "id: /shop/web\ncmd: sleep 1\ncpus: 0.1\nmem: 32\ninstances: 1\nenv: {MODE: slow}\n"
POD = """
id: /shop/pair
containers:
- name: one
  exec: {command: {shell: sleep 1}}
  resources: {cpus: 0.1, mem: 16}
"""


@pytest.fixture
async def marathon() -> AsyncIterator[Running]:
    house = House()
    for number in (1, 2):
        house.mesos.agent(number)
    async with house.marathon() as one:
        yield one


@pytest.fixture
async def metronome() -> AsyncIterator[RunningJobs]:
    house = JobHouse()
    house.mesos.agent(1)
    async with house.metronome() as one:
        yield one


@pytest.fixture
async def dcos(
    marathon: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> AsyncIterator[Dcos]:
    async with program(monkeypatch, capsys, tmp_path, "marathon.url", marathon.client.make_url("")) as run:
        yield run


async def test_apps_pods_and_groups(dcos: Dcos, marathon: Running) -> None:
    both = f"{WEB}---{POD}"
    code, out, err = await dcos("apply", "-f", "-", "--dry-run", "--exit-code", stdin=both)
    assert (code, err) == (2, "")
    assert out.splitlines()[0] == "+ app /shop/web: create"
    assert out.splitlines()[-1] == "2 to create"
    assert not marathon.leader.state.apps
    code, out, err = await dcos("apply", "-f", "-", stdin=both)
    assert (code, out.splitlines()[-1], err.count("Created deployment")) == (0, "2 created", 2), err
    await marathon.settled()
    code, out, err = await dcos("apply", "-f", "-", "--exit-code", stdin=both)
    assert (code, out, err) == (0, "  app /shop/web: unchanged\n  pod /shop/pair: unchanged\n2 unchanged\n", "")

    code, out, _ = await dcos(
        "apply", "-f", "-", "--json", stdin=WEB.replace("slow", "fast").replace("instances: 1", "instances: 2")
    )
    (change,) = json.loads(out)
    assert [(one["path"], one["before"], one["after"]) for one in change["differences"]] == [
        ("instances", 1, 2),
        ("env.MODE", "slow", "fast"),
    ]
    await marathon.settled()
    more = POD.replace("mem: 16}", "mem: 24}") + "scaling: {kind: fixed, instances: 2}\n"
    code, out, _ = await dcos("apply", "-f", "-", stdin=more)
    assert "    containers[one].resources.mem: 16" in out
    assert "-> 24" in out
    await marathon.settled()
    shown = json.loads((await dcos("marathon", "pod", "show", "/shop/pair"))[1])
    assert shown["spec"]["containers"][0]["exec"] == {"command": {"shell": "sleep 1"}}, "what is not mentioned stays"


async def test_one_deployment_for_all_apps(dcos: Dcos, marathon: Running) -> None:
    group = {
        "id": "/shop",
        "apps": [{"id": "web", "cmd": "sleep 1", "cpus": 0.1, "mem": 16}],
        "groups": [{"id": "deep", "apps": [{"id": "db", "cmd": "sleep 1", "cpus": 0.1, "mem": 16}]}],
    }
    code, out, err = await dcos("apply", "-f", "-", stdin=json.dumps(group))
    assert (code, out.splitlines()[-1]) == (0, "4 created"), err
    await marathon.settled()
    group["apps"].append({"id": "more", "cmd": "sleep 1", "cpus": 0.1, "mem": 16, "instances": 0})  # type: ignore[attr-defined]
    group["apps"][0]["mem"] = 24  # type: ignore[index]
    code, out, err = await dcos("apply", "-f", "-", stdin=json.dumps(group))
    assert (code, err.count("Created deployment")) == (0, 1), err
    assert out.splitlines()[-1] == "1 created, 1 changed, 3 unchanged"
    await marathon.settled()

    del group["apps"][0]  # type: ignore[attr-defined]
    code, out, _ = await dcos("apply", "-f", "-", "--exit-code", stdin=json.dumps(group))
    assert (code, "/shop/web" in out) == (0, False), "nothing is removed unless asked"
    text = json.dumps(group)
    code, out, _ = await dcos("apply", "-f", "-", "--prune", "--yes", stdin=text)
    assert "- app /shop/web: delete" in out
    await marathon.settled()
    assert "/shop/web" not in (await dcos("marathon", "app", "list", "-q"))[1]
    code, out, err = await dcos("apply", "-f", "-", "--delete", "--yes", stdin=text)
    assert (code, "4 deleted" in out) == (0, True), err
    await marathon.settled()
    assert "/shop" not in (await dcos("marathon", "group", "list"))[1]
    assert (await dcos("apply", "-f", "-", "--delete", "--exit-code", stdin=text))[0] == 0


async def test_a_group_with_others_in_it_stays(dcos: Dcos, marathon: Running) -> None:
    await dcos("apply", "-f", "-", stdin=WEB)
    await marathon.settled()
    code, out, err = await dcos("apply", "-f", "-", "--delete", "--yes", stdin="id: /shop\napps: []\n")
    assert (code, out, err) == (
        0,
        "  group /shop: unchanged\n1 unchanged\n",
        "group /shop stays: app /shop/web is in it\n",
    )


async def test_nothing_is_removed_without_an_answer(dcos: Dcos, marathon: Running) -> None:
    await dcos("apply", "-f", "-", stdin=WEB)
    await marathon.settled()
    code, _, err = await dcos("apply", "-f", "-", "--delete", stdin=WEB)
    assert (code, "Remove app /shop/web?" in err) == (1, True)
    assert "/shop/web" in (await dcos("marathon", "app", "list", "-q"))[1]


async def test_refusals_name_what_they_are_about(dcos: Dcos) -> None:
    code, _, err = await dcos("apply", "-f", "-", stdin="id: /web\ncmd: x\ncpus: -1\n")
    assert code == 1
    assert err.startswith("Error: app /web: ")
    assert "/cpus" in err
    code, _, err = await dcos("apply", "-f", "-", stdin=POD.replace("mem: 16", "mem: -1"))
    assert err.startswith("Error: pod /shop/pair (standard input): ")


async def test_waiting(dcos: Dcos, marathon: Running) -> None:
    code, _, err = await dcos("apply", "-f", "-", "--wait", stdin=WEB)
    assert code == 0
    assert err.splitlines()[-1].endswith(" is done")
    code, out, err = await dcos("marathon", "app", "scale", "/shop/web", "2", "--wait")
    assert (code, out.startswith("Created deployment "), err.splitlines()[-1].endswith(" is done")) == (0, True, True)


async def test_jobs(dcos: Dcos, metronome: RunningJobs) -> None:
    await dcos("config", "set", "job.url", str(metronome.client.make_url("")).rstrip("/"))
    job = """
id: nightly.backup
run: {cpus: 0.1, mem: 32, disk: 0, cmd: "true"}
schedules:
- {id: default, cron: "0 3 * * *"}
"""
    code, out, err = await dcos("apply", "-f", "-", stdin=job)
    assert (code, out.splitlines()[-1]) == (0, "1 created"), err
    assert (await dcos("apply", "-f", "-", stdin=job))[1] == "  job nightly.backup: unchanged\n1 unchanged\n"
    changed = job.replace('"0 3 * * *"', '"0 4 * * *"').replace("mem: 32", "mem: 64")
    out = (await dcos("apply", "-f", "-", stdin=changed))[1]
    assert "    run.mem: 32" in out
    assert '    schedules[default].cron: "0 3 * * *" -> "0 4 * * *"' in out
    assert (await dcos("apply", "-f", "-", "--exit-code", stdin=changed))[0] == 0
    assert (await dcos("explain", "nightly.backup"))[0] == 0
    assert "next run at" in (await dcos("explain", "nightly.backup"))[1]
    assert (await dcos("apply", "-f", "-", "--delete", "--yes", stdin=changed))[0] == 0
    assert (await dcos("job", "list", "-q"))[1] == ""


async def test_explaining_an_app(dcos: Dcos, marathon: Running) -> None:
    body = WEB.replace("instances: 1", "instances: 3") + "constraints: [[hostname, UNIQUE]]\n"
    await dcos("apply", "-f", "-", stdin=body)
    await marathon.until("refused", lambda: len(marathon.leader.state.queue["/shop/web"].refusals()) == 2)
    code, out, _ = await dcos("explain", "shop/web")
    lines = out.splitlines()
    assert (code, lines[0]) == (1, "app /shop/web: 2 of 3 instances run")
    assert lines[1].startswith("deployment ")
    assert "waits: 1 of 3 instances waits for a fitting offer" in lines
    assert "  helps: another agent, of another hostname" in lines
    assert json.loads((await dcos("explain", "shop/web", "--json"))[1])["waits"][0]["kind"] == "offers"
    await dcos("marathon", "app", "scale", "/shop/web", "2", "--force")
    await marathon.settled()
    code, out, _ = await dcos("explain", "/shop/web")
    assert (code, out.splitlines()[-1]) == (0, "nothing is waited for, and nothing failed lately")
    assert "there is no app, pod or job 'nope'" in (await dcos("explain", "nope"))[2]


async def test_explaining_a_pod(dcos: Dcos, marathon: Running) -> None:
    await dcos("apply", "-f", "-", stdin=POD.replace("cpus: 0.1", "cpus: 1000"))
    await marathon.until("refused", lambda: len(marathon.leader.state.queue["/shop/pair"].refusals()) == 2)
    code, out, _ = await dcos("explain", "/shop/pair")
    assert (code, out.splitlines()[0]) == (1, "pod /shop/pair: 0 of 1 instance is stable")
    assert "waits: " in out
