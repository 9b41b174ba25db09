"""Every event of upstream's stream is told, with upstream's members.   Source: Marathon's event types."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any

import pytest

from dcos.marathon.core import events
from dcos.marathon.stream import Subscriber
from dcos.model.v1 import scheduler as s
from dcos.model.v1 import types as t
from dcos.model.v1.scheduler import Event, EventType
from dcos.testing.patience import PATIENCE_S
from tests.unit.marathon.conftest import House, Running

MEMBERS: dict[str, set[str]] = {
    "event_stream_attached": {"remoteAddress"},
    "event_stream_detached": {"remoteAddress"},
    "api_post_event": {"clientIp", "uri", "appDefinition"},
    "pod_created_event": {"clientIp", "uri"},
    "pod_updated_event": {"clientIp", "uri"},
    "pod_deleted_event": {"clientIp", "uri"},
    "status_update_event": {
        *("slaveId", "taskId", "taskStatus", "message", "appId", "host", "ipAddresses", "ports", "version"),
    },
    "instance_changed_event": {"instanceId", "condition", "runSpecId", "agentId", "host", "runSpecVersion"},
    "instance_health_changed_event": {"instanceId", "runSpecId", "runSpecVersion", "healthy"},
    "unknown_instance_terminated_event": {"instanceId", "runSpecId", "condition"},
    "add_health_check_event": {"appId", "version", "healthCheck"},
    "remove_health_check_event": {"appId"},
    "failed_health_check_event": {"appId", "taskId", "healthCheck"},
    "health_status_changed_event": {"appId", "instanceId", "version", "alive"},
    "unhealthy_instance_kill_event": {
        *("appId", "taskId", "instanceId", "version", "reason", "host", "slaveId"),
    },
    "group_change_success": {"groupId", "version"},
    "group_change_failed": {"groupId", "version", "reason"},
    "deployment_success": {"id", "plan"},
    "deployment_failed": {"id", "plan", "reason"},
    "deployment_info": {"plan", "currentStep"},
    "deployment_step_success": {"plan", "currentStep"},
    "deployment_step_failure": {"plan", "currentStep"},
    "app_terminated_event": {"appId"},
    "scheduler_registered_event": {"frameworkId", "master"},
    "scheduler_reregistered_event": {"master"},
    "scheduler_disconnected_event": set(),
    "framework_message_event": {"executorId", "slaveId", "message"},
}


class Heard:
    """What a client of the stream hears."""

    def __init__(self, subscriber: Subscriber) -> None:
        self._subscriber = subscriber
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def has(self, kind: str) -> bool:
        while not self._subscriber.queue.empty():
            first, second, *_ = self._subscriber.queue.get_nowait().decode().split("\n")
            event = json.loads(second.removeprefix("data: "))
            assert first == f"event: {event['eventType']}"
            self.events[event["eventType"]].append(event)
        return kind in self.events


@pytest.fixture
async def heard(house: House) -> Any:
    """Everything that could happen happened, in one life of a leader."""
    async with house.marathon() as marathon:
        heard = Heard(marathon.service.bus.attach([], "10.0.0.9"))
        await _live(house, marathon, heard)
        yield heard


async def _live(house: House, marathon: Running, heard: Heard) -> None:
    async def told(kind: str) -> None:
        await marathon.until(kind, lambda: heard.has(kind))

    house.mesos.subscribe()  # another time: once it has registered before this client came
    await told("scheduler_reregistered_event")
    other = marathon.service.bus.attach(["none"], "10.0.0.8")
    marathon.service.bus.detach(other, "10.0.0.8")

    check = {"protocol": "TCP", "gracePeriodSeconds": 0, "intervalSeconds": 600, "maxConsecutiveFailures": 2}
    app = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "healthChecks": [check], "backoffSeconds": 0}
    await marathon.ask("POST", "/v2/apps", app, 201)
    await marathon.until("runs", lambda: marathon.running() == 1)
    [instance] = marathon.leader.state.instances
    await marathon.leader.ask(events.Probed(instance, 0, True))
    await told("deployment_success")
    for _ in range(2):
        await marathon.leader.ask(events.Probed(instance, 0, False, "refused"))
    await told("unhealthy_instance_kill_event")
    await marathon.ask("POST", "/v2/apps", app, 409)
    await marathon.ask("PUT", "/v2/apps/web", {"cpus": 1000}, 200)
    await marathon.ask("DELETE", "/v2/apps/web?force=true", status=200)
    await told("app_terminated_event")

    container = {"name": "one", "resources": {"cpus": 0.1, "mem": 32}, "exec": {"command": {"shell": "sleep 1000"}}}
    await marathon.ask("POST", "/v2/pods", {"id": "/pair", "containers": [container]}, 201)
    await marathon.settled()
    await marathon.ask("PUT", "/v2/pods/pair", {"id": "/pair", "containers": [container], "labels": {"a": "b"}}, 200)
    await marathon.settled()
    await marathon.ask("DELETE", "/v2/pods/pair", status=202)

    status = t.TaskStatus(
        task_id=t.TaskID(value="old.instance-1de3ac86-5f6b-4b53-b4f5-13a1d4a9b2f0._app.1"),
        state=t.TaskState.TASK_FAILED,
    )
    house.mesos._emit(Event(type=EventType.UPDATE, update=s.EventUpdate(status=status)))
    message = s.EventMessage(agent_id=t.AgentID(value="S1"), executor_id=t.ExecutorID(value="e"), data=b"hi")
    house.mesos._emit(Event(type=EventType.MESSAGE, message=message))
    await told("framework_message_event")
    await marathon.leader.ask(events.Disconnected())
    await told("scheduler_disconnected_event")
    marathon.leader.state.framework_id = None
    await marathon.leader.ask(events.Subscribed("F2", "10.0.0.1:5050"))
    await told("scheduler_registered_event")


async def test_each_has_its_members(heard: Heard) -> None:
    assert set(MEMBERS) - set(heard.events) == set()
    for kind, wanted in MEMBERS.items():
        for event in heard.events[kind]:
            assert wanted <= set(event), event
            assert event["timestamp"].endswith("Z")


async def test_what_they_say(heard: Heard) -> None:
    [message] = heard.events["framework_message_event"]
    assert message["message"] == [104, 105]
    [unknown] = heard.events["unknown_instance_terminated_event"]
    assert (unknown["runSpecId"], unknown["condition"]) == ("/old", "Failed")
    assert [one["alive"] for one in heard.events["health_status_changed_event"]] == [True, False]
    [killed] = heard.events["unhealthy_instance_kill_event"]
    assert (killed["reason"], killed["appId"]) == ("refused", "/web")
    created = heard.events["api_post_event"][0]
    assert (created["uri"], created["appDefinition"]["id"]) == ("/v2/apps", "/web")
    conditions = [one["condition"] for one in heard.events["instance_changed_event"] if one["runSpecId"] == "/web"]
    assert conditions[:3] == ["Provisioned", "Starting", "Running"]
    failed = heard.events["deployment_failed"]
    assert "replaced by deployment" in failed[0]["reason"]
    plan = heard.events["deployment_info"][0]
    assert set(plan["plan"]) == {"id", "version", "steps", "original", "target"}
    assert plan["currentStep"]["actions"] == [{"action": "StartApplication", "app": "/web"}]


async def test_extensions_of_an_app_are_told_to_who_asks_for_them(house: House) -> None:
    growth = {"instances": "all", "upgradeStrategy": {"steps": [{"percent": 50}], "maximumOverCapacity": 0}}
    async with house.marathon() as marathon:
        bus = marathon.service.bus
        plain, whole = Heard(bus.attach([], "a")), Heard(bus.attach([], "b", extensions=True))
        await marathon.ask("POST", "/v2/apps", {"id": "/web", "cmd": "sleep 1000", **growth}, 201)
        await marathon.ask("PUT", "/v2/apps/plain", {"cmd": "sleep 1000"}, 201)
        for heard in (plain, whole):
            assert heard.has("api_post_event")
        shown, ordinary = [one["appDefinition"] for one in plain.events["api_post_event"]]
        assert shown["upgradeStrategy"] == {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 0.0}
        assert {"instancesMode", "autoscaling", "rebalance"}.isdisjoint({**shown, **ordinary})
        known = [one["appDefinition"] for one in whole.events["api_post_event"]]
        assert (known[0]["instancesMode"], known[0]["upgradeStrategy"]["steps"]) == ("all", [{"percent": 50.0}])
        assert known[1] == ordinary, "who uses none shows none"


async def test_a_slow_client_is_dropped(house: House) -> None:
    async with house.marathon() as marathon:
        bus = marathon.service.bus
        slow = bus.attach([], "10.0.0.9")
        for number in range(200):
            bus.publish("x", {"number": number})
        await asyncio.wait_for(slow.overrun.wait(), PATIENCE_S)
        assert bus.attached == 0
