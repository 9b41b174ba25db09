"""A real agent under nonsense: calls that are nearly right, noise, odd queries. No unknown trouble, no silence, it lives on."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from dcos.model.v1 import agent as v1
from dcos.model.v1.types import TaskInfo
from dcos.testing.patience import PATIENCE_S
from dcos.wire import mesos_json, mesos_proto, recordio
from dcos.wire.errors import WireError
from tests.unit.master.test_fuzz_http import mutated, mutated_text

pytestmark = pytest.mark.integration

Make = Callable[..., TaskInfo]
JSON, PROTOBUF, RECORDIO = "application/json", "application/x-protobuf", "application/recordio"
SLOW = ("WAIT_CONTAINER", "WAIT_NESTED_CONTAINER", "ATTACH_CONTAINER_INPUT", "PRUNE_IMAGES")
"""They may take as long as they like."""


def calls(root: str, sandbox: str) -> list[dict[str, Any]]:
    nested = {"container_id": {"value": "n", "parent": {"value": root}}}
    resources = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}]
    command = {"value": "true", "environment": {"variables": [{"name": "A", "value": "b"}]}}
    members: dict[str, Any] = {
        "GET_METRICS": {"timeout": {"nanoseconds": 1}},
        "SET_LOGGING_LEVEL": {"level": 0, "duration": {"nanoseconds": 1}},
        "LIST_FILES": {"path": sandbox},
        "READ_FILE": {"path": f"{sandbox}/stdout", "offset": 0, "length": 10},
        "GET_CONTAINERS": {"show_nested": True, "show_standalone": True},
        "LAUNCH_CONTAINER": {**nested, "command": command, "resources": resources, "limits": {"cpus": {"value": 1}}},
        "LAUNCH_NESTED_CONTAINER": {**nested, "command": command, "container": {"type": "MESOS"}},
        "LAUNCH_NESTED_CONTAINER_SESSION": {**nested, "command": command},
        "KILL_CONTAINER": {**nested, "signal": 9},
        "KILL_NESTED_CONTAINER": {**nested, "signal": 9},
        "REMOVE_CONTAINER": nested,
        "REMOVE_NESTED_CONTAINER": nested,
        "ATTACH_CONTAINER_OUTPUT": nested,
        "MARK_RESOURCE_PROVIDER_GONE": {"resource_provider_id": {"value": "x"}},
        "ADD_RESOURCE_PROVIDER_CONFIG": {"info": {"type": "t", "name": "n"}},
    }
    kinds = [str(kind) for kind in v1.CallType if kind != "UNKNOWN" and kind not in SLOW]
    return [{"type": kind, kind.lower(): members[kind]} if kind in members else {"type": kind} for kind in kinds]


def executor_calls() -> list[dict[str, Any]]:
    ids = {"framework_id": {"value": "m-0000"}, "executor_id": {"value": "exec"}}
    status = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "uuid": "A" * 22 + "=="}
    return [
        {"type": "UPDATE", **ids, "update": {"status": status}},
        {"type": "MESSAGE", **ids, "message": {"data": "AAAA"}},
        {"type": "HEARTBEAT", **ids},
    ]


async def test_it_lives_on(running: Any, master: Any, make_task: Make) -> None:
    rng = random.Random(5)
    await master.run(make_task("web.1", "sleep 1000"))
    await master.state("web.1", "TASK_RUNNING")
    sandbox = str(running.sandbox("web.1").resolve())
    root = sandbox.rpartition("/")[2]
    async with aiohttp.ClientSession() as session:

        async def ask(path: str, body: bytes | None, **headers: str) -> None:
            """The head of an answer has to come; what streams is let go."""
            async with asyncio.timeout(PATIENCE_S):
                method = "GET" if body is None else "POST"
                answer = await session.request(method, running.url + path, data=body, headers=headers)
            internal = answer.status == 500 and b"internal error" in await answer.content.read(200)
            answer.close()
            assert not internal, (path, body, headers)

        for call in (*calls(root, sandbox), *executor_calls()):
            path = "/api/v1/executor" if "executor_id" in call else "/api/v1"
            for _ in range(4):
                changed = mutated(call, rng)
                if isinstance(changed, dict) and changed.get("type") in SLOW:
                    continue
                await ask(path, json.dumps(changed).encode(), **{"Content-Type": JSON})
                if path == "/api/v1":
                    try:
                        message = mesos_json.decode(json.dumps(changed).encode(), v1.Call)
                        raw = mesos_proto.encode(message)
                    except WireError:
                        continue
                    await ask(path, raw, **{"Content-Type": PROTOBUF, "Accept": PROTOBUF})
        for _ in range(60):
            body = mutated_text(rng)
            await ask(
                rng.choice(["/api/v1", "/api/v1/executor"]), body, **{"Content-Type": rng.choice([JSON, PROTOBUF])}
            )
            framed = recordio.frame(body or b"x") if rng.random() < 0.5 else body
            kinds = {"Content-Type": RECORDIO, "Message-Content-Type": rng.choice([JSON, PROTOBUF, "x"])}
            await ask("/api/v1", framed, **kinds)
        odd = ("path=", "path=%00", "path=/../x", "path=" + "x" * 5000, f"path={sandbox}/stdout&offset=x")
        more = (f"path={sandbox}/stdout&offset=-9", f"path={sandbox}/stdout&offset=" + "9" * 30, "level=x&duration=x")
        for name in (
            "/files/browse",
            "/files/read",
            "/files/download",
            "/logging/toggle",
            "/metrics/snapshot",
            "/state",
        ):
            for query in (*odd, *more, "timeout=x", "jsonp=%00%ff"):
                await ask(f"{name}?{query}", None)
        await ask("/api/v1", b'{"type":"GET_STATE","get_metrics":' + b"[" * 100_000, **{"Content-Type": JSON})
        async with session.get(f"{running.url}/state") as answer:
            assert (await answer.json())["id"]
    assert "request_failed" not in running.log()
    assert master.states("web.1")[-1] == "TASK_RUNNING"
