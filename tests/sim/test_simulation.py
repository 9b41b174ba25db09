"""The simulation itself: time, network and store behave, a seed is one story, a broken rule is seen.

The seeds are run by ``python -m dcos.dev sim`` (and by ``test``, as a step of its own).
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dcos.marathon.core import deploy, deployments
from dcos.metronome.core import runs
from dcos.metronome.core.state import Turn
from dcos.model.resources import Resources
from dcos.model.run_spec import RunSpec
from dcos.model.v1.types import OfferOperationType, OperationID, OperationState, OperationStatus
from dcos.store.base import SessionLost
from dcos.testing.sim import apps, clients, faults
from dcos.testing.sim.ensemble import SimEnsemble
from dcos.testing.sim.loop import Spinning, Stalled, VirtualLoop
from dcos.testing.sim.network import Answer, End, Network, Refused
from dcos.testing.sim.process import Life
from dcos.testing.sim.reservations import OperationNote, Reservations
from dcos.testing.sim.trace import Trace
from dcos.testing.sim.truth import Truth
from dcos.testing.sim.world import Scale, run_seed


@pytest.fixture
def loop() -> VirtualLoop:
    return VirtualLoop()


class _Owner:
    """What a life needs of a process."""

    def __init__(self, host: str, loop: VirtualLoop) -> None:
        self.host = self.name = host
        self.world = self
        self.rng = random.Random(1)
        self.loop = loop
        self.trace = Trace(loop, keep=True)


def life(host: str, loop: VirtualLoop) -> Life:
    return Life(_Owner(host, loop), 1)  # type: ignore[arg-type]


def test_a_day_passes_at_once(loop: VirtualLoop) -> None:
    loop.run_until_complete(asyncio.sleep(86400.0))
    assert loop.time() == 86400.0
    loop.close()


def test_waiting_for_nothing_and_turning_round_are_found(loop: VirtualLoop) -> None:
    async def wait() -> None:
        await loop.create_future()

    async def turn() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stalled):
        loop.run_until_complete(wait())
    with pytest.raises(Spinning):
        loop.run_until_complete(turn())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_connections_keep_order_hold_back_and_break(loop: VirtualLoop) -> None:
    network = Network(loop, random.Random(3), Trace(loop, keep=False))
    one, two = life("one", loop), life("two", loop)
    heard: list[object] = []

    async def serve(end: End, path: str, body: object) -> None:
        if path != "/":
            raise Refused(404, "no such thing")
        await end.write(Answer(200))
        while (message := await end.read()) != b"":
            heard.append(message)

    async def main() -> None:
        network.listen("two:1", two, serve)
        with pytest.raises(Refused, match="404"):
            await network.connect(one, "two:1", "/other")
        with pytest.raises(ConnectionResetError):
            await network.connect(one, "nobody:1", "/")
        end = await network.connect(one, "two:1", "/")
        for number in range(20):
            await end.write(number)
        await asyncio.sleep(1)
        assert heard == list(range(20))
        network.cut("one", "two")
        await end.write("held")
        await asyncio.sleep(10)
        assert heard[-1] == 19
        network.heal("one", "two")
        await asyncio.sleep(1)
        assert heard[-1] == "held"
        network.cut("one", "two")
        await end.write("never")
        await asyncio.sleep(200)
        with pytest.raises(ConnectionResetError):
            await end.write("noticed")
        assert heard[-1] == "held"

    loop.run_until_complete(main())
    for one_life in (one, two):
        one_life.end()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_session_ends_at_the_server_before_its_client_knows(loop: VirtualLoop) -> None:
    ensemble = SimEnsemble(lambda session, operations: None)
    owner = life("one", loop)

    async def main() -> None:
        session = ensemble.session_of(owner, 10.0, lambda: 0.001)
        other = ensemble.session_of(owner, 10.0, lambda: 0.001)
        await session.create("/mine", ephemeral=True)
        session.outage()
        reading = asyncio.ensure_future(session.get("/mine"))
        await asyncio.sleep(10.0)
        assert await other.get("/mine") is None
        assert not reading.done()
        session.back()
        with pytest.raises(SessionLost):
            await reading

    loop.run_until_complete(main())
    loop.close()


def test_a_seed_is_one_story() -> None:
    """Whatever the process: the same digest."""
    where = {**os.environ, "PYTHONHASHSEED": "7"}
    told = [
        subprocess.run(
            [sys.executable, "-m", "dcos.testing.sim", "--seed", "11"],
            env=where,
            capture_output=True,
            text=True,
            check=False,
        )
        for _ in range(2)
    ]
    digests = [re.findall(r"digest (\w+)", one.stdout) for one in told]
    assert len(digests[0]) == 1, told[0].stdout + told[0].stderr
    assert digests[0] == digests[1]


@pytest.mark.parametrize("fault", list(faults.TABLE), ids=lambda one: one.__name__)
def test_every_fault_can_happen_and_pass(fault: faults.Fault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "TABLE", {fault: 1})
    result = run_seed(5, tmp_path)
    assert result.ok, result.problems
    assert result.faults


def test_a_forgotten_checkpoint_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is not blind: an agent that loses a task's container over a restart fails the seed."""
    monkeypatch.setattr(faults, "TABLE", {faults.crash_agent: 1})
    monkeypatch.setattr("dcos.agent.checkpoint.Checkpoints.save_task", lambda *_: None)
    assert any(not run_seed(seed, tmp_path / str(seed)).ok for seed in range(20))


def test_resources_used_twice_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that take four times what they asked for."""

    def greedy(truth: Truth, task: str, wish: Resources) -> None:
        truth.wishes[task] = wish + wish + wish + wish

    monkeypatch.setattr(Truth, "asked", greedy)
    assert any("used twice" in one for seed in range(20) for one in run_seed(seed, tmp_path / str(seed)).problems)


def test_a_broken_promise_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new leader that forgets the weights that operators set."""
    monkeypatch.setattr(faults, "TABLE", {faults.set_weight: 3, faults.crash_leader: 1})
    assert all(run_seed(seed, tmp_path / str(seed)).ok for seed in range(2))
    monkeypatch.setattr("dcos.master.core.allocator.Allocator.replace_weights", lambda *_: None)
    assert any("promised" in one for seed in range(12) for one in run_seed(seed, tmp_path / f"b{seed}").problems)


# ---- the judge is not blind: what each of these breaks fails some seed ---------------------------------------------------


def suffering(monkeypatch: pytest.MonkeyPatch, *table: faults.Fault, **scale: Any) -> None:
    """Worlds that suffer ``table`` and have what ``scale`` names."""
    monkeypatch.setattr(faults, "TABLE", dict.fromkeys(table, 1))
    drawn = Scale.of
    monkeypatch.setattr(Scale, "of", lambda rng: dataclasses.replace(drawn(rng), agents=2, **scale))


def told(tmp_path: Path, words: str, seeds: int = 12) -> bool:
    """Whether the judge says ``words`` of some seed."""
    return any(words in one for seed in range(seeds) for one in run_seed(seed, tmp_path / str(seed)).problems)


def test_a_quota_limit_that_is_overrun_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffering(monkeypatch, faults.set_quota)
    monkeypatch.setattr("dcos.master.core.quota_account.QuotaAccount.room", lambda *_: {})
    assert told(tmp_path, "and was offered up to")


def test_a_forgotten_maintenance_schedule_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffering(monkeypatch, faults.schedule_maintenance, faults.crash_leader)
    monkeypatch.setattr("dcos.master.core.maintenance.recovered", lambda *_: None)
    assert told(tmp_path, "machine agent")


def test_offers_to_who_suppressed_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffering(monkeypatch, faults.kill_tasks)
    monkeypatch.setattr("dcos.master.core.allocator.Allocator.suppress", lambda *_: None)
    monkeypatch.setattr("dcos.testing.sim.offers.LATE_S", 5.0)
    assert told(tmp_path, "though it suppressed its role")


def test_nested_containers_that_outlive_their_parents_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> None:
        return None

    suffering(monkeypatch, faults.nest_container, faults.kill_tasks, whole=True)
    monkeypatch.setattr("dcos.agent.nested.NestedContainers._orphans", nothing)
    assert told(tmp_path, "still has container")


def test_an_end_of_an_operation_that_changes_is_seen_but_not_what_became_of_a_forgotten_ones_agent(
    loop: VirtualLoop,
) -> None:
    world = _Owner("f1", loop)
    made = Reservations(world, "f1", "role")  # type: ignore[arg-type]
    kind, done = OfferOperationType.RESERVE, OperationState.OPERATION_FINISHED
    made.notes["f1.op1"] = OperationNote("f1.op1", kind, "S1", "f1.op1", done, final=True)
    gone = OperationStatus(
        operation_id=OperationID(value="f1.op1"),
        state=OperationState.OPERATION_GONE_BY_OPERATOR,
        message="Reconciliation: Agent marked gone by operator",
    )
    made.told(gone)
    assert not world.trace.violations
    made.told(msgspec.structs.replace(gone, message="Agent has been marked gone"))
    assert "was OPERATION_FINISHED and is OPERATION_GONE_BY_OPERATOR" in str(world.trace.violations)
    loop.close()


def test_an_upgrade_that_kills_too_many_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffering(monkeypatch, faults.change_apps, marathon=True)
    monkeypatch.setattr("dcos.marathon.core.deploy.limits", lambda spec: (0, spec.instances + 1))
    assert told(tmp_path, "healthy instances of at least", 30)


def more_than_there_was(spec: RunSpec, crew: deploy.Crew, *_: Any) -> deploy.Decision:
    """A pause in which an app grows as far as its update would let it."""
    return deploy.Decision(max(0, deploy.limits(spec)[1] - crew.occupying), waits="paused")


@pytest.mark.parametrize(
    ("broken", "with_", "words"),
    [
        ("rollout.share", lambda *_: None, "its step allows"),
        ("deploy.hold", lambda spec, crew, *_: deploy.restart(spec, crew), "is paused"),
        ("deploy.hold", more_than_there_was, "there were at the pause"),
        ("deployments.go_on", lambda turn, one, **_: deployments.known(turn, one), "after the pause: deployment"),
        ("deploy.stop", lambda _: deploy.Decision(done=True), "is left of what is no more wanted"),
        ("numbering.Numbers.lowest", lambda *_: 0, "instances with the number 0"),
        ("deployments._explain", lambda *_: "", "does not say why it waits"),
        ("everywhere.effective", lambda _, __, spec: spec, "/everywhere has"),
        ("autoscaling.sampled", lambda *_: None, "/scaled has"),
        ("rebalancing.look", lambda *_: None, "/balanced is spread"),
        ("tasks.probed", lambda *_: None, "is not healthy"),
        ("residents.reservations.release", lambda *_: [], "which is no more"),
        ("residents.reservations.has_volumes", lambda *_: False, "/keep/"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_marathon_does_wrong_is_seen(
    broken: str, with_: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffering(monkeypatch, faults.change_apps, faults.crash_agent, marathon=True)
    monkeypatch.setattr(clients, "SPECIAL", len(apps.SPECIAL))
    monkeypatch.setattr(f"dcos.marathon.core.{broken}", with_)
    assert told(tmp_path, words, 40)


def test_a_run_that_is_lost_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffering(monkeypatch, faults.change_jobs, metronome=True)
    monkeypatch.setattr("dcos.metronome.core.state.Turn.save_history", lambda *_: None)
    assert told(tmp_path, "stands 0 times in the history")


def begin_all(turn: Turn, parent: str) -> None:
    """Whatever depends on ``parent``, though it needs others too, and whether or not it runs."""
    for job in list(turn.state.jobs.values()):
        if any(one.id == parent for one in job.dependencies):
            runs.begin(turn, job)


@pytest.mark.parametrize(
    ("way", "words"), [(lambda *_: None, "was not begun though"), (begin_all, "its parents give no reason")]
)
def test_a_dependent_run_that_begins_wrongly_is_seen(
    way: Any, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffering(monkeypatch, faults.change_jobs, metronome=True)
    monkeypatch.setattr("dcos.metronome.core.runs._begin_dependants", way)
    assert told(tmp_path, words, 40)


def test_a_run_that_is_done_twice_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Metronome that restarts what is not to be restarted."""
    suffering(monkeypatch, faults.change_jobs, metronome=True)
    monkeypatch.setattr("dcos.metronome.core.runs._may_restart", lambda _, run: len(run.tasks) < 3)
    assert told(tmp_path, "is not to be restarted")
