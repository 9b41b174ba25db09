"""A Mesos master's operator face for tests: event stream, ``/state`` and ``/redirect``, over a state that the test edits.

async with FakeMaster() as master:
    agent = master.add_agent("10.0.0.2")
    framework = master.add_framework("marathon")
    task = await master.run_task(framework, agent, "web", host_ports=[31000])
    await master.update(task, "TASK_FINISHED")
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from dcos.runtime import http
from dcos.wire import recordio

_TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_GONE")


class FakeMaster:
    """``stream`` False: a master that does not know SUBSCRIBE. ``sock``: serve on this socket instead. ``tls``: by HTTPS only.
    ``lets_in``: who does not send this gets 401."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        stream: bool = True,
        sock: socket.socket | None = None,
        tls: ssl.SSLContext | None = None,
        lets_in: str | None = None,
    ) -> None:
        self._tls = tls
        self._lets_in = lets_in
        self._sock = sock
        self.host = host
        self.port = port
        self.stream = stream
        self.agents: dict[str, dict[str, Any]] = {}
        self.frameworks: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.requests: list[str] = []
        self._subscribers: set[web.StreamResponse] = set()
        self._numbers = itertools.count()
        self._clock = itertools.count(1_700_000_000)
        self._stack = contextlib.AsyncExitStack()

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    async def __aenter__(self) -> Self:
        app = http.application()
        app.router.add_post("/api/v1", self._api)
        app.router.add_get("/state", self._state)
        app.router.add_get("/master/redirect", self._redirect)
        if self._sock is None:
            _, self.port = await self._stack.enter_async_context(
                http.listen(app, host=self.host, port=self.port, tls=self._tls)
            )
        else:
            self.host, self.port = self._sock.getsockname()[:2]
            runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
            await runner.setup()
            self._stack.push_async_callback(runner.cleanup)
            await web.SockSite(runner, self._sock).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()
        await self._stack.aclose()

    def hang_up(self) -> None:
        """End every event stream."""
        for subscriber in self._subscribers:
            if subscriber.prepared and subscriber._req is not None and subscriber._req.transport is not None:
                subscriber._req.transport.close()
        self._subscribers.clear()

    # ---- the state ---------------------------------------------------------------------------------------------------

    def add_agent(self, ip: str, port: int = 5051) -> str:
        agent_id = f"11111111-2222-S{next(self._numbers)}"
        self.agents[agent_id] = {
            "agent_info": {"id": {"value": agent_id}, "hostname": ip, "port": port},
            "active": True,
            "version": "1.11.0",
            "pid": f"slave(1)@{ip}:{port}",
        }
        return agent_id

    def add_framework(self, name: str, hostname: str = "10.0.0.1") -> str:
        framework_id = f"11111111-2222-{next(self._numbers):04}"
        self.frameworks[framework_id] = {
            "framework_info": {"id": {"value": framework_id}, "name": name, "hostname": hostname, "user": "root"},
            "active": True,
            "connected": True,
            "recovered": False,
        }
        return framework_id

    def hold_task(self, framework_id: str, agent_id: str, name: str, vip: str, port: int) -> None:
        """One that runs on the host's network with a virtual IP since before anybody subscribed."""
        labels = [{"key": "VIP_0", "value": vip}, {"key": "network-scope", "value": "host"}]
        task_id = {"value": f"{name}.{next(self._numbers)}"}
        self.tasks[task_id["value"]] = {
            "name": name,
            "task_id": task_id,
            "framework_id": {"value": framework_id},
            "agent_id": {"value": agent_id},
            "state": "TASK_RUNNING",
            "resources": [],
            "statuses": [{"task_id": task_id, "state": "TASK_RUNNING", "timestamp": float(next(self._clock))}],
            "discovery": {
                "visibility": "FRAMEWORK",
                "name": name,
                "ports": {"ports": [{"number": port, "protocol": "tcp", "labels": {"labels": labels}}]},
            },
        }

    async def run_task(
        self,
        framework_id: str,
        agent_id: str,
        name: str,
        *,
        host_ports: Sequence[int] = (),
        discovery: dict[str, Any] | None = None,
        labels: dict[str, str] | None = None,
        container: dict[str, Any] | None = None,
        container_ips: Sequence[str] = (),
        healthy: bool | None = None,
        health_checked: bool = False,
        state: str = "TASK_RUNNING",
    ) -> str:
        """Launch and report; returns the task's id."""
        task_id = f"{name}.{next(self._numbers)}"
        task: dict[str, Any] = {
            "name": name,
            "task_id": {"value": task_id},
            "framework_id": {"value": framework_id},
            "agent_id": {"value": agent_id},
            "state": "TASK_STAGING",
            "resources": [
                {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
                {
                    "name": "ports",
                    "type": "RANGES",
                    "ranges": {"range": [{"begin": port, "end": port} for port in host_ports]},
                },
            ],
            "statuses": [],
        }
        if discovery:
            task["discovery"] = {"visibility": "FRAMEWORK", **discovery}
        if labels:
            task["labels"] = {"labels": [{"key": key, "value": value} for key, value in labels.items()]}
        if container:
            task["container"] = container
        if health_checked:
            task["health_check"] = {"type": "TCP", "tcp": {"port": 1}}
        self.tasks[task_id] = task
        await self._tell({"type": "TASK_ADDED", "task_added": {"task": task}})
        await self.update(task_id, state, healthy=healthy, container_ips=container_ips)
        return task_id

    async def update(
        self, task_id: str, state: str, *, healthy: bool | None = None, container_ips: Sequence[str] = ()
    ) -> None:
        """A status update as the master tells it."""
        task = self.tasks[task_id]
        status: dict[str, Any] = {
            "task_id": task["task_id"],
            "state": state,
            "timestamp": float(next(self._clock)),
        }
        if healthy is not None:
            status["healthy"] = healthy
        if container_ips:
            addresses = [{"ip_address": ip, "protocol": "IPv6" if ":" in ip else "IPv4"} for ip in container_ips]
            status["container_status"] = {"network_infos": [{"ip_addresses": addresses}]}
        task["state"] = state
        task["statuses"].append(status)
        if state in _TERMINAL:
            del self.tasks[task_id]
        event = {"framework_id": task["framework_id"], "status": status, "state": state}
        await self._tell({"type": "TASK_UPDATED", "task_updated": event})

    # ---- the wire ----------------------------------------------------------------------------------------------------

    async def _tell(self, event: dict[str, Any]) -> None:
        record = recordio.frame(json.dumps(event).encode())
        for subscriber in list(self._subscribers):
            with contextlib.suppress(ConnectionError):
                await subscriber.write(record)

    async def _api(self, request: web.Request) -> web.StreamResponse:
        if self._lets_in not in (None, request.headers.get("Authorization")):
            return web.Response(status=401)
        call = await request.json()
        self.requests.append(call["type"])
        if call["type"] != "SUBSCRIBE" or not self.stream:
            return web.Response(status=501, text="not implemented")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        unreachable = [task for task in self.tasks.values() if task["state"] == "TASK_UNREACHABLE"]
        state = {
            "get_tasks": {
                "tasks": [task for task in self.tasks.values() if task not in unreachable],
                "unreachable_tasks": unreachable,
                "completed_tasks": [],
            },
            "get_executors": {"executors": []},
            "get_frameworks": {"frameworks": list(self.frameworks.values()), "completed_frameworks": []},
            "get_agents": {"agents": list(self.agents.values()), "recovered_agents": []},
        }
        first = {"type": "SUBSCRIBED", "subscribed": {"get_state": state, "heartbeat_interval_seconds": 15.0}}
        await response.write(recordio.frame(json.dumps(first).encode()))
        await response.write(recordio.frame(b'{"type":"HEARTBEAT"}'))
        self._subscribers.add(response)
        try:
            while response in self._subscribers:
                await asyncio.sleep(15.0)
                await response.write(recordio.frame(b'{"type":"HEARTBEAT"}'))
        except ConnectionError:
            pass
        finally:
            self._subscribers.discard(response)
        return response

    async def _redirect(self, _: web.Request) -> web.Response:
        return web.Response(status=307, headers={"Location": f"//{self.host}:{self.port}"})

    async def _state(self, _: web.Request) -> web.Response:
        self.requests.append("/state")
        return http.json_response(
            {
                "leader": f"master@{self.host}:{self.port}",
                "leader_info": {"id": "m1", "hostname": self.host},
                "slaves": [
                    {
                        "id": agent["agent_info"]["id"]["value"],
                        "hostname": agent["agent_info"]["hostname"],
                        "port": agent["agent_info"]["port"],
                        "pid": agent["pid"],
                        "active": True,
                    }
                    for agent in self.agents.values()
                ],
                "frameworks": [self._old_framework(framework_id) for framework_id in self.frameworks],
            }
        )

    def _old_framework(self, framework_id: str) -> dict[str, Any]:
        info = self.frameworks[framework_id]["framework_info"]
        tasks = [
            {
                **{key: task[key] for key in ("name", "state", "statuses", "discovery", "container") if key in task},
                "id": task["task_id"]["value"],
                "framework_id": framework_id,
                "slave_id": task["agent_id"]["value"],
                "labels": task.get("labels", {}).get("labels", []),
                "resources": {
                    "cpus": 0.1,
                    "ports": "["
                    + ", ".join(f"{r['begin']}-{r['end']}" for r in task["resources"][1]["ranges"]["range"])
                    + "]",
                },
            }
            for task in self.tasks.values()
            if task["framework_id"]["value"] == framework_id
        ]
        return {"id": framework_id, "name": info["name"], "hostname": info["hostname"], "active": True, "tasks": tasks}
