"""Which names dcos-net answers itself and where the others go; resolv.conf; REST."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import dnslib
import pytest

from dcos.model.cluster import ClusterAgent, ClusterFramework, ClusterState, Leader, MappedPort, RunningTask
from dcos.model.v1.types import TaskState
from dcos.net import api, resolvconf
from dcos.net.config import environment_of, forward_zones, servers, text_list
from dcos.net.core import names
from dcos.net.core.names import Copy, Forward, Node, Ours
from dcos.net.core.vips import Addresses, Backend, Target, VipName, Vips
from dcos.net.forwarder import renamed
from dcos.runtime.dns import Server
from dcos.wire import dns

NODE = Node(ip="10.0.0.7", public_ips=("192.0.2.7",), masters=("10.0.0.1", "10.0.0.2", "10.0.0.3"))
GIVEN = Addresses({"web.marathon": "11.1.2.3"}, {"web.marathon": "fd01:c::5"})


def make_task(**changes: Any) -> RunningTask:
    values: dict[str, Any] = {
        "id": "t",
        "framework_id": "F",
        "agent_id": "S",
        "name": "a.b",
        "state": TaskState.TASK_RUNNING,
    }
    return RunningTask(**{**values, **changes})


def make_router(*tasks: RunningTask, framework: str = "marathon", zones: tuple[str, ...] = ()) -> names.Router:
    state = ClusterState(
        revision=1,
        leader=Leader(ip="10.0.0.2", port=5050),
        agents={"S": ClusterAgent(id="S", hostname="", ip="10.0.0.9", port=5051)},
        frameworks={"F": ClusterFramework(id="F", name=framework)},
        tasks={("F", task.id): task for task in tasks},
    )
    own = names.Names(NODE)
    own.take(state, GIVEN)
    return names.router(own.zones, zones)


def addresses(router: names.Router, name: str) -> list[str]:
    route = router.route(name)
    assert isinstance(route, Ours)
    return [*route.zone.a.get(route.name, ()), *route.zone.aaaa.get(route.name, ())]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ready.spartan", ["127.0.0.1"]),
        ("ns.spartan", ["198.51.100.1"]),
        ("zk-1.zk", ["10.0.0.1"]),
        ("zk-4.zk", ["10.0.0.1"]),
        ("zk-5.zk", ["10.0.0.2"]),
        ("localhost", ["127.0.0.1", "::1"]),
        ("thisnode.thisdcos.directory", ["10.0.0.7"]),
        ("public.thisnode.thisdcos.directory", ["192.0.2.7"]),
        ("leader.dcos.thisdcos.directory", ["10.0.0.2"]),
        ("master.dcos.thisdcos.directory", ["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ("web.marathon.l4lb.thisdcos.directory", ["11.1.2.3", "fd01:c::5"]),
        ("web.marathon.l4lb.thisdcos.global", ["11.1.2.3", "fd01:c::5"]),
        ("web.marathon.dclb.thisdcos.directory", ["11.1.2.3", "fd01:c::5"]),
        ("web.marathon.dclb.thisdcos.global", ["11.1.2.3", "fd01:c::5"]),
        ("a-b.marathon.agentip.dcos.thisdcos.directory", ["10.0.0.9"]),
        ("nothing.thisdcos.directory", []),
    ],
)
def test_names_of_our_own(name: str, found: list[str]) -> None:
    assert addresses(make_router(make_task()), name) == found


@pytest.mark.parametrize(
    ("changes", "container", "auto"),
    [
        ({}, [], ["10.0.0.9"]),
        ({"container_ips": ("9.0.1.2", "fd01:b::2")}, ["9.0.1.2", "fd01:b::2"], ["9.0.1.2", "fd01:b::2"]),
        ({"container_ips": ("172.20.0.2",), "mapped_ports": (MappedPort(31000, 80),)}, ["172.20.0.2"], ["10.0.0.9"]),
    ],
)
def test_task_addresses(changes: dict[str, Any], container: list[str], auto: list[str]) -> None:
    router = make_router(make_task(**changes))
    assert addresses(router, "a-b.marathon.containerip.dcos.thisdcos.directory") == container
    assert addresses(router, "a-b.marathon.autoip.dcos.thisdcos.directory") == auto


def test_both_spellings_of_a_framework_with_dots() -> None:
    router = make_router(make_task(), framework="group.Kafka")
    assert addresses(router, "a-b.group.kafka.agentip.dcos.thisdcos.directory") == ["10.0.0.9"]
    assert addresses(router, "a-b.group-kafka.agentip.dcos.thisdcos.directory") == ["10.0.0.9"]


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("leader.mesos", Forward(names.MESOS)),
        ("mesos", Forward(names.MESOS)),
        ("web.marathon.mesos.thisdcos.directory", Copy("web.marathon.mesos", ".thisdcos.directory")),
        ("web.marathon.mesos.thisdcos.global", Copy("web.marathon.mesos", ".thisdcos.global")),
        ("a.corp.example", Forward("corp.example")),
        ("corp.example", Forward("corp.example")),
        ("x.lab.corp.example", Forward("lab.corp.example")),
        ("acorp.example", Forward(names.UPSTREAM)),
        ("example.com", Forward(names.UPSTREAM)),
        ("notmesos", Forward(names.UPSTREAM)),
        ("", Forward(names.UPSTREAM)),
    ],
)
def test_routes(name: str, route: names.Route) -> None:
    assert make_router(zones=("corp.example", "lab.corp.example")).route(name) == route


@pytest.mark.parametrize("part", ["", "dcos.", "l4lb.", "mesos."])
def test_each_zone_of_the_directory_has_its_own_soa_and_ns(part: str) -> None:
    answers = dns.ReadyAnswers(make_router(make_task()).ours)
    apex = f"{part}thisdcos.directory"
    soa = dnslib.DNSRecord.parse(answers.answer(dns.make_query(1, apex, dns.SOA)) or b"").rr[0]
    assert (str(soa.rname), soa.ttl) == (f"{apex}.", 3600)
    assert str(soa.rdata).startswith("ns.spartan. root.ns.spartan. 1 ")
    server = dnslib.DNSRecord.parse(answers.answer(dns.make_query(1, apex, dns.NS)) or b"").rr[0]
    assert (str(server.rdata), server.ttl) == ("ns.spartan.", 3600)
    if part != "mesos.":  # whose names are Mesos-DNS's
        nothing = dnslib.DNSRecord.parse(answers.answer(dns.make_query(1, f"nothing.{apex}", dns.A)) or b"")
        assert (nothing.header.rcode, str(nothing.auth[0].rname)) == (dns.NXDOMAIN, f"{apex}.")


def test_copied_answers_carry_the_longer_names() -> None:
    reply = dnslib.DNSRecord.question("_web._tcp.m.mesos", "SRV").reply()
    reply.add_answer(*dnslib.RR.fromZone("_web._tcp.m.mesos. 60 SRV 0 0 80 web-1.m.slave.mesos."))
    reply.add_ar(*dnslib.RR.fromZone("web-1.m.slave.mesos. 60 A 10.0.0.9"))
    asked = dns.make_query(1, "_web._tcp.M.mesos.thisdcos.directory", dns.SRV)[12:]
    record = dnslib.DNSRecord.parse(
        renamed(bytes(reply.pack()), asked, "_web._tcp.m.mesos", ".thisdcos.directory", 512)
    )
    assert str(record.q.qname) == "_web._tcp.M.mesos.thisdcos.directory."
    assert str(record.rr[0].rname).lower() == "_web._tcp.m.mesos.thisdcos.directory."
    assert str(record.rr[0].rdata.target) == "web-1.m.slave.mesos.thisdcos.directory."
    assert str(record.ar[0].rname) == "web-1.m.slave.mesos.thisdcos.directory."


def test_a_long_copied_answer_is_cut_and_marked() -> None:
    reply = dnslib.DNSRecord.question("web.mesos", "SRV").reply()
    for n in range(8):
        reply.add_answer(*dnslib.RR.fromZone(f"web.mesos. 60 SRV 0 0 {n + 1} web-{n}.m.slave.mesos."))
    asked = dns.make_query(1, "web.mesos.thisdcos.directory", dns.SRV)[12:]
    whole = renamed(bytes(reply.pack()), asked, "web.mesos", ".thisdcos.directory", 4096)
    assert len(dnslib.DNSRecord.parse(whole).rr) == 8
    cut = dnslib.DNSRecord.parse(renamed(bytes(reply.pack()), asked, "web.mesos", ".thisdcos.directory", 512))
    assert (cut.header.tc, len(cut.rr)) == (1, 0)


def test_names_with_the_key_of_the_cluster() -> None:
    key = names.cluster_key("0a1b2c3d-0000-4000-8000-000000000001")
    assert len(key) == 52
    with_key = dataclasses.replace(make_router(), cluster_key=key)
    assert addresses(with_key, f"web.marathon.l4lb.{key}.dcos.directory") == ["11.1.2.3", "fd01:c::5"]
    assert addresses(with_key, f"web.marathon.dclb.{key}.dcos.directory") == ["11.1.2.3", "fd01:c::5"]
    copied = with_key.route(f"leader.mesos.{key}.dcos.directory")
    assert copied == Copy("leader.mesos", f".{key}.dcos.directory")
    assert with_key.route("web.marathon.l4lb.other.dcos.directory") == Forward(names.UPSTREAM)
    assert make_router().route(f"leader.mesos.{key}.dcos.directory") == Forward(names.UPSTREAM)


@pytest.mark.parametrize("aware", [True, False])
def test_unhealthy_tasks_are_left_out_while_healthy_ones_are_there(aware: bool) -> None:
    state = ClusterState(
        revision=1,
        agents={f"S{n}": ClusterAgent(id=f"S{n}", hostname="", ip=f"10.0.0.{n}", port=5051) for n in (1, 2)},
        frameworks={"F": ClusterFramework(id="F", name="marathon")},
        tasks={
            ("F", str(n)): make_task(id=str(n), agent_id=f"S{n}", name="web", healthy=healthy)
            for n, healthy in ((1, True), (2, False))
        },
    )
    own = names.Names(NODE, health_aware=aware)
    own.take(state, GIVEN)
    found = addresses(names.router(own.zones), "web.marathon.agentip.dcos.thisdcos.directory")
    assert found == (["10.0.0.1"] if aware else ["10.0.0.1", "10.0.0.2"])


class TestSettings:
    def test_lists(self) -> None:
        assert text_list('["10.0.0.1", "10.0.0.2"]') == text_list("10.0.0.1, 10.0.0.2") == ("10.0.0.1", "10.0.0.2")
        assert servers('["8.8.8.8", "1.1.1.1:5353"]') == (Server("8.8.8.8"), Server("1.1.1.1", 5353))
        assert forward_zones('{"Corp.example": ["10.0.0.1:53"], "b": [["10.0.0.2", 53]]}') == (
            ("corp.example", (Server("10.0.0.1"),)),
            ("b", (Server("10.0.0.2"),)),
        )

    @pytest.mark.parametrize("text", ["name.example", "10.0.0.1:0", "10.0.0.1:x", '["a"]'])
    def test_bad_servers(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"must be|invalid"):
            servers(text)

    def test_upstreams_file(self) -> None:
        raw = {"upstream_resolvers": [["8.8.8.8", 53]], "forward_zones": {"a": ["10.0.0.1"]}, "bind_ip_blacklist": []}
        variables = environment_of(json.dumps(raw).encode())
        assert servers(variables["DCOS_NET_RESOLVERS"]) == (Server("8.8.8.8"),)
        assert forward_zones(variables["DCOS_NET_FORWARD_ZONES"]) == (("a", (Server("10.0.0.1"),)),)


class TestResolvConf:
    def test_text(self) -> None:
        assert resolvconf.text("example.com", ["198.51.100.1"]).splitlines()[1:] == [
            "options timeout:1",
            "options attempts:3",
            "search example.com",
            "nameserver 198.51.100.1",
        ]

    def test_written_only_when_changed(self, tmp_path: Path) -> None:
        file = tmp_path / "resolv.conf"
        assert resolvconf.write(file, "a")
        before = file.stat().st_ino
        assert not resolvconf.write(file, "a")
        assert file.stat().st_ino == before
        assert resolvconf.write(file, "b")
        assert file.stat().st_ino != before

    def test_a_link_is_replaced_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "stub").write_text("other")
        (tmp_path / "resolv.conf").symlink_to(tmp_path / "stub")
        resolvconf.write(tmp_path / "resolv.conf", "ours")
        assert (tmp_path / "stub").read_text() == "other"
        assert (tmp_path / "resolv.conf").read_text() == "ours"


class TestRest:
    def test_vips(self) -> None:
        backend = Backend(Target("10.0.0.9", 31000), "10.0.0.9", None, 1, True)
        draining = Backend(Target("10.0.0.9", 31001), "10.0.0.9", None, 0, True)
        found = Vips(
            {VipName("tcp", "web.marathon", 80): (backend, draining), VipName("udp", "1.2.3.4", 53): (backend,)}, ()
        )
        assert api.vip_entries(found) == [
            {
                "vip": "web.marathon.l4lb.thisdcos.directory:80",
                "protocol": "tcp",
                "backend": [{"ip": "10.0.0.9", "port": 31000}],
            },
            {"vip": "1.2.3.4:53", "protocol": "udp", "backend": [{"ip": "10.0.0.9", "port": 31000}]},
        ]

    def test_records(self) -> None:
        zones = tuple(make_router(make_task()).zones.values())
        assert {"name": "ready.spartan.", "host": "127.0.0.1", "rtype": "A"} in api.record_entries(zones)
        assert api.host_entries(zones, "leader.dcos.thisdcos.directory.") == [
            {"host": "leader.dcos.thisdcos.directory.", "ip": "10.0.0.2"}
        ]
