"""A master that asks for permissions: callers with tokens, what they may do and see, and what a refusal names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from dcos.client.authority import AuthorityAway
from dcos.client.mesos_names import Names, granted
from dcos.client.service_rights import RIGHTS
from dcos.master.core.state import Rules
from dcos.master.rights import end_outdated
from dcos.model.acls import Action
from dcos.model.mesos_permissions import Granted
from dcos.model.permissions import NOTHING, Grants
from dcos.model.v1.types import TaskState
from dcos.runtime.http_auth import Unauthorized
from dcos.runtime.log import Logger
from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from tests.unit.master.served import Master, basic, serving
from tests.unit.master.stage import Stage, framework_info, launch, task
from tests.unit.master.test_access import stream, subscribe, wanted

M = "dcos:mesos:master"


def rights(**given: str) -> dict[str, Grants]:
    """``bob="rid action, rid action"``."""
    made = {}
    for name, text in given.items():
        pairs = [one.split() for one in text.split(",") if one.strip()]
        made[name] = Grants({rid: frozenset({action}) for rid, action in pairs})
    return made


class Journal(Logger):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__("test")
        self.lines: list[dict[str, Any]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event, **fields})


@dataclass
class Accounts:
    """The identity service: a token is its account's name."""

    rights: dict[str, Grants]
    away: bool = False
    asked: list[str] = field(default_factory=list)
    log: Journal = field(default_factory=Journal)

    async def of_token(self, token: str) -> tuple[str, Grants]:
        if token not in self.rights:
            raise Unauthorized
        return token, await self.of_name(token)

    async def of_name(self, name: str) -> Grants:
        self.asked.append(name)
        if self.away:
            raise AuthorityAway("away")
        return self.rights.get(name, NOTHING)


@asynccontextmanager
async def asking(security: str, *flags: str, **given: str) -> AsyncIterator[tuple[Master, Accounts]]:
    known, accounts = granted(security), Accounts(rights(**given))
    names = Names(known, accounts.of_token, accounts.of_name, required=security == "strict", log=accounts.log)
    async with serving(*flags, known=known, namer=names) as master:
        yield master, accounts


def named(name: str, form: str = "token={}") -> dict[str, str]:
    return {"Authorization": form.format(name)}


async def test_who_asks() -> None:
    async with asking("strict", bob=f"{M}:flags read") as (master, accounts):
        assert (await master.get("/health")).status == 200
        refused = await master.get("/flags")
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "acsjwt")
        assert (await master.get("/flags", named("stranger"))).status == 401
        assert (await master.get("/flags", named("bob"))).status == 200
        assert (await master.get("/flags", named("bob", "Bearer {}"))).status == 200
        accounts.away = True
        assert (await master.get("/flags", named("bob"))).status == 503
    async with asking("permissive", bob="") as (master, accounts):
        assert (await master.get("/flags")).status == 200, "who proves nothing may do as before"
        refused = await master.get("/flags", named("bob"))
        assert (refused.status, refused.text) == (403, "")
        assert refused.headers["X-Dcos-Missing-Permission"] == f"{M}:flags"
        (line,) = accounts.log.lines
        told = {"type": "audit", "uid": "bob", "object": f"{M}:flags", "action": "GET /flags", "result": "deny"}
        assert told.items() <= line.items()
        assert (await master.get("/flags", named("stranger"))).status == 401, "but nobody is let in with a bad token"


async def test_names_and_secrets_count_beside_tokens(tmp_path: Any) -> None:
    file = tmp_path / "credentials"
    file.write_text("bob s2\nann s1\n")
    flags = (f"--credentials={file}", "--authenticate_http_readonly")
    async with asking("strict", *flags, bob=f"{M}:flags read") as (master, accounts):
        assert (await master.get("/flags", basic("bob", "s2"))).status == 200
        assert (await master.get("/flags", basic("ann", "s1"))).status == 403
        assert (await master.get("/flags", basic("bob", "s1"))).status == 401
        assert accounts.asked == ["bob", "ann"]


CALLS: list[tuple[str, dict[str, Any], str, str]] = [
    ("GET_FLAGS", {}, f"{M}:flags", "read"),
    ("SET_LOGGING_LEVEL", {"level": 0, "duration": {"nanoseconds": 1}}, f"{M}:endpoint:path:/logging/toggle", "read"),
    ("MARK_AGENT_GONE", {"agent_id": {"value": "x"}}, f"{M}:agent", "delete"),
    ("DRAIN_AGENT", {"agent_id": {"value": "x"}}, f"{M}:agent", "delete"),
    ("DEACTIVATE_AGENT", {"agent_id": {"value": "x"}}, f"{M}:agent", "update"),
    ("REACTIVATE_AGENT", {"agent_id": {"value": "x"}}, f"{M}:agent", "update"),
    ("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {}}, f"{M}:agent", "update"),
    ("START_MAINTENANCE", {"machines": []}, f"{M}:agent", "update"),
    ("STOP_MAINTENANCE", {"machines": []}, f"{M}:agent", "update"),
    ("UPDATE_WEIGHTS", {"weight_infos": [{"role": "dev", "weight": 2}]}, f"{M}:weight:role:dev", "update"),
    ("UPDATE_QUOTA", {"quota_configs": [{"role": "dev"}]}, f"{M}:quota:role:dev", "update"),
    ("REMOVE_QUOTA", {"role": "dev"}, f"{M}:quota:role:dev", "update"),
]


@pytest.mark.parametrize(("kind", "member", "rid", "action"), CALLS, ids=[row[0] for row in CALLS])
async def test_calls_need_their_permission_and_say_so(kind: str, member: dict[str, Any], rid: str, action: str) -> None:
    async with asking("strict", bob="", ann=f"{rid} {action}") as (master, _):
        refused = await master.call(kind, named("bob"), **member)
        assert (refused.status, refused.headers["X-Dcos-Missing-Permission"]) == (403, rid)
        assert (await master.call(kind, named("ann"), **member)).status not in (401, 403)


async def test_only_who_may_ends_a_framework() -> None:
    given = {"spark": f"{M}:framework:role create", "bob": f"{M}:framework:principal:other delete",
             "ann": f"{M}:framework:principal:spark delete"}  # fmt: skip
    async with (
        asking("strict", **given) as (master, accounts),
        stream(master, "/api/v1/scheduler", subscribe(), named("spark")) as (_, queue),
    ):
        framework = (await wanted(queue, "SUBSCRIBED"))["subscribed"]["framework_id"]["value"]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        refused = await master.post("/teardown", f"frameworkId={framework}", form | named("bob"))
        assert (refused.status, refused.headers["X-Dcos-Missing-Permission"]) == (403, f"{M}:framework:principal:spark")
        refused = await master.call("TEARDOWN", named("spark"), framework_id={"value": framework})
        assert refused.status == 403, "not even its own account"
        assert (await master.call("TEARDOWN", named("ann"), framework_id={"value": framework})).status == 200
        lines = [(one["uid"], one["object"], one["result"]) for one in accounts.log.lines]
        needed = f"{M}:framework:principal:spark"
        assert lines == [("bob", needed, "deny"), ("spark", needed, "deny"), ("ann", "TEARDOWN", "allow")]


async def test_a_framework_uses_the_roles_of_its_account_only() -> None:
    async with asking("strict", spark=f"{M}:framework:role:dev create") as (master, accounts):
        async with stream(master, "/api/v1/scheduler", subscribe(None, "root", "dev"), named("spark")) as (_, queue):
            framework = (await wanted(queue, "SUBSCRIBED"))["subscribed"]["framework_id"]["value"]
            record = master.api.state.frameworks[framework]
            assert (record.info.principal, record.proved) == ("spark", "spark")
        async with stream(master, "/api/v1/scheduler", subscribe(None, "root", "ops"), named("spark")) as (_, queue):
            error = (await wanted(queue, "ERROR"))["error"]["message"]
            assert error == (
                "Not authorized to register framework  with roles { ops }: the permission"
                f" {M}:framework:role:ops is missing"
            )
        refused = await master.post("/api/v1/scheduler", subscribe("dcos_marathon"), named("spark"))
        assert refused.status == 400, "nobody takes another's name"
        assert (await master.post("/api/v1/scheduler", subscribe("spark"))).status == 401
        accounts.rights["spark"] = NOTHING
        async with stream(master, "/api/v1/scheduler", subscribe(None, "root", "dev"), named("spark")) as (_, queue):
            await wanted(queue, "ERROR")


async def test_what_is_seen() -> None:
    """By the role of a framework and the group of a task; without a word about the rest."""
    viewer = f"{M}:framework:role:r read, {M}:task:app_id:/dev read"
    given = {"spark": f"{M}:framework:role create, {M}:task create", "bob": viewer, "ann": "dcos:superuser full",
             "eve": f"{M}:task:app_id read"}  # fmt: skip
    async with (
        asking("permissive", **given) as (master, _),
        FakeAgent(master.url.removeprefix("http://")),
        stream(master, "/api/v1/scheduler", subscribe(), named("spark")) as (answer, queue),
    ):
        subscribed = (await wanted(queue, "SUBSCRIBED"))["subscribed"]
        offer = (await wanted(queue, "OFFERS"))["offers"]["offers"][0]
        tasks = [
            {
                "name": name,
                "task_id": {"value": name},
                "agent_id": offer["agent_id"],
                "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}],
                "command": {"value": "x"},
                **({"labels": {"labels": [{"key": "DCOS_SPACE", "value": space}]}} if space else {}),
            }
            for name, space in (("mine", "/dev/db"), ("theirs", "/prod"), ("nobodys", ""))
        ]
        accept = {
            "type": "ACCEPT",
            "framework_id": subscribed["framework_id"],
            "accept": {
                "offer_ids": [offer["id"]],
                "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
            },
        }
        headers = {"Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"], **named("spark")}
        assert (await master.post("/api/v1/scheduler", accept, headers)).status == 202
        seen = {
            who: {one["id"] for one in (await master.get("/tasks", named(who))).json["tasks"]}
            for who in ("ann", "bob", "eve")
        }
        assert seen == {"ann": {"mine", "theirs", "nobodys"}, "bob": {"mine"}, "eve": set()}
        for who, many in (("ann", 3), ("bob", 1)):
            whole = (await master.get("/state", named(who))).json["frameworks"]
            assert [len(one["tasks"]) for one in whole] == [many]
            called = (await master.call("GET_STATE", named(who))).json["get_state"]["get_tasks"]["tasks"]
            assert len(called) == many
        assert (await master.get("/state", named("eve"))).json["frameworks"] == []


async def test_a_stream_of_events_ends_when_its_readers_rights_change() -> None:
    call = {"type": "SUBSCRIBE"}
    async with asking("strict", bob="dcos:superuser full", ann=f"{M}:task read") as (master, accounts):
        known = master.api.acls
        assert isinstance(known, Granted)
        async with (
            stream(master, "/api/v1", call, named("bob")) as (bob, hers),
            stream(master, "/api/v1", call, named("ann")) as (_, his),
        ):
            await wanted(hers, "SUBSCRIBED")
            await wanted(his, "SUBSCRIBED")
            end_outdated(master.api.writer, known)
            assert len(master.api.writer.subscribers) == 2
            accounts.rights["bob"] = NOTHING
            await master.get("/flags", named("bob"))
            end_outdated(master.api.writer, known)
            async with asyncio.timeout(PATIENCE_S):
                while len(master.api.writer.subscribers) == 2:
                    await asyncio.sleep(0.01)
            assert [one.asker and one.asker[0] for one in master.api.writer.subscribers.values()] == ["ann"]
            assert bob.status == 200


def begun(known: Granted, proved: str | None) -> tuple[Stage, str, str, str]:
    """(stage, a framework that says that it is ``p``, its stream, agent)"""
    stage = Stage(Rules(acls=known))
    agent, _ = stage.agent("cpus:4;mem:1024;disk:1000")
    framework, stream = stage.subscribe(framework_info("fw", "r", principal="p"), proved=proved)
    return stage, framework, stream, agent


def test_what_a_framework_does_is_judged_by_who_it_proved_to_be() -> None:
    for anonymous, proved, state in (
        (True, None, "TASK_STAGING"),
        (True, "p", "TASK_ERROR"),
        (False, "p", "TASK_ERROR"),
    ):
        known = Granted(anonymous=anonymous)
        known.tell("p", rights(p=f"{M}:framework:role:r create")["p"])
        stage, framework, stream, agent = begun(known, proved)
        stage.accept(framework, stage.offers(stream), [launch(task("t", agent))])
        if state == "TASK_ERROR":
            (status,) = stage.statuses(stream)
            assert (status.state, status.reason) == (TaskState.TASK_ERROR, "REASON_TASK_UNAUTHORIZED")
            assert status.message == (
                f"Principal 'p' no authorized to launch task t of framework {framework} under user 'root':"
                f" the permission {M}:task:user:root is missing"
            )
        else:
            assert "t" in stage.state.frameworks[framework].tasks


def test_a_right_that_is_given_holds_for_the_next_call() -> None:
    known = Granted(anonymous=False)
    known.tell("p", rights(p=f"{M}:framework:role:r create")["p"])
    stage, framework, stream, agent = begun(known, "p")
    known.tell("p", rights(p=f"{M}:framework:role:r create, {M}:task:user:root create")["p"])
    stage.accept(framework, stage.offers(stream), [launch(task("t", agent))])
    assert "t" in stage.state.frameworks[framework].tasks
    assert not known.allows(Action.RESERVE_RESOURCES, "p", "r")


def test_services_of_the_cluster_have_what_they_need() -> None:
    known = granted("strict")
    for who in ("dcos_marathon", "dcos_metronome"):
        for action, what in (
            (Action.REGISTER_FRAMEWORK, "slave_public"),
            (Action.RUN_TASK, "root"),
            (Action.RESERVE_RESOURCES, "any"),
            (Action.CREATE_VOLUME, "any"),
            (Action.UNRESERVE_RESOURCES, who),
            (Action.DESTROY_VOLUME, who),
            (Action.VIEW_ROLE, "any"),
            (Action.GET_QUOTA, "any"),
        ):
            assert known.allows(action, who, what), (who, action)
        assert not known.allows(Action.TEARDOWN_FRAMEWORK, who, "dcos_marathon")
        assert not known.allows(Action.UNRESERVE_RESOURCES, who, "spark")
    assert known.allows(Action.REGISTER_AGENT, "dcos_mesos_agent")
    assert not known.allows(Action.REGISTER_FRAMEWORK, "dcos_mesos_agent", "*")
    for who in ("dcos_cosmos", "dcos_net", "dcos_mesos_dns", "dcos_adminrouter", "dcos_diagnostics"):
        assert known.allows(Action.VIEW_TASK, who, "root"), who
        assert not known.allows(Action.TEARDOWN_FRAMEWORK, who, "spark"), who
    assert {name for name in RIGHTS if name.startswith("dcos_mesos_slave")} == set()
