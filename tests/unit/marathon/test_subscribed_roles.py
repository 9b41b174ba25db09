"""The master hears of the roles of apps, also when it did not listen the first time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from dcos.client.scheduler import CallFailed, CallRefused, NotSubscribed, SchedulerError
from dcos.marathon.subscribed_roles import SubscribedRoles
from dcos.model.v1.scheduler import Call, CallType
from dcos.model.v1.types import FrameworkInfo
from dcos.testing.fake_mesos import FakeMesos
from tests.unit.marathon.conftest import House

APP: dict[str, Any] = {"id": "/dev/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 0, "role": "dev"}


@dataclass
class FakeClient:
    framework: FrameworkInfo
    subscribed: bool = True


@dataclass
class Deaf(FakeMesos):
    """A master that does not take the first updates."""

    failures: list[SchedulerError] = field(default_factory=list)
    updates: list[tuple[str, ...]] = field(default_factory=list)

    async def call(self, call: Call) -> None:
        if call.type is CallType.UPDATE_FRAMEWORK and call.update_framework is not None:
            self.updates.append(call.update_framework.framework_info.roles)
            if self.failures:
                raise self.failures.pop(0)
        await super().call(call)


@pytest.mark.parametrize(
    "failure", [CallFailed("lost"), CallRefused(503, "recovering"), NotSubscribed("gone")], ids=str
)
async def test_an_update_that_was_not_taken_is_sent_again(failure: SchedulerError) -> None:
    mesos = Deaf(failures=[failure, failure])
    async with House(mesos=mesos).marathon() as marathon:
        client = FakeClient(FrameworkInfo(user="root", name="marathon", roles=("*",)))
        woken: list[int] = []
        roles = SubscribedRoles(marathon.leader, client, "*", lambda: woken.append(1), backoff_s=(0.01, 0.04))
        roles.keep()
        assert mesos.updates == [], "nothing is new"
        await marathon.ask("POST", "/v2/apps", APP, 201)
        for number in (1, 2, 3):
            roles.keep()
            roles.keep()
            await marathon.until("sent", lambda number=number: len(mesos.updates) == number)  # type: ignore[misc]
            if number < 3:
                await marathon.until("time to send it again", lambda number=number: len(woken) == number)  # type: ignore[misc]
        assert mesos.updates == [("*", "dev")] * 3
        await marathon.until("taken", lambda: CallType.UPDATE_FRAMEWORK in {one.type for one in mesos.calls})
        roles.keep()
        await marathon.tick(1.0)
        assert len(mesos.updates) == 3, "once it is taken it is not repeated"
        assert len(woken) == 2


async def test_an_update_waits_for_the_subscription() -> None:
    mesos = Deaf()
    async with House(mesos=mesos).marathon() as marathon:
        client = FakeClient(FrameworkInfo(user="root", name="marathon", roles=("*",)), subscribed=False)
        roles = SubscribedRoles(marathon.leader, client, "*", lambda: None)
        await marathon.ask("POST", "/v2/apps", APP, 201)
        roles.keep()
        assert client.framework.roles == ("*",)
        client.subscribed = True
        roles.keep()
        await marathon.until("sent", lambda: mesos.updates == [("*", "dev")])
