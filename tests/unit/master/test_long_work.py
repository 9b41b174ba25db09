"""Work on thousands of things is left for later, bit by bit, and comes out as if it had been done at once."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from dcos.master import writer as writer_module
from dcos.master.core import effects
from dcos.master.core.events import Event, SchedulerCall, StreamClosed, Teardown
from dcos.master.core.step import begin, go_on, settle
from dcos.master.writer import Writer
from dcos.model.v1 import scheduler
from dcos.model.v1.types import FrameworkID
from dcos.runtime.clock import SystemClock
from tests.unit.master.stage import Stage, launch, task
from tests.unit.master.test_snapshots import registration

AGENTS = 30


def filled() -> tuple[Stage, str, str]:
    """A framework with 15 tasks and 15 offers: its id and its stream."""
    stage = Stage()
    for number in range(AGENTS):
        stage.say(f"link-{number}", registration(number))
    framework, stream = stage.subscribe()
    for number, offer in enumerate(stage.offers(stream)[: AGENTS // 2]):
        stage.accept(framework, [offer], [launch(task(f"t{number}", offer.agent_id.value))], refuse_s=1000)
    stage.clear()
    return stage, framework, stream


def declined(stage: Stage, framework: str, stream: str) -> Event:
    offers = tuple(one.message.id for one in stage.state.offers.values())
    call = scheduler.Call(
        type=scheduler.CallType.DECLINE,
        framework_id=FrameworkID(value=framework),
        decline=scheduler.CallDecline(offer_ids=offers),
    )
    return SchedulerCall(stage.now, 1, stream, call)


def reconciled(stage: Stage, framework: str, stream: str) -> Event:
    call = scheduler.Call(
        type=scheduler.CallType.RECONCILE,
        framework_id=FrameworkID(value=framework),
        reconcile=scheduler.CallReconcile(),
    )
    return SchedulerCall(stage.now, 1, stream, call)


def torn(stage: Stage, framework: str, stream: str) -> Event:
    return Teardown(stage.now, 1, framework)


def closed(stage: Stage, framework: str, stream: str) -> Event:
    return StreamClosed(stage.now, stream)


def outcome(stage: Stage) -> object:
    state = stage.state
    return (
        sorted(state.offers),
        {one.id: (len(one.tasks), len(one.completed), one.active) for one in state.frameworks.values()},
        [(one.id, len(one.completed)) for one in state.completed.values()],
        {one.id: (one.used, one.offered, len(one.tasks)) for one in state.agents.values()},
        state.counters,
    )


@pytest.mark.parametrize("made", [declined, reconciled, torn, closed])
def test_bit_by_bit_is_as_at_once(made: object) -> None:
    assert callable(made)
    (whole, *one), (parted, *other) = filled(), filled()
    at_once = whole.do(made(whole, *one))
    state, now = parted.state, parted.now
    begin(state, made(parted, *other))
    bits = 0
    while state.rest:
        go_on(state)
        settle(state, now)
        bits += 1
    settle(state, now)
    assert bits >= AGENTS // 2
    assert outcome(parted) == outcome(whole)
    told = effects.ToAgent | effects.ToScheduler | effects.CloseStream
    assert [one for one in state.take_effects() if isinstance(one, told)] == [
        one for one in at_once if isinstance(one, told)
    ]


async def test_others_run_between_two_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "SLICE_S", -1)
    stage, framework, _ = filled()
    writer = Writer(stage.state, SystemClock(), store_timeout_s=5, max_subscribers=1)
    number, answer = writer.request()
    writer.put(Teardown(writer.now(), number, framework))
    running = asyncio.create_task(writer.run())
    turns = 0
    while not answer.done():
        turns += 1
        await asyncio.sleep(0)
    assert (await answer).status == 200
    assert turns > AGENTS
    assert framework not in stage.state.frameworks
    assert framework in stage.state.completed
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
