"""Names of Docker tasks on a network that a user made: what a real Engine says of their addresses, asked for by ``dig``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.model.v1.types import (
    ContainerInfo,
    ContainerInfoDockerInfoNetwork,
    ContainerInfoDockerInfoPortMapping,
    NetworkInfo,
    TaskInfo,
    TaskStatus,
)
from dcos.testing.fake_master import FakeMaster
from dcos.testing.patience import PATIENCE_S
from dcos.wire import mesos_json
from tests.integration.dns.test_mesos_dns_service import HOST, dig, eventually, mesos_dns
from tests.integration.net.test_forwarder_service import dcos_net

from .docker_engine import DockerEngine, container
from .test_docker_networks_and_volumes import ports_of, with_resource

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

NETWORK, AGENT = "named", "10.0.0.7"


@pytest.fixture
def network(engine: DockerEngine) -> Iterator[str]:
    engine.docker("network", "create", "--subnet=172.29.81.0/24", "--ipv6", "--subnet=fd00:81::/64", NETWORK)
    yield NETWORK
    engine.docker("network", "rm", NETWORK)


def tell(master: FakeMaster, framework: str, agent: str, info: ContainerInfo, running: TaskStatus) -> None:
    """Let a master tell of the task as an agent told of it."""
    name = running.task_id.value
    master.tasks[name] = {
        "name": name,
        "task_id": {"value": name},
        "framework_id": {"value": framework},
        "agent_id": {"value": agent},
        "state": "TASK_RUNNING",
        "resources": [],
        "container": json.loads(mesos_json.encode(info)),
        "statuses": [json.loads(mesos_json.encode(running))],
    }


async def test_addresses_of_docker_tasks(
    docked: Any, master: Any, make_task: Callable[..., TaskInfo], network: str, tmp_path: Path
) -> None:
    mapping = ContainerInfoDockerInfoPortMapping(host_port=31006, container_port=80, protocol="tcp")
    infos = {
        name: container(
            network=ContainerInfoDockerInfoNetwork.USER,
            network_infos=(NetworkInfo(name=network),),
            port_mappings=mappings,
        )
        for name, mappings in (("open", ()), ("mapped", (mapping,)))
    }
    async with FakeMaster() as told:
        agent, framework = told.add_agent(AGENT), told.add_framework("marathon")
        ips: dict[str, list[str]] = {}
        for name, info in infos.items():
            task = make_task(name, "sleep 1000", container=info)
            await master.run(with_resource(task, ports_of(31006)) if name == "mapped" else task)
            running = await master.state(name, "TASK_RUNNING")
            ips[name] = [one.ip_address for one in running.container_status.network_infos[0].ip_addresses]
            assert [":" in ip for ip in ips[name]] == [False, True], "one of each family"
            tell(told, framework, agent, info, running)
        wanted = {
            (name, kind, rtype): [ip for ip in found if (":" in ip) == (rtype == "AAAA")]
            for name in infos
            for kind, found in (
                ("agentip", [AGENT]),
                ("containerip", ips[name]),
                ("autoip", [AGENT] if name == "mapped" else ips[name]),
            )
            for rtype in ("A", "AAAA")
        }
        masters = f"{HOST}:{told.port}"
        async with (
            dcos_net(tmp_path, f"--master_list={masters}") as (port, _),
            mesos_dns(tmp_path, f"--masters={masters}", "--ipsources=netinfo,host") as (dns_port, _),
        ):
            for (name, kind, rtype), found in wanted.items():
                host = f"{name}.marathon.{kind}.dcos.thisdcos.directory"
                await eventually(
                    lambda h=host, t=rtype: dig(port, h, t), lambda ips, f=found: ips == f, within_s=PATIENCE_S
                )
            for name in infos:
                for rtype, ip in zip(("A", "AAAA"), ips[name], strict=True):
                    await eventually(
                        lambda n=name, t=rtype: dig(dns_port, f"{n}.marathon.mesos", t),
                        lambda ips, i=ip: ips == [i],
                        within_s=PATIENCE_S,
                    )
    for name in infos:
        await master.kill(name)
        await master.state(name, "TASK_KILLED")
