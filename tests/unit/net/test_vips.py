"""Labels to VIPs, VIPs to backends, names to addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, DiscoveryPort, MappedPort, RunningTask
from dcos.model.v1.types import TaskState
from dcos.net.core import elements, ruleset, vips
from dcos.net.core.ruleset import Table
from dcos.net.core.vips import Backend, Ranges, Service, Target, VipName

NODE, OTHER = "10.0.0.7", "10.0.0.8"


def make_task(number: int = 1, **changes: Any) -> RunningTask:
    values: dict[str, Any] = {
        "id": f"web.{number}",
        "framework_id": "F",
        "agent_id": "S7",
        "name": "web",
        "state": TaskState.TASK_RUNNING,
        "container_ips": (NODE,),
    }
    return RunningTask(**{**values, **changes})


def make_state(*tasks: RunningTask) -> ClusterState:
    return ClusterState(
        revision=1,
        agents={
            "S7": ClusterAgent(id="S7", hostname="", ip=NODE, port=5051),
            "S8": ClusterAgent(id="S8", hostname="", ip=OTHER, port=5051),
        },
        frameworks={
            "F": ClusterFramework(id="F", name="marathon"),
            "G": ClusterFramework(id="G", name="dev/Marathon.user"),
        },
        tasks={(task.framework_id, task.id): task for task in tasks},
    )


def port(number: int, *labels: str, protocol: str = "tcp", scope: str = "") -> DiscoveryPort:
    pairs = tuple((f"VIP_{index}", label) for index, label in enumerate(labels))
    return DiscoveryPort(number, "http", protocol, pairs + ((("network-scope", scope),) if scope else ()))


def targets(*tasks: RunningTask, node: str = "10.0.0.1") -> dict[str, list[str]]:
    found = vips.collect(make_state(*tasks))
    given = vips.addresses(found, Ranges())
    names = {ip: name for table in (given.v4, given.v6) for name, ip in table.items()}
    return {
        f"{one.protocol} {names.get(one.ip, one.ip)}:{one.port}": [f"{t.ip}:{t.port}" for t in found_targets]
        for one, found_targets in vips.services(found, given, node).items()
    }


@pytest.mark.parametrize(
    ("label", "host", "number"),
    [
        ("/mygroup/myapp:80", "mygroupmyapp.marathon", 80),
        ("/a.b:80", "a.b.marathon", 80),
        ("web:8080", "web.marathon", 8080),
        ("/My_App:1", "my-app.marathon", 1),
        ("1.2.3.4:80", "1.2.3.4", 80),
        ("fd01::1:80", "fd01::1", 80),
        ("[fd01::1]:80", "fd01::1", 80),
    ],
)
def test_label(label: str, host: str, number: int) -> None:
    assert vips.parse_label(label, "tcp", "marathon") == VipName("tcp", host, number)


@pytest.mark.parametrize("label", ["", "web", "web:", "web:0", "web:70000", "web:x", "/:80", "///:80", "web:-1"])
def test_bad_labels_are_told_and_ignored(label: str) -> None:
    found = vips.collect(make_state(make_task(discovery_ports=(port(80, label, "/good:80"),))))
    assert [bad.label for bad in found.bad] == [label]
    assert list(found.backends) == [VipName("tcp", "good.marathon", 80)]


class TestBackends:
    def test_host_network(self) -> None:
        assert targets(make_task(discovery_ports=(port(31000, "/web:80"),))) == {
            "tcp web.marathon:80": [f"{NODE}:31000"]
        }

    def test_mapped_port_at_the_agent_and_inside_on_its_own(self) -> None:
        task = make_task(
            discovery_ports=(port(8080, "/web:80"),),
            mapped_ports=(MappedPort(31000, 8080),),
            container_ips=("172.20.0.2",),
        )
        assert targets(task) == {"tcp web.marathon:80": [f"{NODE}:31000"]}
        assert targets(task, node=NODE) == {"tcp web.marathon:80": ["172.20.0.2:8080"]}

    def test_host_scope_of_a_mapped_port(self) -> None:
        task = make_task(
            discovery_ports=(port(31000, "/web:80", scope="host"),),
            mapped_ports=(MappedPort(31000, 8080),),
            container_ips=("172.20.0.2",),
        )
        assert targets(task) == {"tcp web.marathon:80": [f"{NODE}:31000"]}
        assert targets(task, node=NODE) == {"tcp web.marathon:80": ["172.20.0.2:8080"]}

    def test_container_network_without_mapping(self) -> None:
        task = make_task(discovery_ports=(port(80, "/web:80"),), container_ips=("9.0.1.2", "fd01:b::2"))
        found = vips.collect(make_state(task))
        given = vips.addresses(found, Ranges())
        wanted = vips.services(found, given, "10.0.0.1")
        assert [found_targets for _, found_targets in sorted(wanted.items())] == [
            (Target("9.0.1.2", 80),),
            (Target("fd01:b::2", 80),),
        ]

    def test_container_port_0_is_ignored(self) -> None:
        assert targets(make_task(discovery_ports=(port(0, "/web:80"),))) == {}

    def test_old_task_label_counts_offered_ports(self) -> None:
        task = make_task(
            labels=(("vip_PORT1", "udp://old:53"), ("VIP_PORT9", "tcp://none:1")), host_ports=(31000, 31001)
        )
        assert targets(task) == {"udp old.marathon:53": [f"{NODE}:31001"]}

    def test_numeric_vips_take_only_their_family_and_any_framework(self) -> None:
        one = make_task(discovery_ports=(port(80, "1.2.3.4:80"),), container_ips=("9.0.1.2", "fd01:b::2"))
        other = make_task(2, framework_id="G", discovery_ports=(port(80, "1.2.3.4:80"),), container_ips=("9.0.1.3",))
        assert targets(one, other) == {"tcp 1.2.3.4:80": ["9.0.1.2:80", "9.0.1.3:80"]}

    def test_equal_names_of_two_frameworks_are_two_vips(self) -> None:
        one = make_task(discovery_ports=(port(1, "/web:80"),))
        other = make_task(2, framework_id="G", discovery_ports=(port(2, "/web:80"),))
        assert set(targets(one, other)) == {"tcp web.marathon:80", "tcp web.devmarathon.user:80"}

    @pytest.mark.parametrize(
        ("changes", "served"),
        [
            ({}, True),
            ({"healthy": True}, True),
            ({"healthy": False}, False),
            ({"health_checked": True}, False),
            ({"health_checked": True, "healthy": True}, True),
            ({"state": TaskState.TASK_KILLING}, False),
        ],
    )
    def test_weight(self, changes: dict[str, Any], served: bool) -> None:
        task = make_task(discovery_ports=(port(31000, "/web:80"),), **changes)
        assert targets(task) == {"tcp web.marathon:80": [f"{NODE}:31000"] if served else []}

    def test_what_has_not_started_is_no_backend(self) -> None:
        assert targets(make_task(discovery_ports=(port(1, "/web:80"),), state=TaskState.TASK_STARTING)) == {}

    def test_unreachable_ones_serve_only_when_nobody_else_is_there(self) -> None:
        lost = make_task(discovery_ports=(port(1, "/web:80"),), state=TaskState.TASK_UNREACHABLE)
        here = make_task(2, agent_id="S8", discovery_ports=(port(2, "/web:80"),), container_ips=(OTHER,))
        assert targets(lost, here) == {"tcp web.marathon:80": [f"{OTHER}:2"]}
        assert targets(lost) == {"tcp web.marathon:80": [f"{NODE}:1"]}


def test_assign_goes_on_where_taken() -> None:
    first = vips.assign(["a"], "11.0.0.0", "11.0.0.9")["a"]
    assert vips.assign(["a"], "11.0.0.0", "11.0.0.9", taken=[first])["a"] != first
    assert len(set(vips.assign(list("abcdefghijkl"), "11.0.0.0", "11.0.0.9").values())) == 9


class TestTransaction:
    web = Service("tcp", "11.0.0.5", 80)
    one, two, three = Target("10.0.0.1", 1), Target("10.0.0.2", 2), Target("10.0.0.3", 3)

    def made(self, wanted: Mapping[Service, tuple[Target, ...]], version: int = 4) -> tuple[Table, str]:
        """The table for ``wanted`` and what makes it."""
        table = Table()
        difference = ruleset.difference(wanted, table, version)
        commands = ruleset.commands(difference, table, version)
        table.take(difference)
        return table, commands

    def test_nothing_to_do(self) -> None:
        wanted = {self.web: (self.one, self.two)}
        table, _ = self.made(wanted)
        difference = ruleset.difference(wanted, table, 4)
        assert not difference
        assert ruleset.commands(difference, table, 4) == ""

    def test_replacing_one_backend_touches_one_element(self) -> None:
        table, _ = self.made({self.web: (self.one, self.two)})
        difference = ruleset.difference({self.web: (self.two, self.three)}, table, 4, [self.web])
        assert ruleset.commands(difference, table, 4).splitlines() == [
            "delete element ip dcos_l4lb targets { tcp . 11.0.0.5 . 80 . 0xd050000 }",
            "add element ip dcos_l4lb targets { tcp . 11.0.0.5 . 80 . 0xd050000 : 10.0.0.3 . 3 }",
        ]
        table.take(difference)
        assert set(table.targets.values()) == {self.two, self.three}

    def test_a_vip_without_targets_is_only_known(self) -> None:
        table, _ = self.made({self.web: ()})
        assert (table.vips, table.targets, table.known) == ({}, {}, {self.web})

    def test_families_have_their_own_tables(self) -> None:
        wanted = {self.web: (self.one,), Service("tcp", "fd01:c::1", 80): (Target("fd02::1", 1),)}
        _, commands = self.made(wanted, 6)
        assert "add map ip6 dcos_l4lb vips { type inet_proto . ipv6_addr . inet_service : mark ; }" in commands
        assert "11.0.0.5" not in commands

    def test_a_table_of_somebody_else_is_unsound(self) -> None:
        found = elements.read_table({"prerouting": [b""]}, None, 4)
        assert (found.there, found.sound) == (True, False)
        assert elements.read_table({}, None, 4) == Table()


def test_backends_sort_with_and_without_an_inside() -> None:
    same = Target(NODE, 1)
    found = [Backend(same, NODE, None, 1, True), Backend(same, NODE, Target("9.9.9.9", 1), 1, True)]
    assert len(sorted(found, key=vips._order)) == 2
