"""Tasks on networks by CNI: Debian's bridge plugin, and one of the tests' own that notes what it is told."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.agent.containerizer import oci, processes
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    ExecutorID,
    ExecutorInfo,
    ExecutorInfoType,
    FrameworkID,
    HealthCheck,
    HealthCheckTCPCheckInfo,
    HealthCheckType,
    Image,
    ImageDocker,
    ImageType,
    Label,
    Labels,
    NetworkInfo,
    NetworkInfoPortMapping,
    TaskInfo,
)
from dcos.testing.agent_containers import Containers, container_id
from dcos.testing.patience import PATIENCE_S

Make = Callable[..., TaskInfo]
BRIDGE = "dcos-test-cni"
PLUGINS = "/usr/lib/cni"
NOTING = """#!/bin/sh
# keeps what it is told; ANSWER tells what to say to ADD, SLOW to take its time
here={here}
{{ env; cat; echo; }} >"$here/$CNI_COMMAND-$CNI_IFNAME"
[ "$CNI_COMMAND" = ADD ] || exit 0
while [ -e "$here/slow" ]; do sleep 0.05; done
cat "$here/answer"
exit "$(cat "$here/code")"
"""

why_not = oci.usable() or ("" if os.geteuid() == 0 else "only root")
pytestmark = pytest.mark.skipif(bool(why_not), reason=f"containers cannot have networks here: {why_not}")


class Place:
    """Networks ``bridged`` and ``noted``; ``addresses``: what the bridge's network gave away."""

    def __init__(self, folder: Path) -> None:
        self.configs, self.noted, self.data = folder / "configs", folder / "noted", folder / "data"
        for one in (self.configs, self.noted, self.data):
            one.mkdir()
        self.flags = (
            f"--network_cni_config_dir={self.configs}",
            f"--network_cni_plugins_dir={self.noted}:{PLUGINS}",
            "--isolation=posix/cpu,posix/mem,network/cni",
        )
        ipam = {"type": "host-local", "subnet": "172.29.81.0/24", "dataDir": str(self.data)}
        self.define("bridged", type="bridge", bridge=BRIDGE, isGateway=True, ipMasq=False, ipam=ipam)
        self.define("noted", type="noting", own="kept")
        program = self.noted / "noting"
        program.write_text(NOTING.format(here=self.noted))
        program.chmod(0o755)
        self.answers({"cniVersion": "0.2.0", "ip4": {"ip": "10.9.8.7/24"}})

    def define(self, name: str, **config: Any) -> None:
        (self.configs / f"{name}.conf").write_text(json.dumps({"cniVersion": "0.2.0", "name": name, **config}))

    def answers(self, answer: Any, code: int = 0) -> None:
        (self.noted / "answer").write_text(json.dumps(answer))
        (self.noted / "code").write_text(str(code))

    def note(self, command: str) -> tuple[dict[str, str], Any]:
        *env, told = (self.noted / f"{command}-eth0").read_text().strip().splitlines()
        return dict(line.partition("=")[::2] for line in env), json.loads(told)

    @property
    def addresses(self) -> list[str]:
        return sorted(one.name for one in (self.data / "bridged").glob("172.*"))


@pytest.fixture
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="dcos-networks-") as folder:
        Path(folder).chmod(0o755)
        yield Place(Path(folder))
    subprocess.run(["ip", "link", "delete", BRIDGE], check=False, capture_output=True)


def joined(*networks: NetworkInfo, image: str | None = None, hostname: str | None = None) -> ContainerInfo:
    mesos = None
    if image is not None:
        mesos = ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image)))
    return ContainerInfo(type=ContainerInfoType.MESOS, mesos=mesos, network_infos=networks, hostname=hostname)


async def started(agent: Any, master: Any, place: Place) -> None:
    await agent.start(*place.flags)
    await master.registered()


def namespace(pid: int | str) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_command_on_a_bridge(agent: Any, master: Any, make_task: Make, place: Place) -> None:
    """Its own address, name, files and ports; found again after a restart; given back at its end."""
    await started(agent, master, place)
    check = HealthCheck(
        type=HealthCheckType.TCP,
        tcp=HealthCheckTCPCheckInfo(port=80),
        delay_seconds=0,
        interval_seconds=0.3,
        grace_period_seconds=60,
    )
    value = f"hostname; cat /etc/hosts /etc/hostname; ip -o addr; exec {sys.executable} -m http.server 80"
    info = joined(NetworkInfo(name="bridged"), hostname="box")
    await master.run(make_task("web", value, container=info, health_check=check))
    running = await master.state("web", "TASK_RUNNING")
    (told,) = running.container_status.network_infos
    (address,) = (one.ip_address for one in told.ip_addresses)
    assert (told.name, address.startswith("172.29.81.")) == ("bridged", True)
    await master.until(lambda: any(one.healthy for one in master.updates))
    lines = (agent.sandbox("web") / "stdout").read_text().splitlines()
    assert lines[0] == "box"
    assert f"{address} box" in lines
    assert any(f"eth0    inet {address}/24" in line for line in lines)
    assert any("lo    inet 127.0.0.1/8" in line for line in lines)
    _, writer = await asyncio.open_connection(address, 80)
    writer.close()
    pid = running.container_status.executor_pid
    assert namespace(pid) != namespace("self")
    await agent.kill()
    await agent.start(*place.flags)
    await master.registered(2)
    assert place.addresses == [address]
    await master.kill("web")
    assert (await master.state("web", "TASK_KILLED")).container_status.network_infos == (told,)
    assert place.addresses == []
    assert not processes.alive(pid)


@pytest.fixture
def forwarder() -> Iterator[str]:
    """An address that dcos-net has on a node, and somebody who answers there."""
    address = "198.51.100.1"
    subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
    try:
        with socket.create_server((address, 53)):
            yield address
    finally:
        subprocess.run(["ip", "addr", "del", f"{address}/32", "dev", "lo"], check=True)


async def test_a_command_that_balances_virtual_ips_inside(
    agent: Any, master: Any, make_task: Make, place: Place, forwarder: str
) -> None:
    """It is noted for dcos-net, with the device that virtual IPs are routed to, until its end; and reaches forwarders."""
    folder = place.data / "l4lb"
    ipam = {"type": "host-local", "subnet": "172.29.81.0/24", "dataDir": str(place.data)}
    delegate = {"type": "bridge", "bridge": BRIDGE, "ipam": ipam}
    minuteman = {"enable": True, "path": str(folder)}
    place.define("balanced", type="dcos-l4lb", delegate=delegate, minuteman=minuteman)
    await started(agent, master, place)
    asks = f"import socket; socket.create_connection(('{forwarder}', 53), 5); print('answered')"
    value = f'ip -o link show minuteman; ip route; {sys.executable} -c "{asks}"; sleep 1000'
    await master.run(make_task("inside", value, container=joined(NetworkInfo(name="balanced"))))
    running = await master.state("inside", "TASK_RUNNING")
    (address,) = (one.ip_address for one in running.container_status.network_infos[0].ip_addresses)
    assert address.startswith("172.29.81.")
    out = agent.sandbox("inside") / "stdout"
    await until(lambda: "answered" in out.read_text())
    assert "minuteman" in out.read_text()
    assert "default via" not in out.read_text(), "nothing else leads out"
    link = [one.name for one in (place.data / "spartan-network").glob("198.51.100.*")]
    assert len(link) == 1
    assert link[0] in subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout
    (noted,) = folder.iterdir()
    assert noted.name == running.container_status.container_id.value
    assert namespace(running.container_status.executor_pid) == os.readlink(noted.read_text())
    await agent.kill()
    await agent.start(*place.flags)
    await master.registered(2)
    assert noted.exists()
    await master.kill("inside")
    await master.state("inside", "TASK_KILLED")
    assert not list(folder.iterdir())
    assert not list((place.data / "balanced").glob("172.*"))
    assert not list((place.data / "spartan-network").glob("198.51.100.*"))
    assert link[0] not in subprocess.run(["ip", "route"], capture_output=True, text=True, check=True).stdout


async def test_an_image_on_a_bridge(agent: Any, master: Any, make_task: Make, place: Place, image: str) -> None:
    await started(agent, master, place)
    look = "ls -l /proc/self/ns/net"
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value=f'a=$({look}); b=$(cat $MESOS_SANDBOX/net); test "${{a##*->}}" = "${{b##*->}}"'),
        delay_seconds=0,
        interval_seconds=0.3,
    )
    value = f"cat /etc/hosts /etc/hostname; {look} >net; sleep 1000"
    info = joined(NetworkInfo(name="bridged"), image=image)
    await master.run(make_task("boxed", value, container=info, health_check=check))
    running = await master.state("boxed", "TASK_RUNNING")
    (address,) = (one.ip_address for one in running.container_status.network_infos[0].ip_addresses)
    container_id = running.container_status.container_id.value
    await master.until(lambda: any(one.healthy for one in master.updates))
    lines = (agent.sandbox("boxed") / "stdout").read_text().splitlines()
    assert f"{address} {container_id}" in lines
    assert lines[-1] == container_id
    await master.kill("boxed")
    await master.state("boxed", "TASK_KILLED")
    assert place.addresses == []


async def test_tasks_of_a_group_share_theirs(
    agent: Any, master: Any, make_task: Make, place: Place, image: str
) -> None:
    await started(agent, master, place)
    executor = ExecutorInfo(
        type=ExecutorInfoType.DEFAULT,
        executor_id=ExecutorID(value="pod"),
        framework_id=FrameworkID(value="m-0000"),
        container=joined(NetworkInfo(name="bridged"), hostname="pod"),
    )
    look = "ls -l /proc/self/ns/net; cat /etc/hostname; echo $MESOS_CONTAINER_IP; sleep 1000"
    await master.run_group(executor, make_task("plain", look), make_task("boxed", look, container=joined(image=image)))
    running = [await master.state(name, "TASK_RUNNING") for name in ("plain", "boxed")]
    (address,) = place.addresses
    for one in running:
        assert [each.ip_address for each in one.container_status.network_infos[0].ip_addresses] == [address]
    # entered a moment after the start
    await until(lambda: len({namespace(one.container_status.executor_pid) for one in running}) == 1)
    folder = agent.sandbox("pod") / "tasks"
    texts = []
    for name in ("plain", "boxed"):
        await until(lambda name=name: (folder / name / "stdout").read_text().count("\n") == 3)
        texts.append((folder / name / "stdout").read_text().split()[-3:])
    assert texts[0] == texts[1]
    assert texts[0][1:] == ["pod", address]
    await agent.kill()
    await agent.start(*place.flags)
    await master.registered(2)
    assert place.addresses == [address]
    await master.kill("plain")
    for name in ("plain", "boxed"):
        await master.state(name, "TASK_KILLED")
    await until(lambda: place.addresses == [] and not list((agent.runtime / "networks").iterdir()))


async def test_name_servers_where_a_plugin_tells_none(agent: Any, master: Any, make_task: Make, place: Place) -> None:
    place.answers({"ip4": {"ip": "10.9.8.7/24"}})
    rule = {"network_mode": "CNI", "network_name": "noted", "dns": {"nameservers": ["10.1.1.1"], "search": ["a"]}}
    await agent.start(*place.flags, f"--default_container_dns={json.dumps({'mesos': [rule]})}")
    await master.registered()
    await master.run(make_task("noted", "cat /etc/resolv.conf", container=joined(NetworkInfo(name="noted"))))
    await master.state("noted", "TASK_FINISHED")
    assert (agent.sandbox("noted") / "stdout").read_text() == "search a\nnameserver 10.1.1.1\n"


async def test_what_a_plugin_is_told_and_tells(agent: Any, master: Any, make_task: Make, place: Place) -> None:
    dns = {"nameservers": ["10.9.8.1"], "search": ["a.example"], "domain": "example", "options": ["ndots:2"]}
    place.answers({"ip4": {"ip": "10.9.8.7/24"}, "ip6": {"ip": "fd00::7/64"}, "dns": dns})
    await started(agent, master, place)
    info = NetworkInfo(
        name="noted",
        labels=Labels(labels=(Label(key="zone", value="dmz"),)),
        port_mappings=(NetworkInfoPortMapping(host_port=31000, container_port=80, protocol="tcp"),),
    )
    await master.run(make_task("noted", "cat /etc/resolv.conf", container=joined(info)))
    last = await master.state("noted", "TASK_FINISHED")
    told = last.container_status.network_infos[0]
    assert [one.ip_address for one in told.ip_addresses] == ["10.9.8.7", "fd00::7"]
    assert told.labels == info.labels
    lines = (agent.sandbox("noted") / "stdout").read_text().splitlines()
    assert lines == ["domain example", "search a.example", "options ndots:2", "nameserver 10.9.8.1"]
    env, config = place.note("ADD")
    assert env["CNI_CONTAINERID"] == last.container_status.container_id.value
    assert env["CNI_PATH"] == f"{place.noted}:{PLUGINS}"
    assert env["CNI_NETNS"].endswith("/ns/net")
    assert config["own"] == "kept"
    assert config["args"]["org.apache.mesos"]["network_info"] == {
        "name": "noted",
        "labels": {"labels": [{"key": "zone", "value": "dmz"}]},
        "port_mappings": [{"host_port": 31000, "container_port": 80, "protocol": "tcp"}],
    }
    env, again = place.note("DEL")
    assert (env["CNI_COMMAND"], again) == ("DEL", config)


async def test_networks_that_cannot_be_had(agent: Any, master: Any, make_task: Make, place: Place) -> None:
    await started(agent, master, place)
    place.answers({"code": 7, "msg": "no more addresses", "details": "all of 3 are taken"}, code=1)
    cases = (
        ((NetworkInfo(name="nowhere"),), "Unknown CNI network 'nowhere'"),
        (
            (NetworkInfo(name="noted"), NetworkInfo(name="noted")),
            "Attempted to join CNI network 'noted' multiple times",
        ),
        (
            (NetworkInfo(name="noted"),),
            "Failed to attach to CNI network 'noted': no more addresses: all of 3 are taken",
        ),
    )
    for number, (networks, words) in enumerate(cases):
        await master.run(make_task(f"t{number}", "true", container=joined(*networks)))
        last = await master.state(f"t{number}", "TASK_FAILED")
        assert last.reason == "REASON_CONTAINER_LAUNCH_FAILED"
        assert last.message == f"Failed to launch container: {words}"
    await until(lambda: not list((agent.runtime / "containers").iterdir()))
    # a network without a name is the machine's own
    await master.run(make_task("own", "true", container=joined(NetworkInfo())))
    await master.state("own", "TASK_FINISHED")


async def test_an_agent_that_dies_before_the_network_is_there(
    agent: Any, master: Any, make_task: Make, place: Place
) -> None:
    await started(agent, master, place)
    (place.noted / "slow").touch()
    await master.run(make_task("early", "echo began", container=joined(NetworkInfo(name="noted"))))
    await until(lambda: (place.noted / "ADD-eth0").exists() and agent.container_pids())
    (pid,) = agent.container_pids().values()
    await agent.kill()
    (place.noted / "slow").unlink()
    await agent.start(*place.flags)
    await master.registered(2)
    last = await master.state("early", "TASK_DROPPED")
    assert last.reason == "REASON_AGENT_RESTARTED"
    assert not processes.alive(pid)
    assert (agent.sandbox("early") / "stdout").read_text() == ""


async def test_a_nested_image_is_in_its_parent_s_network(
    agent: Any, master: Any, make_task: Make, place: Place, image: str
) -> None:
    await started(agent, master, place)
    await master.run(make_task("web", "sleep 1000", container=joined(NetworkInfo(name="bridged"))))
    running = await master.state("web", "TASK_RUNNING")
    root = running.container_status.container_id.value
    address = running.container_status.network_infos[0].ip_addresses[0].ip_address
    async with aiohttp.ClientSession() as session:
        containers = Containers(agent.url, session)
        body = {
            "container_id": container_id(f"{root}.n"),
            "command": {"value": "echo $MESOS_CONTAINER_IP; cat /etc/hosts; ls -l /proc/self/ns/net; sleep 1000"},
            "container": {"type": "MESOS", "mesos": {"image": {"type": "DOCKER", "docker": {"name": image}}}},
        }
        assert await containers.call("LAUNCH_CONTAINER", body) == (200, "")
        out = agent.sandbox("web") / "containers/n/stdout"
        await until(lambda: out.exists() and "net:" in out.read_text())
        lines = out.read_text().splitlines()
        assert lines[0] == address
        assert any(line.startswith(f"{address} ") for line in lines)
        assert lines[-1].endswith(namespace(next(iter(agent.container_pids().values()))))
        assert (await containers.call("KILL_CONTAINER", {"container_id": container_id(f"{root}.n")}))[0] == 200
        await containers.wait(f"{root}.n")
    assert place.addresses == [address]
    await master.kill("web")
    await master.state("web", "TASK_KILLED")
    await until(lambda: not place.addresses)
