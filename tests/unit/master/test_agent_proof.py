"""Agents that prove their principal, and those that do not."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from dcos.agent.link import AgentLink, proving_dial
from dcos.master.agent_proof import GOOD_S, AgentProofs, Refused
from dcos.model.resources import Resources
from dcos.model.v1.types import AgentInfo
from dcos.runtime.credentials import CredentialFile
from dcos.runtime.log import get_logger
from dcos.testing.fake_agent import CAPABILITIES
from dcos.wire import agent_link, link_proof
from tests.unit.master.served import Master, serving


def test_proofs() -> None:
    now = 100.0
    proofs = AgentProofs({"a": "s1"}, lambda: now, required=True)

    def answer(principal: str = "a", secret: str = "s1", challenge: str | None = None) -> str:
        proof = link_proof.prove(principal, secret, challenge or proofs.challenge())
        assert proof is not None
        return proof.header()

    assert proofs.principal(answer()) == "a"
    used = answer()
    assert proofs.principal(used) == "a"
    for bad in (
        used,
        answer("b"),
        answer(secret="x"),
        answer(challenge=link_proof.challenge("made up")),
        "Basic x",
        "",
    ):
        with pytest.raises(Refused):
            proofs.principal(bad)
    with pytest.raises(Refused):
        proofs.principal(None)
    late = answer()
    now += GOOD_S + 1
    with pytest.raises(Refused):
        proofs.principal(late)
    assert "s1" not in answer()


def test_where_nobody_asks() -> None:
    assert AgentProofs({}, lambda: 0.0, required=False).principal("Mesos-Agent x") is None
    assert AgentProofs({"a": "s"}, lambda: 0.0, required=False).principal(None) is None
    assert link_proof.prove("a", "s", 'Basic realm="x"') is None


def link_to(master: Master, credential: CredentialFile | None, resources: str = "cpus:1") -> AgentLink:
    info = AgentInfo(hostname="h", resources=Resources.parse(resources).messages())

    async def receive(_message: agent_link.MasterMessage, _leader: str) -> None:
        return None

    made = AgentLink(
        hello=lambda: agent_link.Register(
            agent=info, pid="slave(1)@127.0.0.1:1", version="1.11.0", capabilities=CAPABILITIES
        ),
        receive=receive,
        lost=lambda _: None,
        backoff_factor_s=0.01,
        rng=random.Random(1),
        log=get_logger("test"),
        dial=proving_dial(credential),
    )
    made.lead(master.url.removeprefix("http://"))
    return made


async def until_known(master: Master, link: AgentLink, *, seconds: float = 20.0) -> bool:
    """Whether the agent gets in, within the time or after some tries."""
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(seconds):
            while not master.api.state.agents:
                await asyncio.sleep(0.01)
            return True
    except TimeoutError:
        return False
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_only_agents_that_prove_themselves(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    file.write_text("node s1\nother s2\n")
    acls = {
        "register_agents": [
            {"principals": {"values": ["node"]}, "agents": {"type": "ANY"}},
            {"principals": {"type": "ANY"}, "agents": {"type": "NONE"}},
        ],
        "reserve_resources": [
            {"principals": {"values": ["node"]}, "roles": {"values": ["web"]}},
            {"principals": {"type": "ANY"}, "roles": {"type": "NONE"}},
        ],
    }
    flags = ("--authenticate_slaves", f"--credentials={file}", f"--acls={json.dumps(acls)}")
    node, other, liar = (
        CredentialFile(file, False, *pair) for pair in (("node", "s1"), ("other", "s2"), ("node", "x"))
    )
    async with serving(*flags) as master:
        for credential, resources in ((None, "cpus:1"), (liar, "cpus:1"), (other, "cpus:1"), (node, "cpus(ops):1")):
            assert not await until_known(master, link_to(master, credential, resources), seconds=0.3)
        assert await until_known(master, link_to(master, node, "cpus:1;mem(web):10"))
        assert master.api.state.counters["messages_authenticate"] > 0


async def test_credentials_are_not_forced_on_agents(tmp_path: Path) -> None:
    async with serving() as master:
        credential = CredentialFile(tmp_path / "x", False, "node", "s1")
        assert await until_known(master, link_to(master, credential))
