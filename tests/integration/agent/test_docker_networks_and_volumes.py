"""Docker tasks on networks that a user made, and with volumes of a driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dcos.model.v1.types import (
    ContainerInfoDockerInfoNetwork,
    ContainerInfoDockerInfoPortMapping,
    HealthCheck,
    HealthCheckTCPCheckInfo,
    HealthCheckType,
    NetworkInfo,
    Parameter,
    Parameters,
    Resource,
    TaskInfo,
    ValueRange,
    ValueRanges,
    ValueType,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceDockerVolume,
    VolumeSourceType,
)
from dcos.testing.patience import PATIENCE_S

from .docker_engine import IMAGE, DockerEngine, container
from .volume_plugin import VolumePlugin

Make = Callable[..., TaskInfo]
USER = ContainerInfoDockerInfoNetwork.USER
NETWORK = "tenants"


@pytest.fixture
def network(engine: DockerEngine) -> Iterator[str]:
    engine.docker("network", "create", "--subnet=172.29.79.0/24", "--ipv6", "--subnet=fd00:79::/64", NETWORK)
    yield NETWORK
    engine.docker("network", "rm", NETWORK)


def on_network(name: str, *parameters: tuple[str, str], **more: Any) -> Any:
    return container(
        network=USER,
        network_infos=(NetworkInfo(name=name),),
        parameters=tuple(Parameter(key=key, value=value) for key, value in parameters),
        **more,
    )


async def test_a_network_of_the_user(
    docked: Any, master: Any, make_task: Make, engine: DockerEngine, network: str
) -> None:
    """Addresses, aliases, a fixed address, ports and a check from inside."""
    mapping = ContainerInfoDockerInfoPortMapping(host_port=31005, container_port=80, protocol="tcp")
    info = on_network(
        network,
        ("network-alias", "db"),
        ("net-alias", "store"),
        ("ip", "172.29.79.42"),
        ("add-host", "elsewhere:10.1.2.3"),
        ("sysctl", "net.ipv4.ip_unprivileged_port_start=80"),
        port_mappings=(mapping,),
    )
    check = HealthCheck(
        type=HealthCheckType.TCP,
        tcp=HealthCheckTCPCheckInfo(port=80),
        delay_seconds=0,
        interval_seconds=0.5,
        grace_period_seconds=0,
        consecutive_failures=1000,
    )
    task = make_task("db", "cat /etc/hosts; sleep 1000", container=info, health_check=check)
    await master.run(with_resource(task, ports_of(31005)))
    running = await master.state("db", "TASK_RUNNING")
    (told,) = running.container_status.network_infos
    assert told.name == network
    four, six = (one.ip_address for one in told.ip_addresses)
    assert four == "172.29.79.42"
    assert six.startswith("fd00:79::")
    (inspected,) = json.loads(running.data)
    endpoint = inspected["NetworkSettings"]["Networks"][network]
    assert {"db", "store"} <= set(endpoint["Aliases"])
    assert inspected["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "31005"}]}
    # nobody listens: the check looked into the container's own network and found that out
    failed = await master.until(lambda: next((one for one in master.updates if one.healthy is False), None))
    assert "refused" in failed.message.lower() or "Connect call failed" in failed.message
    # another task finds it by its alias: docker's DNS answers on this network alone
    name = "getent hosts db 2>/dev/null || cat /etc/resolv.conf"
    await master.run(make_task("client", name, container=on_network(network)))
    await master.state("client", "TASK_FINISHED")
    assert "127.0.0.11" in (docked.sandbox("client") / "stdout").read_text()
    assert "10.1.2.3\telsewhere" in (docked.sandbox("db") / "stdout").read_text()
    await master.kill("db")
    await master.state("db", "TASK_KILLED")


def ports_of(number: int) -> Resource:
    """One port."""
    only = ValueRanges(range=(ValueRange(begin=number, end=number),))
    return Resource(name="ports", type=ValueType.RANGES, ranges=only)


def with_resource(task: TaskInfo, resource: Resource) -> TaskInfo:
    return msgspec.structs.replace(task, resources=(*task.resources, resource))


async def test_a_network_by_parameter(docked: Any, master: Any, make_task: Make, network: str) -> None:
    """``net`` of the parameters overrides the network that the task names."""
    info = container(
        network=ContainerInfoDockerInfoNetwork.NONE,
        parameters=(Parameter(key="net", value=network), Parameter(key="net-alias", value="late")),
    )
    await master.run(make_task("moved", "sleep 1000", container=info))
    running = await master.state("moved", "TASK_RUNNING")
    (inspected,) = json.loads(running.data)
    assert "late" in inspected["NetworkSettings"]["Networks"][network]["Aliases"]
    assert running.container_status.network_infos[0].ip_addresses[0].ip_address.startswith("172.29.79.")
    await master.kill("moved")
    await master.state("moved", "TASK_KILLED")


# ---- volume drivers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def plugin(engine: DockerEngine, tmp_path: Path) -> Iterator[VolumePlugin]:
    folder = engine.folder / "volumes"
    folder.mkdir(exist_ok=True)
    made = VolumePlugin(folder)
    with made.listening(engine.plugins / "folders.sock"):
        yield made


def driven(
    name: str, at: str, *, driver: str | None = "folders", mode: VolumeMode = VolumeMode.RW, **options: str
) -> Any:
    return Volume(
        mode=mode,
        container_path=at,
        source=VolumeSource(
            type=VolumeSourceType.DOCKER_VOLUME,
            docker_volume=VolumeSourceDockerVolume(
                driver=driver,
                name=name,
                driver_options=Parameters(
                    parameter=tuple(Parameter(key=key, value=value) for key, value in options.items())
                )
                if options
                else None,
            ),
        ),
    )


async def test_volumes_of_a_driver(
    docked: Any, master: Any, make_task: Make, engine: DockerEngine, plugin: VolumePlugin
) -> None:
    info = container(volumes=(driven("box", "/box", size="5", kind="fast"), driven("more", "more")))
    value = "echo kept >/box/file; echo too >$MESOS_SANDBOX/more/file"
    await master.run(make_task("writes", value, container=info))
    await master.state("writes", "TASK_FINISHED")
    assert {"Name": "box", "Opts": {"size": "5", "kind": "fast"}} in plugin.asked("VolumeDriver.Create")
    assert {one["Name"] for one in plugin.asked("VolumeDriver.Mount")} == {"box", "more"}
    assert (plugin.folder / "box/file").read_text() == "kept\n"
    assert (plugin.folder / "more/file").read_text() == "too\n"
    async with asyncio.timeout(PATIENCE_S):
        while len(plugin.asked("VolumeDriver.Unmount")) < 2:
            await asyncio.sleep(0.05)
    # the volume outlives the container, and is read by another: the old way to name it, and read only
    old = container(
        volumes=(Volume(mode=VolumeMode.RO, container_path="/again", host_path="box"),), volume_driver="folders"
    )
    await master.run(make_task("reads", "cat /again/file; echo no >/again/file", container=old))
    await master.state("reads", "TASK_FAILED")
    assert (docked.sandbox("reads") / "stdout").read_text() == "kept\n"
    assert plugin.asked("VolumeDriver.Remove") == []


@pytest.mark.parametrize(
    ("volumes", "words"),
    [
        ((driven("broken", "/box"),), "this one is broken"),
        ((driven("box", "/box", driver="nobody"),), "nobody"),
        ((driven("a", "/a"), driven("b", "/b", driver="local")), "one volume driver only"),
    ],
    ids=["broken", "unknown-driver", "two-drivers"],
)
async def test_volumes_that_cannot_be_had(
    docked: Any, master: Any, make_task: Make, plugin: VolumePlugin, volumes: Any, words: str
) -> None:
    await master.run(make_task("bad", "true", container=container(IMAGE, volumes=volumes)))
    last = await master.state("bad", "TASK_FAILED")
    assert last.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert words in last.message
