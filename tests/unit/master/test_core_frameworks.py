"""The master's decisions about frameworks: subscription, failover, updates, teardown."""

from __future__ import annotations

import msgspec
import pytest

from dcos.master.core import effects
from dcos.master.core.events import Teardown
from dcos.master.core.state import Rules
from dcos.model.v1 import scheduler
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import (
    FrameworkInfo,
    FrameworkInfoCapabilityType,
    OfferFilters,
    OfferFiltersMinAllocatableResources,
    OfferFiltersResourceQuantities,
    TaskState,
    ValueScalar,
)
from dcos.wire import agent_link
from tests.unit.master.stage import Stage, framework_info

LEGACY: tuple[FrameworkInfoCapabilityType, ...] = ()


def test_subscribed_comes_first_then_a_heartbeat_then_offers() -> None:
    stage = Stage()
    agent, _ = stage.agent()
    framework, stream = stage.subscribe()
    assert framework == "m-0000"
    assert [str(event.type) for event in stage.events(stream)] == ["SUBSCRIBED", "HEARTBEAT", "OFFERS"]
    (offer,) = stage.offers(stream)
    assert offer.id.value == "m-O0"
    assert offer.agent_id.value == agent == "m-S0"
    assert offer.url is not None
    assert offer.url.path == "/slave(1)"
    assert {one.allocation_info.role for one in offer.resources if one.allocation_info} == {"r"}


def test_old_frameworks_see_the_old_form() -> None:
    stage = Stage()
    stage.agent("cpus(*):1;mem:64")
    _, stream = stage.subscribe(framework_info("old", capabilities=LEGACY))
    (offer,) = stage.offers(stream)
    assert offer.allocation_info is None
    assert {(one.role, one.allocation_info) for one in offer.resources} == {("*", None)}


def filtered(quantities: dict[str, ValueScalar]) -> FrameworkInfo:
    wanted = OfferFiltersMinAllocatableResources(quantities=(OfferFiltersResourceQuantities(quantities=quantities),))
    filters = OfferFilters(min_allocatable_resources=wanted)
    return msgspec.structs.replace(framework_info("f"), offer_filters={"r": filters})


@pytest.mark.parametrize(
    ("info", "rules", "text"),
    [
        (framework_info("f", "a/"), Rules(), "cannot end with a slash"),
        (framework_info("f", "a", "a"), Rules(), "duplicate items"),
        (
            framework_info("f", "x"),
            Rules(roles=frozenset({"y"})),
            "Roles { x } are not present in the master's --roles",
        ),
        (framework_info("f"), Rules(root_submissions=False), "User 'root' is not allowed"),
        (framework_info("f", framework_id="a/b"), Rules(), "contains invalid characters"),
        (framework_info("f", failover_timeout=1e300), Rules(), "The framework failover_timeout (1e+300) is invalid"),
        (
            msgspec.structs.replace(framework_info("f"), role="r"),
            Rules(),
            "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable",
        ),
        (
            msgspec.structs.replace(framework_info("f", capabilities=LEGACY), roles=("r",)),
            Rules(),
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        (
            framework_info("f", "-x", capabilities=LEGACY),
            Rules(),
            "'FrameworkInfo.role' is not a valid role: Role component '-x' is invalid because it begins with a dash",
        ),
        (filtered({}), Rules(), "Resource quantities must contain at least one quantity"),
        (
            filtered({"cpus": ValueScalar(value=-1)}),
            Rules(),
            "Invalid resource quantity for 'cpus': Negative values not supported",
        ),
    ],
    ids=range(11),
)
def test_a_bad_framework_gets_an_error_and_the_end(info: object, rules: Rules, text: str) -> None:
    stage = Stage(rules)
    _, stream = stage.subscribe(info)  # type: ignore[arg-type]
    (event,) = stage.events(stream)
    assert event.error is not None
    assert text in event.error.message
    assert effects.CloseStream(stream) in stage.effects
    assert not stage.state.frameworks


def test_a_successor_ends_its_predecessor() -> None:
    stage = Stage()
    stage.agent()
    framework, first = stage.subscribe(framework_info(failover_timeout=10))
    stage.clear()
    _, second = stage.subscribe(framework_info(failover_timeout=10, framework_id=framework))
    (error,) = stage.events(first)
    assert error.error is not None
    assert error.error.message == "Framework failed over"
    assert "RESCIND" not in stage.kinds(first)
    assert stage.kinds(second) == ["SUBSCRIBED"]
    stage.close(first)
    assert stage.state.frameworks[framework].connected
    stage.wait(1)
    assert len(stage.offers(second)) == 1


def test_a_framework_outlives_its_scheduler_for_the_failover_timeout() -> None:
    stage = Stage()
    _, link = stage.agent()
    framework, stream = stage.subscribe(framework_info(failover_timeout=10))
    stage.run_task(framework)
    stage.close(stream)
    assert stage.state.offers == {}
    stage.wait(9)
    _, stream = stage.subscribe(framework_info(failover_timeout=10, framework_id=framework))
    stage.wait(5)
    assert list(stage.state.frameworks[framework].tasks) == ["t"]
    stage.close(stream)
    stage.wait(11)
    assert framework in stage.state.completed
    assert [one.framework_id.value for one in stage.sent(link, agent_link.ShutdownFramework)] == [framework]
    (done,) = stage.state.completed[framework].completed
    assert done.message.state is TaskState.TASK_KILLED
    _, stream = stage.subscribe(framework_info(framework_id=framework))
    assert stage.events(stream)[0].error is not None


def test_the_default_failover_timeout_removes_at_once() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.close(stream)
    stage.wait(0)
    assert framework in stage.state.completed


def test_principals_do_not_change() -> None:
    stage = Stage()
    framework, _ = stage.subscribe(framework_info(principal="a"))
    _, stream = stage.subscribe(framework_info(principal="b", framework_id=framework))
    assert stage.events(stream)[0].error is not None
    assert stage.state.frameworks[framework].connected


def test_calls_are_checked_in_order() -> None:
    stage = Stage()
    framework, stream = stage.subscribe(framework_info(failover_timeout=10))
    revive = Call(type=CallType.REVIVE)
    assert stage.call("nope", revive).text == "Framework cannot be found"
    assert stage.call(framework, revive, stream=None).status == 400
    assert stage.call(framework, revive, stream="other").status == 400
    assert stage.call(framework, revive).status == 202
    assert stage.call(framework, Call(type=CallType.UNKNOWN)).status == 501
    stage.close(stream)
    assert stage.call(framework, revive, stream=stream).status == 403


def test_update_framework_is_all_or_nothing() -> None:
    stage = Stage()
    stage.agent()
    framework, stream = stage.subscribe(framework_info("fw", "a"))
    stage.clear()

    def update(info: object) -> effects.Answer:
        call = scheduler.CallUpdateFramework(framework_info=info)  # type: ignore[arg-type]
        return stage.call(framework, Call(type=CallType.UPDATE_FRAMEWORK, update_framework=call))

    assert update(framework_info("fw", "b", framework_id=framework, principal="x")).status == 400
    assert stage.kinds(stream) == []
    assert update(framework_info("fw", "b", framework_id=framework)).status == 200
    assert stage.kinds(stream)[0] == "RESCIND"
    allocation = stage.offers(stream)[0].allocation_info
    assert allocation is not None
    assert allocation.role == "b"


def test_teardown_by_an_operator() -> None:
    stage = Stage()
    framework, stream = stage.subscribe()
    stage.do(Teardown(stage.now, 1, "nope"))
    stage.do(Teardown(stage.now, 2, framework))
    answers = [one for one in stage.effects if isinstance(one, effects.Answer)]
    assert [one.status for one in answers] == [400, 200]
    assert effects.CloseStream(stream) in stage.effects
