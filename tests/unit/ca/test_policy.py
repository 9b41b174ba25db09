"""Who gets a certificate for what: proof, role, address, names."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.ca.core import policy
from dcos.ca.core.policy import Asker, Refused, asker, certified, names, seal
from dcos.registry import SERVICES, NodeRole

KEYS = {"master": "m" * 32, "agent": "a" * 32}
MASTERS = frozenset({"10.0.0.1", "10.0.0.2"})
BODY = b'{"role": "slave"}'


def ask(**changes: Any) -> Asker:
    usual: dict[str, Any] = {
        "role": "slave",
        "address": "10.0.0.7",
        "extra": (),
        "header": seal(KEYS["agent"], BODY),
        "body": BODY,
        "keys": KEYS,
        "came_from": "10.0.0.7",
        "masters": MASTERS,
    }
    return asker(**{**usual, **changes})


MASTER = {"role": "master", "address": "10.0.0.1", "header": seal(KEYS["master"], BODY), "came_from": None}


def test_nodes_that_prove_who_they_are() -> None:
    assert ask() == Asker(NodeRole.AGENT, "10.0.0.7")
    assert ask(role="slave_public").role is NodeRole.PUBLIC_AGENT
    assert ask(**MASTER, extra=("192.0.2.1",)) == Asker(NodeRole.MASTER, "10.0.0.1", ("192.0.2.1",))
    assert ask(**{**MASTER, "came_from": "10.0.0.2"}).role is NodeRole.MASTER


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (400, {"role": "king"}),
        (401, {"header": ""}),
        (401, {"header": seal("x" * 32, BODY)}),
        (401, {"header": seal(KEYS["agent"], b"another body")}),
        (401, {"header": seal(KEYS["agent"], BODY).lower()}),
        (401, {"role": "master"}),  # with the key of agents
        (401, {"header": seal(KEYS["master"], BODY)}),  # nor the other way round
        (400, {"address": "agent.example"}),
        (403, {"address": "10.0.0.8"}),  # another node's
        (403, {"address": "10.0.0.1", "came_from": "10.0.0.1"}),  # a master's
        (403, {"revoked": frozenset({"10.0.0.7"})}),  # lost, and its keys with it
        (403, {"came_from": None}),
        (403, {"extra": ("10.0.0.9",)}),
        (403, {**MASTER, "came_from": "10.0.0.7"}),
        (400, {**MASTER, "extra": ("x",)}),
        (400, {**MASTER, "extra": tuple(f"192.0.2.{n}" for n in range(9))}),
    ],
)
def test_all_others_are_refused(status: int, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        ask(**changes)
    assert refused.value.status == status
    for key in KEYS.values():
        assert key not in str(refused.value)


def test_an_agent_gets_its_own_names_only() -> None:
    found = names(Asker(NodeRole.AGENT, "10.0.0.7"), "dcos-mesos-slave")
    assert (found.common_name, found.unit) == ("dcos-mesos-slave", "slave")
    assert found.dns == ("localhost", "dcos-mesos-slave", "dcos-mesos-agent")
    assert found.addresses == ("10.0.0.7", "127.0.0.1", "::1")


def test_masters_have_the_names_of_leaders() -> None:
    found = names(Asker(NodeRole.MASTER, "10.0.0.1", ("192.0.2.1",)), "dcos-marathon")
    assert {"leader.mesos", "master.mesos", "zk-1.zk", "zk-5.zk", "marathon.mesos"} <= set(found.dns)
    assert "192.0.2.1" in found.addresses


@pytest.mark.parametrize("role", [NodeRole.AGENT, NodeRole.PUBLIC_AGENT])
def test_no_agent_gets_a_certificate_of_what_runs_on_masters(role: NodeRole) -> None:
    for row in SERVICES:
        if row not in certified(role):
            with pytest.raises(Refused, match="no such service"):
                names(Asker(role, "10.0.0.7"), row.name)


def test_who_meets_nobody_has_none() -> None:
    assert not {row.name for row in certified(NodeRole.MASTER)} & {
        "dcos-ca",
        "dcos-certificates",
        "dcos-gen-resolvconf",
    }
    assert policy.key_name(NodeRole.PUBLIC_AGENT) == "agent"
