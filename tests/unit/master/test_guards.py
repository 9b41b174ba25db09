"""What operators' calls ask the ACLs about, where more than one thing is asked."""

from __future__ import annotations

import pytest

from dcos.master.core.authorization import reserve_wants
from dcos.model.acls import Action
from dcos.model.v1.types import Resource
from tests.unit.master.operation_makers import res
from tests.unit.master.served import basic, serving
from tests.unit.master.test_access import acls

TAKE, GIVE = Action.RESERVE_RESOURCES, Action.UNRESERVE_RESOURCES
LAYERS: list[tuple[str, tuple[Resource, ...], tuple[Resource, ...], list[tuple[Action, str | None]]]] = [
    ("plain", (), (res("cpus:1", "a"), res("mem:1", "a"), res("disk:1", "b")), [(TAKE, "a"), (TAKE, "b")]),
    ("from nothing", (res("cpus:1"),), (res("cpus:1", "a", "a/b"),), [(TAKE, "a"), (TAKE, "a/b")]),
    (
        "from one role to another",
        (res("cpus:1", "a", principal="p"),),
        (res("cpus:1", "b", principal="q"),),
        [(GIVE, "p"), (TAKE, "b")],
    ),
    (
        "what both have is not asked about",
        (res("cpus:1", "a", "a/x", principal="p"),),
        (res("cpus:1", "a", "a/y", principal="p"),),
        [(GIVE, "p"), (TAKE, "a/y")],
    ),
    ("nothing changes", (res("cpus:1", "a"),), (res("cpus:1", "a"),), []),
]


@pytest.mark.parametrize(("source", "resources", "asked"), [row[1:] for row in LAYERS], ids=[row[0] for row in LAYERS])
def test_each_layer_of_a_reservation_is_asked_about(
    source: tuple[Resource, ...], resources: tuple[Resource, ...], asked: list[tuple[Action, str | None]]
) -> None:
    assert list(reserve_wants(source, resources)) == asked


async def test_who_drains_an_agent_for_good_must_be_allowed_to_mark_it_gone(tmp_path: object) -> None:
    rules = acls(mark_agents_gone=[{"principals": {"values": ["chief"]}, "agents": {"type": "ANY"}},
                                   {"principals": {"type": "ANY"}, "agents": {"type": "NONE"}}])  # fmt: skip
    file = f"{tmp_path}/credentials"
    with open(file, "w", encoding="utf-8") as out:
        out.write("chief x\nhand y\n")
    async with serving(rules, "--authenticate_http_readwrite", f"--credentials={file}") as master:
        gone = {"agent_id": {"value": "nobody"}, "mark_gone": True}
        hand, chief = basic("hand", "y"), basic("chief", "x")
        assert (await master.call("DRAIN_AGENT", hand, **gone)).status == 403
        assert (await master.call("DRAIN_AGENT", hand, agent_id=gone["agent_id"])).status == 400
        answer = await master.call("DRAIN_AGENT", chief, **gone)
        assert (answer.status, answer.text) == (400, "Unknown agent")
