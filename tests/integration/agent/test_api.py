"""The HTTP API against answers recorded from Mesos 1.11: same members, same types."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from dcos.model.v1 import agent as v1
from dcos.model.v1.types import (
    CommandInfo,
    DiscoveryInfo,
    DiscoveryInfoVisibility,
    Environment,
    EnvironmentVariable,
    FrameworkInfo,
    HealthCheck,
    HealthCheckType,
    Label,
    Labels,
    Port,
    Ports,
    Resource,
    ResourceAllocationInfo,
    TaskInfo,
    ValueRange,
    ValueRanges,
    ValueType,
)
from dcos.testing.patience import PATIENCE_S
from dcos.wire import mesos_json, mesos_proto

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROTOBUF = "application/x-protobuf"
Make = Callable[..., TaskInfo]
GOLDEN = Path(__file__).resolve().parents[2] / "golden/mesos-1.11"

BUILD = {"git_sha", "git_tag"}
"""Ours has no commit of Mesos."""
MORE = {"processes", "threads"}
"""Statistics that posix isolation of Mesos leaves out."""


def differences(golden: Any, ours: Any, path: str = "") -> list[str]:
    """Members and types that differ; of lists, the items pairwise."""
    if path.endswith(".flags"):
        return []
    if isinstance(golden, dict):
        if not isinstance(ours, dict):
            return [f"{path}: an object was expected"]
        out = [f"{path}.{key}: missing" for key in golden.keys() - ours.keys() - BUILD]
        out += [f"{path}.{key}: not upstream's" for key in ours.keys() - golden.keys() - MORE]
        for key in golden.keys() & ours.keys():
            out += differences(golden[key], ours[key], f"{path}.{key}")
        return out
    if isinstance(golden, list):
        if not isinstance(ours, list):
            return [f"{path}: a list was expected"]
        if path == ".capabilities":
            return [] if set(ours) <= set(golden) else [f"{path}: unknown capabilities"]
        out = [f"{path}: {len(ours)} items, not {len(golden)}"] if len(golden) != len(ours) else []
        for index, (left, right) in enumerate(zip(golden, ours, strict=False)):
            out += differences(left, right, f"{path}[{index}]")
        return out
    kinds = [
        float if isinstance(one, int | float) and not isinstance(one, bool) else type(one) for one in (golden, ours)
    ]
    return [] if kinds[0] is kinds[1] else [f"{path}: {kinds[1].__name__}, not {kinds[0].__name__}"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def golden_agent(
    master_class: Any, agent_class: Any, make_task: Make, framework_info: FrameworkInfo
) -> AsyncIterator[Any]:
    """In the state that the recording shows: one failed task, one healthy. The tests only look."""
    master = master_class()
    await master.start()
    with tempfile.TemporaryDirectory(prefix="dcos-agent-") as folder:
        agent = agent_class(Path(folder), f"127.0.0.1:{master.port}")
        try:
            await agent.start()
            await master.registered()
            await _as_recorded(agent, master, make_task, framework_info)
            yield agent
        finally:
            await agent.kill()
            agent.end_everything()
            await master.stop()


async def _as_recorded(agent: Any, master: Any, make_task: Make, framework_info: FrameworkInfo) -> None:
    framework = msgspec.structs.replace(framework_info, checkpoint=False)
    ports = Resource(
        name="ports",
        type=ValueType.RANGES,
        ranges=ValueRanges(range=(ValueRange(begin=31005, end=31006),)),
        allocation_info=ResourceAllocationInfo(role="web"),
    )
    web = make_task(
        "web.1",
        CommandInfo(
            value="echo out; echo err >&2; sleep 1000",
            environment=Environment(variables=(EnvironmentVariable(name="A", value="b"),)),
        ),
        labels=Labels(labels=(Label(key="k", value="v"),)),
        discovery=DiscoveryInfo(
            visibility=DiscoveryInfoVisibility.FRAMEWORK,
            name="web",
            ports=Ports(ports=(Port(number=31005, name="http", protocol="tcp"),)),
        ),
        health_check=HealthCheck(
            type=HealthCheckType.COMMAND, command=CommandInfo(value="true"), delay_seconds=0, interval_seconds=1
        ),
    )
    await master.run(msgspec.structs.replace(web, resources=(*web.resources, ports)), framework)
    await master.until(lambda: any(one.healthy for one in master.updates))
    await master.run(make_task("batch.1", "exit 3"), framework)
    await master.state("batch.1", "TASK_FAILED")
    async with asyncio.timeout(PATIENCE_S):  # the acknowledgement comes after the update
        while not (await fetch(agent, "/state"))[1]["frameworks"][0]["completed_executors"]:
            await asyncio.sleep(0.05)


async def fetch(agent: Any, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
    async with aiohttp.ClientSession() as session:
        if body is None:
            request = session.get(agent.url + path, headers=headers)
        else:
            request = session.post(agent.url + path, json=body, headers=headers)
        async with request as answer:
            text = await answer.text()
            kind = answer.headers.get("Content-Type", "")
            return answer.status, json.loads(text) if kind.startswith("application/json") else text, answer.headers


def by_id(state: dict[str, Any]) -> dict[str, Any]:
    """Both recordings' executors in one order: batch is completed with us as soon as it is acknowledged."""
    for framework in state["frameworks"]:
        every = framework["executors"] + framework["completed_executors"]
        framework["executors"] = sorted(every, key=lambda one: one["id"])
        framework["completed_executors"] = []
    return state


async def test_state(golden_agent: Any) -> None:
    golden = json.loads((GOLDEN / "agent-state.json").read_text())["body"]
    for path in ("/state", "/slave(1)/state", "/slave%281%29/state"):
        status, ours, _ = await fetch(golden_agent, path)
        assert status == 200
        assert differences(by_id(golden), by_id(ours)) == []
    executor = ours["frameworks"][0]["executors"][1]
    assert executor["resources"]["cpus"] == 0.2
    assert executor["resources"]["mem"] == 64
    assert executor["name"] == "Command Executor (Task: web.1) (Command: sh -c 'echo out; ec...')"
    assert ours["unreserved_resources_allocated"]["ports"] == "[31005-31006]"


@pytest.mark.parametrize(
    "name", ["agent-version", "agent-monitor-statistics", "agent-containers", "agent-metrics-snapshot"]
)
async def test_get_endpoints(golden_agent: Any, name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    status, ours, headers = await fetch(golden_agent, golden["request"]["GET"])
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    body = golden["body"]
    if isinstance(body, list):
        body = [one for one in body if one["executor_id"] == "web.1"]
    assert differences(body, ours) == []


@pytest.mark.parametrize(
    "name",
    [
        *("get-health", "get-version", "get-agent", "get-frameworks", "get-operations", "get-resource-providers"),
        "get-logging-level",
    ],
)
async def test_v1_calls(golden_agent: Any, name: str) -> None:
    golden = json.loads((GOLDEN / f"operator-agent-{name}.json").read_text())
    status, ours, _ = await fetch(golden_agent, "/api/v1", golden["request"]["body"])
    assert status == 200
    if name == "get-frameworks":
        golden["body"]["get_frameworks"]["frameworks"][0]["framework_info"].pop("failover_timeout", None)
        ours["get_frameworks"]["frameworks"][0]["framework_info"].pop("failover_timeout", None)
    assert differences(golden["body"], ours) == []


async def test_v1_state(golden_agent: Any) -> None:
    golden = json.loads((GOLDEN / "operator-agent-get-state.json").read_text())["body"]["get_state"]
    _, ours, _ = await fetch(golden_agent, "/api/v1", {"type": "GET_STATE"})
    ours = ours["get_state"]
    assert differences(golden["get_tasks"], ours["get_tasks"]) == []
    golden_web = golden["get_executors"]["executors"][1]
    assert differences(golden_web, ours["get_executors"]["executors"][0]) == []
    _, containers, _ = await fetch(golden_agent, "/api/v1", {"type": "GET_CONTAINERS"})
    recorded = json.loads((GOLDEN / "operator-agent-get-containers.json").read_text())["body"]
    recorded["get_containers"]["containers"].pop(0)
    assert differences(recorded, containers) == []


async def speak(agent: Any, call: bytes, **headers: str) -> tuple[int, str, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(agent.url + "/slave(1)/api/v1", data=call, headers=headers) as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.read()


async def test_v1_in_protobuf(golden_agent: Any) -> None:
    both = {"Content-Type": PROTOBUF, "Accept": PROTOBUF}
    for name in ("HEALTH", "FLAGS", "VERSION", "STATE", "TASKS", "EXECUTORS", "FRAMEWORKS", "AGENT", "OPERATIONS"):
        call = v1.Call(type=v1.CallType(f"GET_{name}"))
        status, kind, raw = await speak(golden_agent, mesos_proto.encode(call), **both)
        assert (status, kind) == (200, PROTOBUF)
        _, _, text = await speak(golden_agent, mesos_json.encode(call), **{"Content-Type": "application/json"})
        assert mesos_proto.decode(raw, v1.Response) == mesos_json.decode(text, v1.Response)
    for name in ("METRICS", "CONTAINERS", "LOGGING_LEVEL", "RESOURCE_PROVIDERS"):  # differ from one second to the next
        status, _, raw = await speak(golden_agent, mesos_proto.encode(v1.Call(type=v1.CallType(f"GET_{name}"))), **both)
        assert getattr(mesos_proto.decode(raw, v1.Response), f"get_{name.lower()}") is not None
    stdout = f"{golden_agent.sandbox('web.1').resolve()}/stdout"
    read = v1.Call(type=v1.CallType.READ_FILE, read_file=v1.CallReadFile(path=stdout, offset=0))
    _, _, raw = await speak(golden_agent, mesos_proto.encode(read), **both)
    assert mesos_proto.decode(raw, v1.Response).read_file == v1.ResponseReadFile(size=4, data=b"out\n")
    health = mesos_proto.encode(v1.Call(type=v1.CallType.GET_HEALTH))
    assert (await speak(golden_agent, health, **both | {"Accept": "*/*"}))[1].startswith("application/json")
    assert (await speak(golden_agent, health, **both | {"Accept": "image/png"}))[0] == 406
    assert (await speak(golden_agent, b"\x78", **both))[0] == 400
    assert (await speak(golden_agent, b"", **both))[0] == 400


async def test_files(golden_agent: Any) -> None:
    sandbox = str(golden_agent.sandbox("web.1").resolve())
    status, listed, _ = await fetch(golden_agent, f"/files/browse?path={sandbox}")
    golden = json.loads((GOLDEN / "agent-files-browse-path.json").read_text())["body"]
    assert status == 200
    assert differences(golden, listed) == []
    assert listed[0]["mode"] == "-rw-r--r--"
    assert [one["path"] for one in listed] == [f"{sandbox}/stderr", f"{sandbox}/stdout"]
    for query, data, offset in (("offset=-1", "", 4), ("offset=0&length=2", "ou", 0), ("offset=1", "ut\n", 1)):
        _, read, _ = await fetch(golden_agent, f"/files/read?path={sandbox}/stdout&{query}")
        assert read == {"data": data, "offset": offset}
    status, text, headers = await fetch(golden_agent, f"/files/download?path={sandbox}/stdout")
    assert (status, text) == (200, "out\n")
    assert "attachment" in headers["Content-Disposition"]
    _, answer, _ = await fetch(
        golden_agent, "/api/v1", {"type": "READ_FILE", "read_file": {"path": f"{sandbox}/stdout", "offset": 0}}
    )
    assert answer["read_file"] == {"size": 4, "data": "b3V0Cg=="}
    (golden_agent.sandbox("web.1") / "link").symlink_to("/etc")
    outside = {"/nope": 404, "/etc/passwd": 404, f"{sandbox}/link/passwd": 400, f"{sandbox}/../../../../meta": 404}
    for path, code in outside.items():
        for kind in ("browse", "read", "download"):
            assert (await fetch(golden_agent, f"/files/{kind}?path={path}&offset=0"))[0] == code
    assert (await fetch(golden_agent, "/files/browse"))[0] == 400


async def test_recorded_plain_answers(golden_agent: Any) -> None:
    for name in ("agent-health", "agent-files-browse-path-missing", "agent-files-read-path-offset--missing"):
        recorded = json.loads((GOLDEN / f"{name}.json").read_text())
        status, text, headers = await fetch(golden_agent, recorded["request"]["GET"])
        assert (status, text) == (recorded["status"], recorded["body"])
        kind = recorded["headers"].get("Content-Type")
        assert kind in (None, headers.get("Content-Type"))


async def test_conventions(golden_agent: Any) -> None:
    assert (await fetch(golden_agent, "/health"))[:2] == (200, "")
    assert (await fetch(golden_agent, "/no/such"))[0] == 404
    status, text, headers = await fetch(golden_agent, "/version?jsonp=cb")
    assert (status, text[:3], text[-1]) == (200, "cb(", ")")
    assert headers["Content-Type"].startswith("text/javascript")
    assert (await fetch(golden_agent, "/api/v1"))[0] == 405
    assert (await fetch(golden_agent, "/api/v1", {"type": "GET_HEALTH"}, {"Accept": "image/png"}))[0] == 406
    assert (await fetch(golden_agent, "/api/v1", {"type": "NOPE"}))[0] in (400, 501)
    assert (await fetch(golden_agent, "/api/v1", {"type": "GET_HEALTH"}, {"Content-Type": "text/plain"}))[0] == 415
    _, flags, _ = await fetch(golden_agent, "/flags")
    golden = json.loads((GOLDEN / "agent-flags.json").read_text())["body"]["flags"]
    given = {"attributes", "executor_environment_variables"}
    assert golden.keys() - given <= flags["flags"].keys()
    same = ("gc_delay", "recovery_timeout", "isolation", "fetcher_cache_size", "docker_registry", "strict")
    assert {name: flags["flags"][name] for name in same} == {name: golden[name] for name in same}
