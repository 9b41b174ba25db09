"""What operators set outlives the leader: a real ZooKeeper, real masters killed with kill -9, a real agent drained."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dcos.client.scheduler import CallFailed, CallRefused, NotSubscribed, SchedulerClient
from dcos.model.v1.scheduler import EventType
from dcos.model.v1.types import AgentID, CommandInfo, Resource, TaskID, TaskInfo, ValueScalar, ValueType
from dcos.store.detect import follow_leading_master
from dcos.store.url import ZkUrl
from dcos.testing.patience import PATIENCE_S
from dcos.testing.processes import Processes
from tests.integration.master.conftest import MasterProcess, until
from tests.integration.master.test_master_process import FRAMEWORK, Scheduler, Start

pytestmark = pytest.mark.integration


def ask(master: MasterProcess, path: str, body: Any, method: str = "POST") -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://{master.address}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def call(master: MasterProcess, kind: str, **member: Any) -> tuple[int, str]:
    return ask(master, "/api/v1", {"type": kind, kind.lower(): member})


async def test_settings_outlive_the_leader(start: Start, zk: str) -> None:
    first = start()
    await first.until_leading(90)
    second = start()
    quota = {"role": "a", "guarantees": {"cpus": {"value": 2.0}}, "limits": {"cpus": {"value": 4.0}}}
    window = {
        "machine_ids": [{"hostname": "h", "ip": "10.1.2.3"}, {"hostname": "g"}],
        "unavailability": {"start": {"nanoseconds": 1}, "duration": {"nanoseconds": 2}},
    }
    other = {"machine_ids": [{"ip": "10.9.9.9"}], "unavailability": {"start": {"nanoseconds": 3}}}
    for path, body, method in [
        ("/weights", [{"role": "a", "weight": 2.5}, {"role": "a/b", "weight": 1.0}], "PUT"),
        ("/api/v1", {"type": "UPDATE_QUOTA", "update_quota": {"force": True, "quota_configs": [quota]}}, "POST"),
        ("/maintenance/schedule", {"windows": [window, other]}, "POST"),
        ("/machine/down", [{"ip": "10.9.9.9"}], "POST"),
    ]:
        assert await asyncio.to_thread(ask, first, path, body, method) == (200, "")
    paths = ("/weights", "/quota", "/maintenance/schedule", "/maintenance/status")
    before = {path: await asyncio.to_thread(first.get, path) for path in paths}
    first.kill()
    await second.until_leading(90)
    assert {path: await asyncio.to_thread(second.get, path) for path in paths} == before
    assert before["/maintenance/schedule"] == {"windows": [window, other]}
    assert before["/maintenance/status"]["down_machines"] == [{"ip": "10.9.9.9"}]
    assert await asyncio.to_thread(ask, second, "/quota/a", None, "DELETE") == (200, "")
    assert await asyncio.to_thread(second.get, "/quota") == {}


class Patient(Scheduler):
    """Goes on when a call could not be made; what matters comes again."""

    async def run(self) -> None:
        async for event in self.client.events():
            self.events.append(event)
            with contextlib.suppress(NotSubscribed, CallFailed, CallRefused):
                if event.type is EventType.SUBSCRIBED:
                    self.subscriptions += 1
                elif event.offers is not None:
                    for offer in event.offers.offers:
                        await self._use(offer)
                elif event.update is not None:
                    self.statuses.append(event.update.status)
                    await self.client.acknowledge(event.update.status)


@contextlib.asynccontextmanager
async def patient(master: MasterProcess, zk: str) -> AsyncIterator[Patient]:
    url = ZkUrl.parse(f"zk://{zk}{master.zk_path}")
    detect = follow_leading_master(url, rng=random.Random(1), session_timeout_s=10.0)
    async with SchedulerClient(detect, FRAMEWORK, backoff_s=(0.1, 0.5)) as client:
        made = Patient(client)
        runner = asyncio.create_task(made.run())
        try:
            await until(lambda: made.subscriptions > 0)
            yield made
        finally:
            runner.cancel()
            await asyncio.gather(runner, return_exceptions=True)


def start_agent(services: Processes, zk: str, master: MasterProcess) -> None:
    services.start(
        "agent", "dcos.agent", f"--master=zk://{zk}{master.zk_path}", "--ip=127.0.0.1",
        f"--port={services.port('agent')}", f"--work_dir={services.folder / 'agent'}",
        f"--runtime_dir={services.folder / 'run'}", "--launcher=posix", "--isolation=posix/cpu,posix/mem",
        "--hostname=127.0.0.1", "--no-systemd_enable_support", "--resources=cpus:2;mem:1024", "--no-switch_user",
    )  # fmt: skip


async def test_a_drain_goes_on_whoever_dies(start: Start, zk: str, tmp_path: Path) -> None:
    first = start()
    await first.until_leading(90)
    second = start()
    folder = tmp_path / "services"
    folder.mkdir()
    marker = tmp_path / "told-to-end"
    stubborn = TaskInfo(
        name="stubborn",
        task_id=TaskID(value="stubborn"),
        agent_id=AgentID(value="of the offer"),
        resources=tuple(
            Resource(name=name, type=ValueType.SCALAR, scalar=ValueScalar(value=value))
            for name, value in (("cpus", 0.5), ("mem", 64.0))
        ),
        command=CommandInfo(
            value=f"trap 'touch {marker}' TERM; i=0; while [ $i -lt 6000 ]; do i=$((i+1)); sleep 0.1; done"
        ),
    )
    with Processes(folder, f"zk://{zk}") as services:
        start_agent(services, zk, first)
        async with patient(first, zk) as framework:
            framework.wanted = [stubborn]
            await until(lambda: framework.states("stubborn")[-1:] == ["TASK_RUNNING"], 60)
            (shown,) = (await asyncio.to_thread(first.get, "/slaves"))["slaves"]
            ident = {"value": shown["id"]}
            status, text = await asyncio.to_thread(
                call, first, "DRAIN_AGENT", agent_id=ident, max_grace_period={"seconds": 600}
            )
            assert (status, text) == (200, "")
            await until(marker.exists, 60)
            (shown,) = (await asyncio.to_thread(first.get, "/slaves"))["slaves"]
            assert shown["drain_info"]["state"] == "DRAINING"
            assert shown["deactivated"] is True
            agent_state = await asyncio.to_thread(services.get, "agent", "/state")
            assert agent_state["drain_config"] == {"max_grace_period": {"nanoseconds": 600 * 10**9}, "mark_gone": False}
            # leader and agent die in the middle
            services.stop("agent", signal.SIGKILL)
            first.kill()
            await second.until_leading(90)
            start_agent(services, zk, second)
            await until(lambda: framework.subscriptions == 2, 60)
            await until(lambda: bool(second.get("/slaves")["slaves"]), 60)
            (shown,) = (await asyncio.to_thread(second.get, "/slaves"))["slaves"]
            assert shown["id"] == ident["value"]
            assert shown["drain_info"]["state"] == "DRAINING"
            # a new drain may shorten the wait
            done = await asyncio.to_thread(
                call, second, "DRAIN_AGENT", agent_id=ident, max_grace_period={"seconds": 0, "nanos": 1}
            )
            assert done == (200, "")
            await until(lambda: framework.states("stubborn")[-1:] == ["TASK_KILLED"], 60)
            assert str(framework.statuses[-1].reason) == "REASON_AGENT_DRAINING"
            await until(lambda: second.get("/slaves")["slaves"][0]["drain_info"]["state"] == "DRAINED", 60)
            agent_state = await asyncio.to_thread(services.get, "agent", "/state")
            assert "drain_config" not in agent_state
            framework.offers.clear()
            assert await asyncio.to_thread(call, second, "REACTIVATE_AGENT", agent_id=ident) == (200, "")
            await until(lambda: bool(framework.offers), 60)
            await framework.client.teardown()
