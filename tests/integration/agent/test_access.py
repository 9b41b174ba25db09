"""Authentication and authorization of a real agent: realms, ACLs on sandboxes and calls, executors' tokens, flags."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dcos.model.v1.types import TaskInfo
from tests.integration.agent.test_custom_executor import executor, of, post

pytestmark = pytest.mark.integration

Make = Callable[..., TaskInfo]
ADMIN, BOB = aiohttp.encode_basic_auth("admin", "s1"), aiohttp.encode_basic_auth("bob", "s2")
ANY, NONE = {"type": "ANY"}, {"type": "NONE"}


def only(principal: str, objects: str) -> list[dict[str, Any]]:
    return [{"principals": {"values": [principal]}, objects: ANY}, {"principals": ANY, objects: NONE}]


ACLS = {
    "access_sandboxes": only("admin", "users"),
    "view_flags": only("admin", "flags"),
    "get_endpoints": only("admin", "paths"),
    "view_containers": only("admin", "users"),
    "view_executors": only("admin", "users"),
    "launch_nested_containers_under_parent_with_user": only("admin", "users"),
    "attach_containers_output": only("admin", "users"),
}


async def ask(agent: Any, who: str | None, path: str, body: Any = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession(headers={"Authorization": who} if who is not None else None) as session,
        session.request("GET" if body is None else "POST", agent.url + path, json=body) as answer,
    ):
        text = await answer.text()
        kind = answer.headers.get("Content-Type", "")
        return answer.status, json.loads(text) if kind.startswith("application/json") else answer.headers


async def test_who_may_see_and_do_what(agent: Any, master: Any, make_task: Make, tmp_path: Path) -> None:
    secrets, key = tmp_path / "secrets", tmp_path / "key"
    secrets.write_text("admin s1\nbob s2\n")
    key.write_bytes(b"k" * 32)
    await agent.start(
        f"--http_credentials={secrets}",
        "--authenticate_http_readonly",
        "--authenticate_http_readwrite",
        "--authenticate_http_executors",
        f"--jwt_secret_key=file://{key}",
        f"--acls={json.dumps(ACLS)}",
        "--executor_reregistration_retry_interval=1secs",
    )
    await master.registered()
    await master.run(of(make_task, "a", executor()))
    await master.state("a", "TASK_RUNNING")

    assert (await ask(agent, None, "/health"))[0] == 200
    status, headers = await ask(agent, None, "/state")
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="mesos-agent-readonly"')
    status, headers = await ask(agent, None, "/slave(1)/api/v1", {"type": "GET_HEALTH"})
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="mesos-agent-readwrite"')

    sandbox = agent.sandbox("exec").resolve()
    root = (await ask(agent, ADMIN, "/state"))[1]["frameworks"][0]["executors"][0]["container"]
    hidden = (await ask(agent, BOB, "/state"))[1]
    assert hidden["frameworks"][0]["executors"] == []
    assert "flags" not in hidden
    nested = {"container_id": {"value": "n", "parent": {"value": root}}}
    for who, codes in ((ADMIN, (200, 500)), (BOB, (403, 403))):
        for path in (f"/files/browse?path={sandbox}", "/flags", "/containers", "/monitor/statistics", "/files/debug"):
            assert (await ask(agent, who, path))[0] == codes[0], path
        call = {"type": "LIST_FILES", "list_files": {"path": str(sandbox)}}
        assert (await ask(agent, who, "/api/v1", call))[0] == codes[0]
        call = {"type": "ATTACH_CONTAINER_OUTPUT", "attach_container_output": nested}
        assert (await ask(agent, who, "/api/v1", call))[0] == codes[1]
    launch = {"type": "LAUNCH_NESTED_CONTAINER", "launch_nested_container": {**nested, "command": {"value": "true"}}}
    assert (await ask(agent, BOB, "/api/v1", launch))[0] == 403
    assert (await ask(agent, ADMIN, "/api/v1", launch))[0] == 200
    assert (await ask(agent, BOB, "/api/v1", {"type": "GET_CONTAINERS"}))[1]["get_containers"] == {}
    assert (await ask(agent, ADMIN, "/api/v1", {"type": "GET_CONTAINERS"}))[1]["get_containers"] != {}

    heartbeat = {"type": "HEARTBEAT", "framework_id": {"value": "m-0000"}, "executor_id": {"value": "exec"}}
    json_type = {"Content-Type": "application/json"}
    assert (await post(agent, heartbeat, **json_type))[0] == 401
    log = agent.log()
    assert "flag_without_effect flag=--executor_reregistration_retry_interval" in log
    assert "file_of_secrets_is_open_to_others" in log
    assert "s1" not in log.split()


async def test_settings_that_contradict(agent: Any, master: Any) -> None:
    await agent.start("--authenticate_http_readonly")
    assert agent.process is not None
    assert await agent.process.wait() == 2
    assert "No credentials provided for the default 'basic' HTTP authenticator" in agent.log()
