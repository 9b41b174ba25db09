"""The ``.mesos`` zone, name by name."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import dnslib
import msgspec
import pytest

from dcos.client.cluster import Cluster
from dcos.dns import api
from dcos.dns.core.zone import Naming, ZoneMaker
from dcos.model import names
from dcos.model.cluster import (
    ClusterAgent,
    ClusterFramework,
    ClusterState,
    DiscoveryPort,
    Leader,
    RunningTask,
)
from dcos.model.v1.types import TaskState
from dcos.model.zone import Srv, Zone
from dcos.wire import dns
from dcos.wire.mesos_state import decode_event, decode_state

GOLDEN = Path(__file__).parents[2] / "golden/mesos-1.11"


def make_task(name: str = "web", **changes: Any) -> RunningTask:
    values: dict[str, Any] = {
        "id": f"{name}.1",
        "framework_id": "F",
        "agent_id": "abc-S7",
        "name": name,
        "state": TaskState.TASK_RUNNING,
    }
    return RunningTask(**{**values, **changes})


def make_state(*tasks: RunningTask, framework: str = "marathon", **changes: Any) -> ClusterState:
    values: dict[str, Any] = {
        "revision": 1,
        "leader": Leader(ip="10.0.0.1", port=5050),
        "agents": {
            "abc-S7": ClusterAgent(id="abc-S7", hostname="a", ip="10.0.0.7", port=5051),
            "abc-S8": ClusterAgent(id="abc-S8", hostname="b", ip="10.0.0.8", port=5051),
        },
        "frameworks": {"F": ClusterFramework(id="F", name=framework, hostname="10.0.0.3")},
        "tasks": {(task.framework_id, task.id): task for task in tasks},
    }
    return ClusterState(**{**values, **changes})


def make_zone(*tasks: RunningTask, naming: Naming | None = None, masters: Any = (), **changes: Any) -> Zone:
    return ZoneMaker(naming or Naming()).make(
        make_state(*tasks, **changes), serial=5, masters=masters, listeners=["10.0.0.1"]
    )


TAG = names.task_tag("web.1")


class TestClusterNames:
    def test_leader_masters_agents_frameworks(self) -> None:
        zone = make_zone()
        assert dict(zone.a) == {
            "marathon.mesos": ("10.0.0.3",),
            "slave.mesos": ("10.0.0.7", "10.0.0.8"),
            "ns1.mesos": ("10.0.0.1",),
            "leader.mesos": ("10.0.0.1",),
            "master.mesos": ("10.0.0.1",),
            "master0.mesos": ("10.0.0.1",),
        }
        assert dict(zone.srv) == {
            "_slave._tcp.mesos": (Srv("slave.mesos", 5051),),
            "_leader._tcp.mesos": (Srv("leader.mesos", 5050),),
            "_leader._udp.mesos": (Srv("leader.mesos", 5050),),
        }

    def test_listed_masters_keep_their_order_and_the_leader_its_number(self) -> None:
        zone = make_zone(masters=(("10.0.0.2", 5050), ("10.0.0.1", 5050), ("10.0.0.2", 5050)))
        assert zone.a["master0.mesos"] == ("10.0.0.2",)
        assert zone.a["master1.mesos"] == ("10.0.0.1",)
        assert zone.a["master.mesos"] == ("10.0.0.1", "10.0.0.2")
        assert "master2.mesos" not in zone.a

    def test_a_leader_that_is_not_listed_comes_last(self) -> None:
        zone = make_zone(masters=(("10.0.0.2", 5050),))
        assert zone.a["master1.mesos"] == ("10.0.0.1",)

    def test_framework_with_libprocess_has_a_service(self) -> None:
        framework = ClusterFramework(id="F", name="old.one", hostname="10.0.0.9", port=15101)
        zone = make_zone(frameworks={"F": framework})
        assert zone.a["old.one.mesos"] == ("10.0.0.9",)
        assert zone.srv["_framework._tcp.old.one.mesos"] == (Srv("old.one.mesos", 15101),)

    def test_host_names_are_replaced_by_what_they_resolve_to(self) -> None:
        framework = ClusterFramework(id="F", name="m", hostname="host.example")
        state = make_state(frameworks={"F": framework})
        zone = ZoneMaker(Naming()).make(state, serial=1, hosts={"host.example": "10.1.1.1"})
        assert zone.a["m.mesos"] == ("10.1.1.1",)
        assert "m.mesos" not in ZoneMaker(Naming()).make(state, serial=1).a


class TestTaskNames:
    def test_without_discovery(self) -> None:
        zone = make_zone(make_task(host_ports=(31005, 31006)))
        assert zone.a["web.marathon.mesos"] == ("10.0.0.7",)
        assert zone.a[f"web-{TAG}-s7.marathon.mesos"] == ("10.0.0.7",)
        assert zone.a["web.marathon.slave.mesos"] == ("10.0.0.7",)
        assert zone.a[f"web-{TAG}-s7.marathon.slave.mesos"] == ("10.0.0.7",)
        target = f"web-{TAG}-s7.marathon.slave.mesos"
        for name in (
            "_web._tcp.marathon",
            "_web._udp.marathon",
            "_web._tcp.marathon.slave",
            "_web._udp.marathon.slave",
        ):
            assert zone.srv[name + ".mesos"] == (Srv(target, 31005), Srv(target, 31006))

    def test_with_discovery_its_ports_are_the_service(self) -> None:
        ports = (DiscoveryPort(80, "http", "tcp"), DiscoveryPort(53, "", "udp"), DiscoveryPort(99, "any"))
        zone = make_zone(make_task(discovery_name="site.group", discovery_ports=ports, host_ports=(31000,)))
        target = f"site-group-{TAG}-s7.marathon.mesos"
        assert zone.srv["_site-group._tcp.marathon.mesos"] == (Srv(target, 80), Srv(target, 99))
        assert zone.srv["_site-group._udp.marathon.mesos"] == (Srv(target, 53), Srv(target, 99))
        assert zone.srv["_http._site-group._tcp.marathon.mesos"] == (Srv(target, 80),)
        assert zone.srv["_any._site-group._udp.marathon.mesos"] == (Srv(target, 99),)
        slave = f"site-group-{TAG}-s7.marathon.slave.mesos"
        assert zone.srv["_site-group._tcp.marathon.slave.mesos"] == (Srv(slave, 31000),)
        assert "web.marathon.mesos" not in zone.a

    @pytest.mark.parametrize("state", [TaskState.TASK_STAGING, TaskState.TASK_KILLING, TaskState.TASK_UNREACHABLE])
    def test_only_running_tasks(self, state: TaskState) -> None:
        assert "web.marathon.mesos" not in make_zone(make_task(state=state)).a

    def test_a_task_of_an_unknown_agent_has_no_names(self) -> None:
        assert "web.marathon.mesos" not in make_zone(make_task(agent_id="other-S1")).a

    def test_an_agent_that_nobody_reaches_is_not_named(self) -> None:
        state = make_state(make_task())
        assert make_zone(make_task()).a["slave.mesos"] == ("10.0.0.7", "10.0.0.8")
        agents = {**state.agents, "abc-S8": msgspec.structs.replace(state.agents["abc-S8"], reachable=False)}
        zone = ZoneMaker(Naming()).make(dataclasses.replace(state, agents=agents), serial=1)
        assert zone.a["slave.mesos"] == ("10.0.0.7",)

    def test_netinfo_first_gives_container_addresses_of_both_families(self) -> None:
        task = make_task(container_ips=("9.0.1.2", "fd01:b::2"))
        zone = make_zone(task, naming=Naming(ip_sources=("netinfo", "host")))
        assert zone.a["web.marathon.mesos"] == ("9.0.1.2",)
        assert zone.aaaa["web.marathon.mesos"] == ("fd01:b::2",)
        assert zone.a["web.marathon.slave.mesos"] == ("10.0.0.7",)

    def test_an_unpopulated_source_is_passed_over(self) -> None:
        zone = make_zone(make_task(), naming=Naming(ip_sources=("docker", "netinfo", "host")))
        assert zone.a["web.marathon.mesos"] == ("10.0.0.7",)

    def test_instances_share_a_name(self) -> None:
        zone = make_zone(make_task(), make_task(id="web.2", agent_id="abc-S8"))
        assert zone.a["web.marathon.mesos"] == ("10.0.0.7", "10.0.0.8")

    def test_names_between_exist_without_records(self) -> None:
        zone = make_zone(make_task(host_ports=(1,)))
        assert zone.exists("_tcp.marathon.slave.mesos")
        assert zone.exists("marathon.slave.mesos")
        assert not zone.exists("nothing.mesos")


class TestHealth:
    """``web`` runs three times: healthy, known to be unhealthy, not known."""

    tasks = tuple(
        make_task(id=f"web.{n}", agent_id=f"abc-S{7 + n % 2}", healthy=healthy, host_ports=(31000 + n,))
        for n, healthy in enumerate((True, False, None))
    )

    def test_the_unhealthy_one_is_left_out_of_shared_names(self) -> None:
        zone = make_zone(*self.tasks)
        assert {srv.port for srv in zone.srv["_web._tcp.marathon.mesos"]} == {31000, 31002}
        assert zone.a["web.marathon.mesos"] == ("10.0.0.7",)
        own = f"web-{names.task_tag('web.1')}-s8.marathon.mesos"
        assert zone.a[own] == ("10.0.0.8",), "its own name is nobody else's"

    def test_all_are_named_when_none_is_better(self) -> None:
        zone = make_zone(self.tasks[1])
        assert zone.a["web.marathon.mesos"] == ("10.0.0.8",)
        assert {srv.port for srv in zone.srv["_web._tcp.marathon.mesos"]} == {31001}

    def test_it_can_be_switched_off(self) -> None:
        zone = make_zone(*self.tasks, naming=Naming(health_aware=False))
        assert set(zone.a["web.marathon.mesos"]) == {"10.0.0.7", "10.0.0.8"}
        assert {srv.port for srv in zone.srv["_web._tcp.marathon.mesos"]} == {31000, 31001, 31002}

    def test_names_follow_health(self) -> None:
        maker = ZoneMaker(Naming())
        maker.make(make_state(*self.tasks), serial=1)
        well = msgspec.structs.replace(self.tasks[1], healthy=True)
        ill = msgspec.structs.replace(self.tasks[0], healthy=False)
        zone = maker.make(make_state(ill, well, self.tasks[2]), serial=2)
        assert {srv.port for srv in zone.srv["_web._tcp.marathon.mesos"]} == {31001, 31002}


def test_strict_labels() -> None:
    task = make_task("9_very-long-name-of-a-task.in.a.group", host_ports=(1,))
    zone = make_zone(task, naming=Naming(rfc952=True), framework="8mara.9thon")
    assert "very-long-name-of-a-task.mara.thon.mesos" in zone.a
    assert "_very-long-name-of-a-task._tcp.mara.thon.mesos" in zone.srv


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("-", ""),
        ("---a---b", "a---b"),
        ("a.c.d_de.", "a-c-d-de"),
        ("4abc123", "abc123"),
        ("89fdgsf---gs7-fgs--d7fddg---123", "fdgsf---gs7-fgs--d7fddg1"),
        ("89fdgsf---gs7-fgs--d7fddg-", "fdgsf---gs7-fgs--d7fddg"),
    ],
)
def test_strict_label_rule(name: str, label: str) -> None:
    assert names.label(name, rfc952=True) == label


def test_a_name_as_long_as_a_label_can_be_asked_for_as_a_service() -> None:
    zone = make_zone(make_task("x" * 70, host_ports=(5,)))
    assert [srv.port for srv in zone.srv[f"_{'x' * 62}._tcp.marathon.mesos"]] == [5]


def test_weight_and_bits() -> None:
    naming = Naming(srv_weight=3, truncate_bit=False, recursion_bit=False)
    zone = make_zone(*(make_task(id=f"w.{n}", host_ports=(n + 1,)) for n in range(60)), naming=naming)
    reply = dns.ReadyAnswers(lambda name: (zone, name)).answer(dns.make_query(1, "_web._tcp.marathon.mesos", dns.SRV))
    assert reply is not None
    record = dnslib.DNSRecord.parse(reply)
    assert (record.header.tc, record.header.ra) == (0, 0)
    assert {rr.rdata.weight for rr in record.rr} == {3}


def test_unchanged_tasks_are_not_made_again() -> None:
    maker = ZoneMaker(Naming())
    first, second = make_task(), make_task("other", id="o")
    maker.make(make_state(first, second), serial=1)
    before = dict(maker.tasks)
    maker.make(make_state(first, make_task("renamed", id="o")), serial=2)
    assert maker.tasks["F", "web.1"] is before["F", "web.1"]
    assert maker.tasks["F", "o"].task.name == "renamed"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Web", "web"),
        ("app.group", "app-group"),
        ("a_b", "a-b"),
        ("fd%gsf---gs7-f$gs--d7fddg-123", "fdgsf---gs7-fgs--d7fddg-123"),
        ("-4abc123-", "4abc123"),
        ("x" * 70, "x" * 63),
        ("a" * 60 + "---123", "a" * 60 + "123"),
        ("a" * 62 + "---123", "a" * 62 + "1"),
        ("ünïcode", "ncode"),
        ("--", ""),
    ],
)
def test_label_rule(name: str, label: str) -> None:
    assert names.label(name) == label


def test_domains_keep_their_dots() -> None:
    assert names.domain("My.Frame_work..x") == "my.frame-work.x"


def test_zbase32_against_published_vectors() -> None:
    assert names.zbase32(bytes([0xF0, 0xBF, 0xC7])) == "6n9hq"
    assert names.zbase32(bytes([0xD4, 0x7A, 0x04])) == "4t7ye"
    assert names.zbase32(b"") == ""


class TestRecordedState:
    def test_v1_and_v0_forms_say_the_same(self) -> None:
        v1 = json.loads((GOLDEN / "operator-master-get-state.json").read_text())["body"]["get_state"]
        v0 = json.loads((GOLDEN / "master-state.json").read_text())["body"]
        subscribed = {"type": "SUBSCRIBED", "subscribed": {"get_state": v1, "heartbeat_interval_seconds": 15}}
        one, other = Cluster(), Cluster()
        first, second = decode_event(json.dumps(subscribed).encode()), decode_state(json.dumps(v0).encode())
        assert one.apply(first, Leader(ip="127.0.0.1", port=15050))
        assert other.apply(second, Leader(ip="127.0.0.1", port=15050))
        assert one.state == other.state
        zone = ZoneMaker(Naming()).make(one.state, serial=1)
        assert zone.a["web.golden.mesos"] == ("127.0.0.1",)
        (srv,) = zone.srv["_http._web._tcp.golden.mesos"]
        assert srv.port == 31005
        assert not [name for name in zone.a if name.startswith("batch")]


class TestApi:
    zone = make_zone(make_task(host_ports=(31005,)))

    def test_hosts(self) -> None:
        assert api.host_entries(self.zone, "Leader.mesos") == [{"host": "leader.mesos.", "ip": "10.0.0.1"}]
        assert api.host_entries(self.zone, "no.mesos.") == [{"host": "", "ip": ""}]

    def test_services(self) -> None:
        assert api.service_entries(self.zone, "_web._tcp.marathon.mesos.") == [
            {
                "service": "_web._tcp.marathon.mesos.",
                "host": f"web-{TAG}-s7.marathon.slave.mesos.",
                "ip": "10.0.0.7",
                "port": "31005",
            }
        ]
        assert api.service_entries(self.zone, "_no._tcp.mesos") == [{"service": "", "host": "", "ip": "", "port": ""}]

    def test_axfr(self) -> None:
        transfer = asyncio.run(api.in_turns(api.transfer(self.zone, 30)))
        assert transfer["Records"]["As"]["leader.mesos."] == ["10.0.0.1"]
        assert transfer["Records"]["SRVs"]["_leader._tcp.mesos."] == ["leader.mesos.:5050"]
        assert (transfer["Domain"], transfer["Mname"], transfer["Serial"]) == ("mesos", "ns1.mesos.", 5)

    def test_enumerate(self) -> None:
        maker = ZoneMaker(Naming())
        state = make_state(make_task(host_ports=(31005,)))
        maker.make(state, serial=1)
        (framework,) = asyncio.run(api.in_turns(api.enumeration(state, maker.tasks)))["frameworks"]
        (task,) = framework["tasks"]
        assert (framework["name"], task["name"], task["id"]) == ("marathon", "web", "web.1")
        assert {"name": "web.marathon.mesos.", "host": "10.0.0.7", "rtype": "A"} in task["records"]
        assert {
            "name": "_web._tcp.marathon.mesos.",
            "host": f"web-{TAG}-s7.marathon.slave.mesos.:31005",
            "rtype": "SRV",
        } in task["records"]


def test_instances_of_an_app_are_found_by_their_index() -> None:
    tasks = [
        make_task(
            f"web{agent}",
            agent_id=f"abc-S{agent}",
            discovery_name="web.shop",
            labels=((names.INDEX_LABEL, str(index)),),
        )
        for index, agent in enumerate((7, 8))
    ]
    zone = make_zone(*tasks)
    assert zone.a["0.web-shop.marathon.mesos"] == ("10.0.0.7",)
    assert zone.a["1.web-shop.marathon.mesos"] == ("10.0.0.8",)
    assert set(zone.a["web-shop.marathon.mesos"]) == {"10.0.0.7", "10.0.0.8"}
