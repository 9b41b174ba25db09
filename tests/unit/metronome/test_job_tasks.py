"""Members of a job in the words of Mesos, and what single rows of Metronome's reference say of runs and schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from dcos.metronome import api
from dcos.metronome.config import Config
from dcos.metronome.service import core_settings, framework_info
from dcos.model.v1 import types as v1
from tests.unit.metronome.conftest import House, Running

RUN: dict[str, Any] = {"cpus": 0.1, "mem": 32, "disk": 0, "cmd": "sleep 1"}
SECRETS = {"secrets": {"s": {"source": "path/s"}}}
REFERENCE = v1.Secret(type=v1.SecretType.REFERENCE, reference=v1.SecretReference(name="path/s"))


async def launched(house: House, run: dict[str, Any], *features: str) -> v1.TaskInfo:
    """What a run of such a job asks of Mesos."""
    async with house.metronome(**({"features_enable": features} if features else {})) as metronome:
        await metronome.ask("POST", "/v1/jobs", {"id": "prod.report", "run": {**RUN, **run}}, 201)
        await metronome.ask("POST", "/v1/jobs/prod.report/runs", {}, 201)
        await metronome.until("launched", lambda: len(metronome.tasks()) == 1)
        [task] = metronome.mesos.tasks.values()
        return task.info


def words(info: v1.TaskInfo) -> v1.CommandInfo:
    assert info.command is not None
    return info.command


def container(info: v1.TaskInfo) -> v1.ContainerInfo:
    assert info.container is not None
    return info.container


async def test_a_command_its_user_and_its_variables(house: House) -> None:
    info = await launched(house, {"user": "nobody", "env": {"A": "b"}, "taskKillGracePeriodSeconds": 3})
    command = words(info)
    assert (command.value, command.shell, command.user) == ("sleep 1", True, "nobody")
    assert command.environment is not None
    env = {one.name: one.value for one in command.environment.variables}
    assert env["A"] == "b"
    assert env["MESOS_TASK_ID"] == info.task_id.value
    assert info.kill_policy == v1.KillPolicy(grace_period=v1.DurationInfo(nanoseconds=3_000_000_000))
    assert info.container is None
    held = {one.name: one.scalar.value for one in info.resources if one.scalar is not None}
    assert (held["cpus"], held["mem"]) == (0.1, 32)


async def test_words_for_an_image(house: House) -> None:
    given = {"cmd": None, "args": ["-l"], "docker": {"image": "busybox"}}
    run = {name: value for name, value in {**RUN, **given}.items() if value is not None}
    async with house.metronome() as metronome:
        await metronome.ask("POST", "/v1/jobs", {"id": "job", "run": run}, 201)
        await metronome.ask("POST", "/v1/jobs/job/runs", {}, 201)
        await metronome.until("launched", lambda: len(metronome.tasks()) == 1)
        [task] = metronome.mesos.tasks.values()
    command = words(task.info)
    assert (command.shell, command.value, command.arguments) == (False, None, ("-l",))


async def test_docker(house: House) -> None:
    docker = {
        "image": "busybox",
        "forcePullImage": True,
        "privileged": True,
        "parameters": [{"key": "hostname", "value": "a"}],
    }
    volumes = [{"containerPath": "/c", "hostPath": "/h", "mode": "RO"}]
    told = container(await launched(house, {"docker": docker, "volumes": volumes}))
    assert told.docker is not None
    assert (told.docker.image, told.docker.force_pull_image, told.docker.privileged) == ("busybox", True, True)
    assert told.docker.parameters == (v1.Parameter(key="hostname", value="a"),)
    assert told.volumes == (v1.Volume(mode=v1.VolumeMode.RO, container_path="/c", host_path="/h"),)


async def test_ucr_and_secrets(house: House) -> None:
    run = {
        "ucr": {"image": {"id": "busybox", "forcePull": True}},
        "volumes": [{"containerPath": "f", "secret": "s"}],
        "env": {"A": {"secret": "s"}},
        **SECRETS,
    }
    info = await launched(house, run, "secrets")
    told = container(info)
    assert told.type is v1.ContainerInfoType.MESOS
    assert told.mesos is not None
    assert told.mesos.image == v1.Image(type=v1.ImageType.DOCKER, docker=v1.ImageDocker(name="busybox"), cached=False)
    [volume] = told.volumes
    assert volume.container_path == "f"
    assert volume.source is not None
    assert volume.source.secret == REFERENCE
    environment = words(info).environment
    assert environment is not None
    assert [one.secret for one in environment.variables if one.name == "A"] == [REFERENCE]


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        ({"mode": "host"}, "HOST"),
        ({"mode": "container/bridge"}, "BRIDGE"),
        ({"mode": "container", "name": "n"}, "USER"),
    ],
    ids=["host", "bridge", "container"],
)
async def test_networks(house: House, network: dict[str, Any], wanted: str) -> None:
    told = container(await launched(house, {"docker": {"image": "busybox"}, "networks": [network]}))
    assert told.docker is not None
    assert told.docker.network == wanted
    assert [one.name for one in told.network_infos] == (["n"] if wanted == "USER" else [])


async def test_artifacts(house: House) -> None:
    artifacts = [{"uri": "http://x/a.tgz", "extract": False, "executable": True, "cache": True}, {"uri": "http://x/b"}]
    assert words(await launched(house, {"artifacts": artifacts})).uris == (
        v1.CommandInfoURI(value="http://x/a.tgz", extract=False, executable=True, cache=True),
        v1.CommandInfoURI(value="http://x/b", extract=True, executable=False, cache=False),
    )


@pytest.mark.parametrize(
    ("operator", "value", "agent"),
    [("IS", "r2", "S2"), ("EQ", "r2", "S2"), ("LIKE", "r[2-9]", "S2"), ("UNLIKE", "r1", "S2")],
)
async def test_placement(house: House, operator: str, value: str, agent: str) -> None:
    constraint = {"attribute": "rack", "operator": operator, "value": value}
    info = await launched(house, {"placement": {"constraints": [constraint]}})
    assert info.agent_id.value == agent


# ---- runs and schedules ----------------------------------------------------------------------------------------------

NOWHERE = {"placement": {"constraints": [{"attribute": "rack", "operator": "IS", "value": "none"}]}}
NIGHTLY = {"id": "nightly", "cron": "0 3 * * *"}


async def test_a_run_that_waits_can_be_stopped(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", {"id": "job", "run": {**RUN, **NOWHERE}}, 201)
    run = await metronome.ask("POST", "/v1/jobs/job/runs", {}, 201)
    stopped = await metronome.ask("POST", f"/v1/jobs/job/runs/{run['id']}/actions/stop", {})
    assert (stopped["id"], stopped["status"], stopped["tasks"]) == (run["id"], "FAILED", [])
    assert await metronome.ask("GET", "/v1/queue") == []
    [job] = await metronome.ask("GET", "/v1/jobs?embed=historySummary")
    assert job["historySummary"]["failureCount"] == 1
    await metronome.ask("POST", f"/v1/jobs/job/runs/{run['id']}/actions/stop", {}, 404)


@pytest.mark.parametrize("way", ["delete", "disable", "replace"])
async def test_what_becomes_of_runs_when_their_schedule_changes(metronome: Running, way: str) -> None:
    """They go on; no further one begins."""
    job = {"id": "job", "run": RUN, "schedules": [NIGHTLY]}
    await metronome.ask("POST", "/v1/jobs", job, 201)
    await metronome.pass_time(3 * 3600 + 10, step_s=5)
    await metronome.until("runs", lambda: len(metronome.tasks()) == 1)
    path = "/v1/jobs/job/schedules/nightly"
    if way == "delete":
        assert await metronome.ask("DELETE", path) == b""
    elif way == "disable":
        await metronome.ask("PUT", path, {**NIGHTLY, "enabled": False})
    else:
        await metronome.ask("PUT", "/v0/scheduled-jobs/job", {"id": "job", "run": RUN, "schedules": []})
    await metronome.pass_time(24 * 3600, step_s=60)
    assert len(metronome.state.runs) == len(metronome.tasks()) == 1


async def test_what_depends_may_also_be_run_by_hand(metronome: Running) -> None:
    await metronome.ask("POST", "/v1/jobs", {"id": "first", "run": RUN}, 201)
    await metronome.ask("POST", "/v1/jobs", {"id": "last", "run": RUN, "dependencies": [{"id": "first"}]}, 201)
    await metronome.ask("POST", "/v1/jobs/last/runs", {}, 201)
    await metronome.until("runs", lambda: any(one.startswith("last_") for one in metronome.tasks()))


@pytest.mark.parametrize(
    ("noon_before", "begun"),
    [("2026-03-28", ["20260329013000", "20260330003000"]), ("2026-10-24", ["20261025003000", "20261026013000"])],
    ids=["the hour that is left out", "the hour that comes twice"],
)
async def test_a_schedule_in_the_night_when_clocks_change(
    metronome: Running, noon_before: str, begun: list[str]
) -> None:
    metronome.clock.time = datetime.fromisoformat(f"{noon_before}T12:00:00+00:00").timestamp()
    nightly = {"id": "nightly", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    await metronome.ask("POST", "/v1/jobs", {"id": "job", "run": RUN, "schedules": [nightly]}, 201)
    await metronome.pass_time(40 * 3600, step_s=20)
    assert sorted(run_id[:14] for run_id in metronome.state.runs) == begun


def test_defaults() -> None:
    """Source: Metronome's configuration."""
    config = Config(master="zk://a/mesos", zk="zk://a/metronome")
    assert (config.http_port, config.framework_name) == (9000, "metronome")
    info = framework_info(config, "10.0.0.1:9000", None)
    assert (info.name, info.failover_timeout, info.checkpoint) == ("metronome", 604800.0, True)
    settings = core_settings(config)
    assert (settings.launch_timeout_s, settings.launch_confirm_timeout_s, settings.reconcile_interval_s) == (
        300,
        300,
        900,
    )
    assert config.leader_proxy_timeout == 30


async def test_there_may_be_no_leader(metronome: Running) -> None:
    service = metronome.client.server.app[api.SERVICE]  # type: ignore[attr-defined]
    service.leading = None
    assert await metronome.ask("GET", "/leader", status=404) == {"message": "There is no leader"}
