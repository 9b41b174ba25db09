"""``security: strict`` on real nodes: Mesos itself lets each account do and see what its permissions say, at the front door and
at its own ports.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from dcos.testing.cluster import Answer, LocalCluster, eventually
from dcos.wire import jwt
from tests.e2e.conftest import gather_logs

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

M, A = "dcos:mesos:master", "dcos:mesos:agent"
GROUPS = ("dev", "prod")
PASSWORD = "for this test only"
INSIDE = base64.b64encode(b"inside\n").decode()


@dataclass
class Door:
    """The front door of a cluster, for several accounts."""

    cluster: LocalCluster
    tokens: dict[str, str]

    def ask(self, uid: str, method: str, path: str, body: object = None) -> Answer:
        url = f"https://{self.cluster.ip('master1')}{path}"
        return self.cluster.http(url, token=self.tokens[uid], method=method, body=body)

    def account(self, uid: str, **secret: str) -> None:
        assert self.ask("admin", "PUT", f"/acs/api/v1/users/{uid}", {"description": "", **secret}).status in (201, 409)

    def grant(self, uid: str, rid: str, action: str, method: str = "PUT") -> None:
        escaped = rid.replace("/", "%252F")
        self.ask("admin", "PUT", f"/acs/api/v1/acls/{escaped}", {"description": ""})
        answer = self.ask("admin", method, f"/acs/api/v1/acls/{escaped}/users/{uid}/{action}")
        assert answer.status == 204, answer

    def log_in(self, uid: str, **proof: str) -> None:
        url = f"https://{self.cluster.ip('master1')}/acs/api/v1/auth/login"
        answer = self.cluster.http(url, method="POST", body={"uid": uid, **proof})
        assert answer.status == 200, answer
        self.tokens[uid] = str(answer.json()["token"])

    def at(self, node: str, port: int, path: str, uid: str | None, *, body: object = None) -> tuple[str, str]:
        """(status, body) of a request without a certificate to a port of Mesos itself."""
        words = ["curl -gks -m 20 -w '\\n%{http_code}'"]
        if uid is not None:
            words.append(f"-H 'Authorization: token={self.tokens[uid]}'")
        if body is not None:
            words.append(f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'")
        said = self.cluster.sh(node, " ".join((*words, f"'https://{self.cluster.ip(node)}:{port}{path}'", "|| true")))
        text, _, status = said.rstrip("\n").rpartition("\n")
        return status, text


@pytest.fixture(scope="module")
def door(nodes_can_boot: None) -> Iterator[Door]:
    """A strict cluster with an app in each of two groups and an account for each group."""
    cluster = LocalCluster(f"{os.environ.get('DCOS_E2E_CLUSTER', 'e2e')}-strict-mesos")
    cluster.down()
    try:
        cluster.up(masters=1, agents=1, public_agents=0, security="strict")
        made = Door(cluster, {"admin": cluster.token()})
        for group in GROUPS:
            made.account(group, password=PASSWORD)
            made.log_in(group, password=PASSWORD)
            for route in ("mesos", "slave", "system-logs"):
                made.grant(group, f"dcos:adminrouter:ops:{route}", "full")
            for rid in (f"{M}:framework:role", f"{A}:framework:role"):
                made.grant(group, rid, "read")
            for kind in (f"{M}:task", f"{M}:executor", f"{A}:task", f"{A}:executor", f"{A}:sandbox"):
                made.grant(group, f"{kind}:app_id:/{group}", "read")
            made.grant(group, f"{A}:container:app_id:/{group}", "update")
            made.grant(group, f"{A}:nested_container_session:app_id:/{group}", "create")
            made.grant(group, f"{A}:nested_container_session:user:root", "create")
            app = {"id": f"/{group}/app", "cmd": "echo mine; exec sleep 100000", "cpus": 0.05, "mem": 16, "disk": 0}
            assert made.ask("admin", "POST", "/service/marathon/v2/apps", app).status == 201
        eventually("both run", lambda: len(running(made, "admin")) == len(GROUPS), within_s=180)
        yield made
    finally:
        gather_logs(cluster)
        cluster.down()


def running(door: Door, uid: str) -> list[str]:
    """Names of the groups' tasks that ``uid`` sees."""
    found = door.ask(uid, "GET", "/mesos/tasks").json()["tasks"]
    return sorted(one["name"] for one in found if one["state"] == "TASK_RUNNING" and one["name"].startswith("app."))


def missing(answer: Answer) -> str | None:
    return next((value for key, value in answer.headers.items() if key.lower() == "x-dcos-missing-permission"), None)


def agent_of(door: Door) -> str:
    return str(door.ask("admin", "GET", "/mesos/slaves").json()["slaves"][0]["id"])


def sandbox(door: Door, group: str) -> tuple[str, str]:
    """(the sandbox of the group's task, its container)"""
    for framework in door.ask("admin", "GET", f"/agent/{agent_of(door)}/state").json()["frameworks"]:
        for executor in framework["executors"]:
            if executor["id"].startswith(f"{group}_app"):
                return executor["directory"], executor["container"]
    raise AssertionError(f"no task of {group}")


def test_an_account_sees_ends_and_enters_what_is_its_own(door: Door) -> None:
    assert running(door, "admin") == ["app.dev", "app.prod"]
    agent = agent_of(door)
    marathon = next(
        one for one in door.ask("admin", "GET", "/mesos/frameworks").json()["frameworks"] if one["name"] == "marathon"
    )
    for group, other in (("dev", "prod"), ("prod", "dev")):
        assert running(door, group) == [f"app.{group}"]
        call = {"type": "TEARDOWN", "teardown": {"framework_id": {"value": marathon["id"]}}}
        refused = door.ask(group, "POST", "/mesos/api/v1", call)
        assert (refused.status, missing(refused)) == (403, f"{M}:framework:principal:dcos_marathon")
        directory, container = sandbox(door, group)
        read = f"/agent/{agent}/files/read?path={directory}/stdout&offset=0"
        assert "mine" in door.ask(group, "GET", read).json()["data"]
        refused = door.ask(other, "GET", read)
        assert (refused.status, missing(refused)) == (403, f"{A}:sandbox:app_id:/{group}/app")
        session = {
            "type": "LAUNCH_NESTED_CONTAINER_SESSION",
            "launch_nested_container_session": {
                "container_id": {"value": f"debug-{group}", "parent": {"value": container}},
                "command": {"value": "echo inside"},
            },
        }
        refused = door.ask(other, "POST", f"/agent/{agent}/api/v1", session)
        assert (refused.status, missing(refused)) == (403, f"{A}:nested_container_session:app_id:/{group}/app")
        let_in = door.ask(group, "POST", f"/agent/{agent}/api/v1", session)
        assert (let_in.status, INSIDE in let_in.text) == (200, True), let_in
    assert running(door, "admin") == ["app.dev", "app.prod"]


def test_the_logs_of_a_task_are_its_groups(door: Door) -> None:
    """The log service of an agent asks that agent with the asker's token, which counts beside its own certificate."""
    found = door.ask("admin", "GET", "/mesos/tasks").json()["tasks"]
    task = next(one["id"] for one in found if one["name"] == "app.dev")
    path = f"/system/v1/agent/{agent_of(door)}/logs/v2/task/{task}/file/stdout"
    led = door.ask("dev", "GET", path)
    assert led.status == 303, led
    where = urlsplit(led.headers["Location"])
    file = f"{where.path}?{where.query}"
    for uid in ("admin", "dev"):
        assert "mine" in door.ask(uid, "GET", file).text, (uid, file)
    assert door.ask("prod", "GET", path).status == 404, "it does not see that task"
    refused = door.ask("prod", "GET", file)
    assert (refused.status, "mine" in refused.text) == (403, False), refused


def test_a_token_opens_the_ports_of_mesos_as_far_as_its_permissions_go(door: Door) -> None:
    directory, _ = sandbox(door, "dev")
    for node, port in (("master1", 5050), ("agent1", 5051)):
        assert door.at(node, port, "/health", None)[0] == "401"
        assert door.at(node, port, "/health", "dev")[0] == "200"
        assert door.at(node, port, "/flags", "dev")[0] == "403"
        assert door.at(node, port, "/flags", "admin")[0] == "200"
        bad = Door(door.cluster, {"bad": door.tokens["dev"][:-8] + "AAAAAAAA"})
        assert bad.at(node, port, "/state", "bad")[0] == "401", "a signature that is not right"
    status, text = door.at("master1", 5050, "/tasks", "dev")
    assert (status, "app.dev" in text, "app.prod" in text) == ("200", True, False)
    browse = f"/files/browse?path={directory}"
    assert door.at("agent1", 5051, browse, "dev")[0] == "200"
    assert door.at("agent1", 5051, browse, "prod")[0] == "403"


def test_a_framework_with_a_service_account_uses_its_role_only(door: Door) -> None:
    key = jwt.generate_key()
    door.account("spark", public_key=jwt.public_pem(key.public_key()))
    door.log_in("spark", token=jwt.sign("spark", int(time.time()) + 300, key))
    door.grant("spark", f"{M}:framework:role:batch", "create")

    def subscribe(role: str, **named: str) -> str:
        info = {"user": "root", "name": "s", "roles": [role], "capabilities": [{"type": "MULTI_ROLE"}], **named}
        body: dict[str, Any] = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        token = f"-H 'Authorization: token={door.tokens['spark']}'"
        curl = f"timeout 5 curl -Nks {token} -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
        url = f"https://{door.cluster.ip('master1')}:5050/api/v1/scheduler"
        return door.cluster.sh("agent1", f"{curl} {url} || true")

    eventually("its role", lambda: '"SUBSCRIBED"' in subscribe("batch"), within_s=60)
    assert "Not authorized to register framework" in subscribe("slave_public")
    assert "does not match principal" in subscribe("batch", principal="dcos_marathon")


def test_a_change_of_permissions_holds_everywhere_soon(door: Door) -> None:
    """How soon is printed."""
    for rid, path in ((f"{M}:flags", "/mesos/flags"), (f"{A}:flags", f"/agent/{agent_of(door)}/flags")):
        for method, wanted in (("PUT", 200), ("DELETE", 403)):
            begun = time.monotonic()
            door.grant("dev", rid, "read", method)
            eventually(
                f"{method} {rid}",
                lambda path=path, wanted=wanted: door.ask("dev", "GET", path).status == wanted,
                within_s=60,
                every_s=0.05,
            )
            print(f"{rid}: {method} held after {time.monotonic() - begun:.2f} s")


def test_mesos_works_while_bouncer_is_away(door: Door) -> None:
    """Services of the cluster need nobody to know them; accounts that were known stay so for a minute."""
    assert running(door, "dev") == ["app.dev"]
    door.cluster.sh("master1", "systemctl stop dcos-bouncer")
    try:
        assert running(door, "dev") == ["app.dev"]
        door.cluster.sh("master1", "systemctl restart dcos-mesos-master dcos-marathon")
        door.cluster.sh("agent1", "systemctl restart dcos-mesos-slave")
    finally:
        door.cluster.sh("master1", "systemctl start dcos-bouncer")

    def back() -> bool:
        return running(door, "admin") == ["app.dev", "app.prod"]

    eventually("all are back and their tasks ran on", back, within_s=240)
