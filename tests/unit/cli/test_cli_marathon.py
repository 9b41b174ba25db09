"""``dcos marathon`` against a real Marathon on a fake Mesos."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dcos.marathon.core import events
from dcos.marathon.core.autoscale import Sample
from tests.unit.cli.program import Dcos, program
from tests.unit.marathon.conftest import House, Running

APP = {"cmd": "sleep 1", "cpus": 0.1, "mem": 32}


@pytest.fixture
async def marathon() -> AsyncIterator[Running]:
    house = House()
    for number in (1, 2):
        house.mesos.agent(number)
    async with house.marathon() as one:
        yield one


@pytest.fixture
async def dcos(
    marathon: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> AsyncIterator[Dcos]:
    async with program(monkeypatch, capsys, tmp_path, "marathon.url", marathon.client.make_url("")) as run:
        yield run


async def test_what_waits_is_explained(dcos: Dcos, marathon: Running) -> None:
    body = "id: /web\ncmd: sleep 1000\ncpus: 0.1\nmem: 32\ninstances: 3\nconstraints: [[hostname, UNIQUE]]\n"
    assert (await dcos("marathon", "app", "add", stdin=body))[0] == 0
    await marathon.until("refused", lambda: len(marathon.leader.state.queue["/web"].refusals()) == 2)
    code, out, _ = await dcos("marathon", "app", "explain", "web")
    lines = out.splitlines()
    assert (code, lines[0]) == (0, "1 of 3 instances waits for a fitting offer")
    assert lines[1].startswith("  agent 10.0.0.1: hostname UNIQUE: 10.0.0.1 already used by web.instance-")
    assert lines[-1] == "  helps: another agent, of another hostname"
    assert json.loads((await dcos("marathon", "app", "explain", "web", "--json"))[1])[0]["kind"] == "offers"
    _, out, err = await dcos("marathon", "deployment", "list")
    assert len(out.splitlines()) == 2
    assert "/web: 1 of 3 instances waits for a fitting offer: agent 10.0.0.1" in err
    await dcos("marathon", "app", "scale", "web", "2", "--force")
    await marathon.settled()
    assert await dcos("marathon", "app", "explain", "web") == (0, "/web waits for nothing\n", "")
    assert (await dcos("marathon", "app", "explain", "nope"))[2].startswith("Error: App '/nope' does not exist\n")


async def test_a_rollout_is_steered(dcos: Dcos, marathon: Running) -> None:
    steps = "upgradeStrategy: {maximumOverCapacity: 1, steps: [{instances: 1, pause: true}]}"
    body = f"id: /web\ncpus: 0.1\nmem: 32\ninstances: 2\n{steps}\ncmd: "
    assert (await dcos("marathon", "app", "add", stdin=body + "sleep 1"))[0] == 0
    await marathon.settled()
    assert (await dcos("marathon", "app", "update", "web", stdin=body + "sleep 2"))[0] == 0
    await marathon.until(
        "paused",
        lambda: any(r.reached_at for d in marathon.leader.state.deployments.values() for r in d.rollouts.values()),
    )
    assert "waits for 'continue'" in (await dcos("marathon", "deployment", "list"))[2]
    [deployment] = marathon.leader.state.deployments
    for action in ("pause", "continue", "promote"):
        assert (await dcos("marathon", "deployment", action, deployment))[0] == 0, action
    await marathon.settled()
    assert "does not exist" in (await dcos("marathon", "deployment", "abort", deployment))[2]


async def test_groups_switch_and_autoscaling_tells(dcos: Dcos, marathon: Running) -> None:
    for name, count in (("blue", 1), ("green", 0)):
        body = {"id": f"/{name}", "apps": [{**APP, "id": "web", "instances": count}]}
        await marathon.ask("POST", "/v2/groups", body, 201)
        await marathon.settled()
    code, out, _ = await dcos("marathon", "group", "switch", "blue", "green")
    assert (code, out.startswith("Created deployment ")) == (0, True)
    await marathon.settled()
    assert (await marathon.ask("GET", "/v2/apps/green/web"))["app"]["tasksRunning"] == 1
    change = {"autoscaling": {"max": 3, "cpu": 50}}
    await marathon.ask("PUT", "/v2/apps/green/web", change, 200)
    await marathon.settled()
    marathon.clock.time += 100
    await marathon.leader.ask(events.Sampled("/green/web", Sample(cpu=100.0)))
    code, out, _ = await dcos("marathon", "app", "autoscaling", "green/web")
    assert (code, "grows from 1 to 2" in out) == (0, True)
    assert "has no autoscaling" in (await dcos("marathon", "app", "autoscaling", "blue/web"))[2]


async def test_autoscaling_of_a_pod_tells(dcos: Dcos, marathon: Running) -> None:
    container = {"name": "one", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "sleep 1"}}}
    pod = {"id": "/pair", "containers": [container], "scaling": {"autoscaling": {"max": 3, "cpu": 50}}}
    assert (await dcos("marathon", "pod", "add", stdin=json.dumps(pod)))[0] == 0
    await marathon.settled()
    marathon.clock.time += 100
    await marathon.leader.ask(events.Sampled("/pair", Sample(cpu=100.0)))
    code, out, _ = await dcos("marathon", "pod", "autoscaling", "pair")
    assert (code, "grows from 1 to 2" in out) == (0, True)
    assert json.loads((await dcos("marathon", "pod", "autoscaling", "pair", "--json"))[1])["instances"] == 2
    assert "does not exist" in (await dcos("marathon", "pod", "autoscaling", "none"))[2]


async def test_the_life_of_a_group(dcos: Dcos, marathon: Running) -> None:
    group = {"id": "/shop", "apps": [{**APP, "id": "web"}], "groups": [{"id": "deep", "apps": [{**APP, "id": "db"}]}]}
    code, out, _ = await dcos("marathon", "group", "add", stdin=json.dumps(group))
    assert (code, out.startswith("Created deployment ")) == (0, True)
    await marathon.settled()
    assert "Group '/shop' already exists" in (await dcos("marathon", "group", "add", stdin=json.dumps(group)))[2]
    lines = (await dcos("marathon", "group", "list"))[1].splitlines()
    assert [line.split() for line in lines] == [["ID", "APPS", "ENFORCE_ROLE"], ["/shop", "2", "False"]]
    assert json.loads((await dcos("marathon", "group", "list", "--json"))[1])[0]["id"] == "/shop"
    shown = json.loads((await dcos("marathon", "group", "show", "shop"))[1])
    assert shown["apps"][0]["id"] == "/shop/web"
    assert (await dcos("marathon", "group", "scale", "shop", "2"))[0] == 0
    await marathon.settled()
    assert marathon.running() == 4
    assert (await dcos("marathon", "group", "update", "shop", "dependencies=[]"))[0] == 0
    await marathon.settled()
    earlier = json.loads((await dcos("marathon", "group", "show", "shop", "--group-version=-1"))[1])
    assert earlier["version"] < json.loads((await dcos("marathon", "group", "show", "shop"))[1])["version"]
    assert "only has" in (await dcos("marathon", "group", "show", "shop", "--group-version=-99"))[2]
    assert "Group '/none' does not exist" in (await dcos("marathon", "group", "scale", "none", "2"))[2]
    assert (await dcos("marathon", "group", "remove", "shop"))[0] == 0
    await marathon.settled()
    assert marathon.running() == 0


async def test_what_waits_is_debugged(dcos: Dcos, marathon: Running) -> None:
    huge = {**APP, "id": "/huge", "cpus": 1000, "constraints": [["hostname", "UNIQUE"]]}
    await dcos("marathon", "app", "add", stdin=json.dumps(huge))
    container = {"name": "one", "resources": {"cpus": 900, "mem": 32}, "exec": {"command": {"shell": "sleep 1"}}}
    await dcos("marathon", "pod", "add", stdin=json.dumps({"id": "/pair", "containers": [container]}))
    await marathon.until("refused", lambda: len(marathon.leader.state.queue["/huge"].refusals()) == 2)
    await marathon.until("refused", lambda: len(marathon.leader.state.queue["/pair"].refusals()) == 2)
    lines = (await dcos("marathon", "debug", "list"))[1].splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "/huge", "/pair"]
    assert json.loads((await dcos("marathon", "debug", "list", "--json"))[1])[0]["count"] == 1
    rows = {line.split()[0]: line for line in (await dcos("marathon", "debug", "summary", "huge"))[1].splitlines()}
    assert rows["CPUS"].split()[1:] == ["1000", "0", "/", "2", "0.00%"]
    assert "2 / 2" in rows["CONSTRAINTS"]
    assert rows["MEM"].endswith("---")
    rows = {line.split()[0]: line for line in (await dcos("marathon", "debug", "summary", "pair"))[1].splitlines()}
    assert rows["CPUS"].split()[1] == "900.1", "with the executor's"
    header, *lines = (await dcos("marathon", "debug", "details", "huge"))[1].splitlines()
    assert header.split() == ["HOSTNAME", "ROLE", "CONSTRAINTS", "CPUS", "MEM", "DISK", "PORTS", "RECEIVED"]
    assert [line.split()[:4] for line in sorted(lines)] == [[f"10.0.0.{n}", "ok", "ok", "-"] for n in (1, 2)]
    assert len(json.loads((await dcos("marathon", "debug", "details", "huge", "--json"))[1])) == 2
    assert "have nothing to launch" in (await dcos("marathon", "debug", "summary", "none"))[2]


async def test_marathon_itself(dcos: Dcos) -> None:
    assert await dcos("marathon", "ping", "--once") == (0, 'Marathon ping response[1x]: "pong"\n', "")
    assert (await dcos("marathon", "ping"))[1].count("pong") == 1  # of one master
    assert json.loads((await dcos("marathon", "leader", "show", "--json"))[1]) == {
        "host": "me",
        "ip": "me",
        "port": "1",
    }
    assert (await dcos("marathon", "leader", "show"))[1].split() == ["HOST", "IP", "PORT", "me", "me", "1"]
    assert json.loads((await dcos("marathon", "plugin", "list", "--json"))[1]) == {"plugins": []}
    assert (await dcos("marathon", "plugin", "list"))[1].split() == ["ID", "IMPLEMENTATION", "PLUGIN"]
    assert (await dcos("marathon", "leader", "delete"))[1] == "Leadership abdicated\n"
