"""Permissions of Mesos itself: real bouncer, Admin Router, master and agent, and Marathon behind them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dcos.testing.cluster import Answer
from dcos.testing.identity import GuardedCluster, guarded_scheduler, why_not
from dcos.testing.patience import PATIENCE_S
from dcos.wire.authorization import token_in
from tests.integration.iam.forged import forgeries

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
MARKER = str(3_000_000 + 10 * os.getpid())
M, A = "dcos:mesos:master", "dcos:mesos:agent"
GROUPS = ("dev", "prod")
NOBODY = "nobody@example.org"
ECHOED = base64.b64encode(b"inside\n").decode()


@pytest.fixture(scope="module")
def cluster() -> Iterator[GuardedCluster]:
    """With an app in each of two groups, and an account for each that may all of its group; and one that may nothing."""
    with guarded_scheduler("marathon", markers=[MARKER]) as made:
        for uid in (*GROUPS, NOBODY):
            assert made.through("PUT", f"/acs/api/v1/users/{uid}", {"password": "a password"}).status == 201
            for route in ("ops:mesos", "ops:slave"):
                made.grant(uid, f"dcos:adminrouter:{route}", "full")
            made.log_in(uid, "a password")
        for group in GROUPS:
            made.grant(group, f"{M}:framework:role:*", "read")
            made.grant(group, f"{A}:framework:role:*", "read")
            for kind in (f"{M}:task", f"{M}:executor", f"{A}:task", f"{A}:executor", f"{A}:sandbox"):
                made.grant(group, f"{kind}:app_id:/{group}", "read")
            made.grant(group, f"{A}:container:app_id:/{group}", "update")
            made.grant(group, f"{A}:nested_container_session:app_id:/{group}", "create")
            made.grant(group, f"{A}:nested_container_session:user", "create")
        made.eventually("Marathon leads", lambda: made.through("GET", "/service/marathon/v2/apps").status == 200)
        for group in GROUPS:
            app = {"id": f"/{group}/app", "cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 16}
            assert made.through("POST", "/service/marathon/v2/apps", app).status == 201
        made.pids(MARKER, 2)
        yield made


def missing(answer: Answer) -> str | None:
    return next((value for key, value in answer.headers.items() if key.lower() == "x-dcos-missing-permission"), None)


def tasks(cluster: GuardedCluster, uid: str) -> list[dict[str, Any]]:
    answer = cluster.through("GET", "/mesos/tasks", uid=uid)
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.json()["tasks"]
    return [one for one in found if one["state"] == "TASK_RUNNING"]


def agent_of(cluster: GuardedCluster) -> str:
    found: list[dict[str, Any]] = cluster.through("GET", "/mesos/slaves").json()["slaves"]
    return str(found[0]["id"])


def sandbox(cluster: GuardedCluster, group: str) -> tuple[str, str]:
    """(the sandbox of the group's task, its container)"""
    state = cluster.through("GET", f"/agent/{agent_of(cluster)}/state").json()
    for framework in state["frameworks"]:
        for executor in framework["executors"]:
            if executor["id"].startswith(f"{group}_app"):
                return executor["directory"], executor["container"]
    raise AssertionError(state)


def test_each_group_sees_its_own_tasks(cluster: GuardedCluster) -> None:
    names = {uid: [one["name"] for one in tasks(cluster, uid)] for uid in ("admin", *GROUPS, NOBODY)}
    assert sorted(names["admin"]) == ["app.dev", "app.prod"]
    assert (names["dev"], names["prod"], names[NOBODY]) == (["app.dev"], ["app.prod"], [])
    (task,) = tasks(cluster, "dev")
    assert {"key": "DCOS_SPACE", "value": "/dev/app"} in task["labels"]
    for path in ("/mesos/state", "/cache/master/state", f"/agent/{agent_of(cluster)}/state"):
        whole = {uid: cluster.through("GET", path, uid=uid).text for uid in ("admin", "dev", NOBODY)}
        assert ("app.prod" in whole["admin"], "app.dev" in whole["admin"]) == (True, True), path
        assert ("app.prod" in whole["dev"], "app.dev" in whole["dev"]) == (False, True), path
        assert "app.dev" not in whole[NOBODY], path
    assert cluster.through("GET", "/cache/master/state", uid=None).status == 401
    flags = f"/agent/{agent_of(cluster)}/flags"
    for path, kind in (("/mesos/flags", M), (flags, A)):
        refused = cluster.through("GET", path, uid=NOBODY)
        assert (refused.status, missing(refused)) == (403, f"{kind}:flags"), path
    for name in ("master", "agent"):
        log = cluster.processes[name].log.read_text()
        assert any("audit" in line and NOBODY in line and "deny" in line for line in log.splitlines()), name


def test_nobody_ends_a_framework_without_the_right(cluster: GuardedCluster) -> None:
    (framework,) = cluster.through("GET", "/mesos/frameworks").json()["frameworks"]
    call = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": framework["id"]}}}
    for uid in (*GROUPS, NOBODY):
        refused = cluster.through("POST", "/mesos/api/v1", call, uid=uid)
        assert (refused.status, missing(refused)) == (403, f"{M}:framework:principal"), uid
        refused = cluster.through("GET", "/mesos/flags", uid=uid)
        assert (refused.status, missing(refused)) == (403, f"{M}:flags")
    assert len(tasks(cluster, "admin")) == 2


def test_sandboxes_and_containers_are_their_groups(cluster: GuardedCluster) -> None:
    agent = agent_of(cluster)
    for group, other in (("dev", "prod"), ("prod", "dev")):
        directory, container = sandbox(cluster, group)
        browse = f"/agent/{agent}/files/browse?path={directory}"
        assert cluster.through("GET", browse, uid=group).status == 200
        refused = cluster.through("GET", browse, uid=other)
        assert (refused.status, missing(refused)) == (403, f"{A}:sandbox:app_id:/{group}/app")
        read = {"type": "READ_FILE", "read_file": {"path": f"{directory}/stdout", "offset": 0}}
        assert cluster.through("POST", f"/agent/{agent}/api/v1", read, uid=group).status == 200
        assert cluster.through("POST", f"/agent/{agent}/api/v1", read, uid=other).status == 403
        session = {
            "type": "LAUNCH_NESTED_CONTAINER_SESSION",
            "launch_nested_container_session": {
                "container_id": {"value": f"debug-{group}", "parent": {"value": container}},
                "command": {"value": "echo inside"},
            },
        }
        refused = cluster.through("POST", f"/agent/{agent}/api/v1", session, uid=other)
        assert (refused.status, missing(refused)) == (403, f"{A}:nested_container_session:app_id:/{group}/app")
        let_in = cluster.through("POST", f"/agent/{agent}/api/v1", session, uid=group)
        assert (let_in.status, ECHOED in let_in.text) == (200, True), let_in
        kill = {
            "type": "KILL_NESTED_CONTAINER",
            "kill_nested_container": {"container_id": {"value": "x", "parent": {"value": container}}},
        }
        refused = cluster.through("POST", f"/agent/{agent}/api/v1", kill, uid=other)
        assert (refused.status, missing(refused)) == (403, f"{A}:container:app_id:/{group}/app")
        assert cluster.through("POST", f"/agent/{agent}/api/v1", kill, uid=group).status == 404


def subscribe(cluster: GuardedCluster, uid: str, role: str) -> dict[str, Any]:
    """The first event that a framework of ``uid`` hears that asks for a role, at the front door."""
    info = {"user": "root", "name": "own", "roles": [role], "capabilities": [{"type": "MULTI_ROLE"}]}
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port("router"), timeout=60)
    try:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        headers["Authorization"] = f"token={cluster.tokens[uid]}"
        connection.request("POST", "/mesos/api/v1/scheduler", body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            return {"type": str(answer.status)}
        length = int(answer.readline())
        event: dict[str, Any] = json.loads(answer.read(length))
        return event
    finally:
        connection.close()


def test_a_framework_with_an_account_uses_its_role_only(cluster: GuardedCluster) -> None:
    cluster.grant(NOBODY, f"{M}:framework:role:team", "create")
    cluster.eventually("its role", lambda: subscribe(cluster, NOBODY, "team")["type"] == "SUBSCRIBED")
    assert subscribe(cluster, NOBODY, "team/below")["type"] == "SUBSCRIBED"
    for role in ("*", "other", "teams"):
        event = subscribe(cluster, NOBODY, role)
        assert event["type"] == "ERROR"
        assert event["error"]["message"].startswith("Not authorized to register framework")
    assert subscribe(cluster, "dev", "team")["type"] == "ERROR"


def test_no_forged_token_opens_a_port_of_mesos(cluster: GuardedCluster) -> None:
    """At the ports themselves: a master checks tokens with bouncer's keys, an agent has the front door check them."""
    forged = [one for one in forgeries(cluster) if token_in(one) is not None]
    assert len(forged) > 20
    for port in (cluster.master_port, cluster.agent_port):
        for value in forged:
            status = asked(port, value)
            assert status in (400, 401), (port, value, status)
        assert asked(port, f"token={cluster.tokens['admin']}") == 200
        assert asked(port, f"Bearer {cluster.tokens['admin']}") == 200


def asked(port: int, authorization: str) -> int:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as link:
        link.putrequest("GET", "/flags")
        link.putheader("Authorization", authorization.encode())
        link.endheaders()
        return link.getresponse().status


def test_a_change_holds_soon(cluster: GuardedCluster) -> None:
    """How soon is printed; ``bench/permissions.py`` measures it."""
    rid = f"{M}:flags"
    for method, wanted in (("PUT", 200), ("DELETE", 403)):
        cluster.through("PUT", f"/acs/api/v1/acls/{rid}", {"description": ""})
        begun = time.monotonic()
        assert cluster.through(method, f"/acs/api/v1/acls/{rid}/users/{NOBODY}/read").status == 204
        cluster.eventually(
            f"{method} holds",
            lambda wanted=wanted: cluster.through("GET", "/mesos/flags", uid=NOBODY).status == wanted,
        )
        print(f"{method} held after {time.monotonic() - begun:.2f} s")


def test_mesos_goes_on_while_bouncer_is_away(cluster: GuardedCluster) -> None:
    """Who was known stays so for a minute; services of the cluster need nobody."""
    assert len(tasks(cluster, "dev")) == 1
    bouncer = cluster.processes["bouncer"]
    bouncer.kill()
    try:
        for _ in range(3):
            assert len(tasks(cluster, "dev")) == 1
        app = {"id": "/dev/more", "cmd": f"exec sleep {MARKER}", "cpus": 0.1, "mem": 16}
        assert cluster.through("POST", "/service/marathon/v2/apps", app).status == 201
        cluster.pids(MARKER, 3)
    finally:
        bouncer.start()
        cluster.eventually("bouncer is back", lambda: cluster.log_in("dev", "a password"))
