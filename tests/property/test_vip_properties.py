"""Safety of names to addresses and of table changes, whatever the cluster looks like."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.model import names
from dcos.model.cluster import (
    Changed,
    ClusterAgent,
    ClusterFramework,
    ClusterState,
    DiscoveryPort,
    MappedPort,
    RunningTask,
)
from dcos.model.v1.types import TaskState
from dcos.net.core import elements, ruleset, vips
from dcos.net.core.addresses import Assignment
from dcos.net.core.following import Following
from dcos.net.core.ruleset import Table
from dcos.net.core.vips import Service, Target
from dcos.wire import netlink, nftables
from dcos.wire.nftables import Change, Element

LABELS = st.text(min_size=1, max_size=80)
NAMES = st.lists(st.text("abc.-", min_size=1, max_size=6), max_size=30)
SERVICES = st.builds(
    Service,
    st.sampled_from(["tcp", "udp"]),
    st.integers(1, 4).map(lambda n: f"11.0.0.{n}"),
    st.sampled_from([80, 443]),
)
TARGETS = st.builds(Target, st.integers(1, 6).map(lambda n: f"10.0.0.{n}"), st.sampled_from([8080, 9090]))
WANTED = st.dictionaries(
    SERVICES, st.frozensets(TARGETS, max_size=5).map(lambda found: tuple(sorted(found))), max_size=8
)


@given(NAMES, st.integers(1, 40))
def test_every_node_gives_every_name_the_same_address(wanted: list[str], size: int) -> None:
    first = vips.assign(wanted, "11.0.0.0", f"11.0.0.{size}")
    assert first == vips.assign(reversed(wanted), "11.0.0.0", f"11.0.0.{size}")
    assert len(set(first.values())) == len(first) == min(len(set(wanted)), size)
    assert all(0 <= int(ip.rpartition(".")[2]) < size for ip in first.values())


@given(
    st.lists(st.sets(st.sampled_from("abcdefghijkl"), max_size=8), min_size=1, max_size=6),
    st.integers(3, 40),
    st.data(),
)
def test_followed_addresses_are_those_of_each_set(series: list[set[str]], size: int, data: st.DataObject) -> None:
    ranges = ("11.0.0.0", f"11.0.0.{size}")
    assignment, names_, before = Assignment(*ranges), set[str](), dict[str, str]()
    for wanted in series:
        numeric = data.draw(st.sets(st.integers(0, size + 2).map(lambda n: f"11.0.0.{n}"), max_size=2))
        moved = assignment.take(wanted - names_, names_ - wanted, numeric)
        assert assignment.given == vips.assign(wanted, *ranges, taken=numeric)
        assert moved >= {one for one in {*before, *wanted} if before.get(one) != assignment.given.get(one)}
        names_, before = wanted, dict(assignment.given)


@given(NAMES, st.text("xyz", min_size=1, max_size=3))
def test_a_large_range_keeps_addresses_when_names_come(wanted: list[str], newcomer: str) -> None:
    before = vips.assign(wanted, "11.0.0.0", "11.255.255.255")
    after = vips.assign([*wanted, newcomer], "11.0.0.0", "11.255.255.255")
    assert {name: after[name] for name in before} == before


Sets = dict[str, dict[str, str]]
"""Of each set its elements, as text: key to value."""


def sets_of(table: Table) -> Sets:
    return {
        "vips": {ruleset._service(one): f"{ruleset.MARK + count:#x}" for one, count in table.vips.items()},
        "targets": {ruleset._slot(slot): ruleset._target(target) for slot, target in table.targets.items()},
        "known": {ruleset._service(one): "" for one in table.known},
        "classes": {f"{ruleset.MARK + count:#x}": f"goto n{count}" for count in table.classes},
    }


def run_commands(commands: str, table: Table) -> Table:
    """What nft would make of element commands: deleting what is not there or adding what is there is refused."""
    sets, classes = sets_of(table), {f"n{count}" for count in table.classes}
    for line in commands.splitlines():
        words = line.split()
        if words[:2] == ["delete", "table"]:
            sets, classes = {name: {} for name in sets}, set()
        if words[:2] == ["add", "chain"] and words[4][1:].isdigit():
            classes.add(words[4])
        if words[1] != "element":
            continue
        for element in line.partition("{")[2].rpartition("}")[0].split(","):
            key, _, value = element.strip().partition(" : ")
            change(sets, words[0] == "add", words[4], key, value)
    assert classes == {verdict.removeprefix("goto ") for verdict in sets["classes"].values()}
    return whole(sets)


def run_changes(changes: list[Change], table: Table) -> Table:
    """The same for the kernel's own form, to a table whose chains are there."""
    sets = sets_of(table)
    data, last = nftables.transaction("ip", "dcos_l4lb", changes)
    done = 0
    for message in nftables.messages(data):
        for one in nftables.elements(message.body):
            come = message.kind == nftables._NEW
            key, value = _text_of(one)
            change(sets, come, nftables._string(dict(netlink.attributes(message.body))[2]), key, value)
        done += message.number in range(1, last + 1)
    assert done == last
    return whole(sets)


def _text_of(one: Element) -> tuple[str, str]:
    """Key and value as nft would write them."""
    protocol, ip, port = (
        {6: "tcp", 17: "udp"}[one.key[0]],
        elements._ip(one.key[4:8]),
        int.from_bytes(one.key[8:10], "big"),
    )
    mark = one.key[12:]
    key = f"{protocol} . {ip} . {port}" + (f" . {ruleset.MARK + elements._number(mark):#x}" if mark else "")
    if len(one.data) == 4:
        return key, f"{ruleset.MARK + elements._number(one.data):#x}"
    return key, f"{elements._ip(one.data[:4])} . {int.from_bytes(one.data[4:6], 'big')}" if one.data else ""


def change(sets: Sets, come: bool, name: str, key: str, value: str) -> None:
    if come:
        assert key not in sets[name]
        sets[name][key] = value
    else:
        del sets[name][key]


def whole(sets: Sets) -> Table:
    """A table of these sets, in which every packet finds its way."""
    counts = {service: int(mark, 16) - ruleset.MARK for service, mark in sets["vips"].items()}
    for service, count in counts.items():
        assert sets["classes"][f"{ruleset.MARK + count:#x}"] == f"goto n{count}"
        for number in range(count):
            assert f"{service} . {ruleset.MARK + number:#x}" in sets["targets"]
        assert service in sets["known"]
    assert len(sets["targets"]) == sum(counts.values())
    return Table(
        sound=True,
        vips={_service(text): count for text, count in counts.items()},
        targets={_slot(text): _target(value) for text, value in sets["targets"].items()},
        known=set(map(_service, sets["known"])),
        classes={int(mark, 16) - ruleset.MARK for mark in sets["classes"]},
        there=True,
    )


def _service(text: str) -> Service:
    protocol, ip, port = text.split(" . ")[:3]
    return Service(protocol, ip, int(port))


def _slot(text: str) -> tuple[Service, int]:
    return _service(text), int(text.split(" . ")[3], 16) - ruleset.MARK


def _target(text: str) -> Target:
    ip, port = text.split(" . ")
    return Target(ip, int(port))


@settings(max_examples=200)
@given(st.lists(WANTED, min_size=1, max_size=5), st.data())
def test_any_series_of_changes_ends_where_it_should(
    series: list[dict[Service, tuple[Target, ...]]], data: st.DataObject
) -> None:
    """The difference applied to what the kernel has is what is wanted; told what changed, it is the same difference."""
    table, before = Table(), dict[Service, tuple[Target, ...]]()
    for wanted in series:
        changed = {one for one in {*before, *wanted} if before.get(one) != wanted.get(one)}
        told = changed if data.draw(st.booleans()) else None
        difference = ruleset.difference(wanted, table, 4, told)
        assert difference == ruleset.difference(wanted, table, 4)
        told_kernel = run_commands(ruleset.commands(difference, table, 4), table)
        framed = dataclasses.replace(table, classes=table.classes | difference.classes)
        told_by_netlink = run_changes(elements.changes(difference, table), framed)
        table.take(difference)
        assert told_kernel == told_by_netlink == table
        assert table.known == set(wanted)
        served = {one: {table.targets[one, n] for n in range(count)} for one, count in table.vips.items()}
        assert served == {one: set(found) for one, found in wanted.items() if found}
        assert not ruleset.difference(wanted, table, 4)
        before = wanted


@settings(max_examples=200)
@given(WANTED, WANTED, st.dictionaries(st.tuples(SERVICES, st.integers(0, 6)), TARGETS, max_size=6))
def test_a_table_that_others_changed_becomes_what_is_wanted(
    first: dict[Service, tuple[Target, ...]],
    wanted: dict[Service, tuple[Target, ...]],
    strange: dict[tuple[Service, int], Target],
) -> None:
    ours = Table()
    ours.take(ruleset.difference(first, ours, 4))
    found = dataclasses.replace(ours, targets=ours.targets | strange, made=False)
    difference = ruleset.difference(wanted, found, 4)
    told = run_commands(ruleset.commands(difference, found, 4), found)
    framed = dataclasses.replace(found, classes=found.classes | difference.classes)
    told_by_netlink = run_changes(elements.changes(difference, found), framed)
    found.take(difference)
    assert told == told_by_netlink == found
    assert found.known == set(wanted)
    served = {one: {found.targets[one, n] for n in range(count)} for one, count in found.vips.items()}
    assert served == {one: set(targets) for one, targets in wanted.items() if targets}


def task(number: int, vip: str, change: str) -> RunningTask:
    """One of few variants; ``change`` is what makes it another than usual."""
    state = {"killed": TaskState.TASK_KILLING, "lost": TaskState.TASK_UNREACHABLE, "early": TaskState.TASK_STARTING}
    ports = tuple(
        DiscoveryPort(8000 + index, "http", "tcp", (("VIP_0", label),)) for index, label in enumerate(vip.split())
    )
    return RunningTask(
        id=f"t.{number}",
        framework_id="FG"[number % 2],
        agent_id=f"S{number % 3}",
        name="t",
        state=state.get(change, TaskState.TASK_RUNNING),
        container_ips=("fd00::1",) if change == "ipv6" else (f"9.0.0.{number}",),
        discovery_ports=ports,
        mapped_ports=(MappedPort(31000 + number, 8000, "tcp"),) if change == "mapped" else (),
        health_checked=change == "unhealthy",
    )


_VIPS = ["/a:80", "/a:80 /a:80", "/b:80 /b:443", "10.9.9.9:80", "11.0.0.1:80 /c:1", "[fd05::1]:80", "bad"]
TASKS = st.builds(
    task,
    st.integers(1, 6),
    st.sampled_from(_VIPS),
    st.sampled_from(["", "killed", "lost", "early", "ipv6", "mapped", "unhealthy"]),
)


@st.composite
def states(draw: st.DrawFn) -> list[ClusterState]:
    """In a series: most objects of a state are those of the one before."""
    agents = {f"S{n}": ClusterAgent(id=f"S{n}", hostname="", ip=f"10.0.0.{n}", port=5051) for n in range(3)}
    frameworks = {one: ClusterFramework(id=one, name=one) for one in "FG"}
    tasks: dict[tuple[str, str], RunningTask] = {}
    series: list[ClusterState] = []
    for _ in range(draw(st.integers(1, 5))):
        tasks = {key: one for key, one in tasks.items() if draw(st.integers(0, 3))}
        tasks |= {(one.framework_id, one.id): one for one in draw(st.lists(TASKS, max_size=4))}
        if draw(st.integers(0, 3)) == 0:
            frameworks = {**frameworks, "G": ClusterFramework(id="G", name="other")}
        if draw(st.integers(0, 3)) == 0:
            agents = {key: one for key, one in agents.items() if key != "S1"}
        state = ClusterState(revision=len(series) + 1, agents=agents, frameworks=frameworks, tasks=tasks)
        last = series[-1] if series else None
        if last and (last.agents, last.frameworks) == (agents, frameworks) and draw(st.booleans()):
            differ = {key for key in {*last.tasks, *tasks} if last.tasks.get(key) is not tasks.get(key)}
            state = dataclasses.replace(state, changed=Changed(last.revision, frozenset(differ)))
        series.append(state)
    return series


@settings(max_examples=150)
@given(states(), st.booleans())
def test_following_gives_what_each_state_gives(series: list[ClusterState], ipv6: bool) -> None:
    ranges, node = vips.Ranges(max4="11.0.0.5"), "10.0.0.2"
    following = Following(ranges, node, ipv6=ipv6)
    before: Mapping[Service, tuple[Target, ...]] = {}
    for state in series:
        made = following.take(state)
        found = vips.collect(state, ipv6=ipv6)
        given_ = vips.addresses(found, ranges)
        assert made.vips.backends == found.backends
        assert set(made.vips.bad) == set(found.bad)
        assert made.addresses == given_
        assert made.services == vips.services(found, given_, node)
        assert made.changed == {one for one in {*before, *made.services} if before.get(one) != made.services.get(one)}
        assert made.agents == {one.agent_ip for each in found.backends.values() for one in each}
        before = made.services


@given(LABELS)
def test_labels_are_labels(text: str) -> None:
    label = names.label(text)
    assert len(label) <= names.MAX_LABEL
    assert not label.startswith("-")
    assert not label.endswith("-")
    assert names.label(label) == label
