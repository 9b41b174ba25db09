"""Operators' reservations and volumes over HTTP, as v1 calls and as forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest

from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.wire import mesos_json
from tests.unit.master.operation_makers import res
from tests.unit.master.served import Master, serving

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def plain(resource: Any) -> Any:
    return json.loads(mesos_json.encode(resource))


DISK = plain(res("disk:100", "r"))
VOLUME = plain(res("disk:60", "r", volume="v"))


@pytest.fixture
async def served() -> AsyncIterator[Master]:
    async with serving() as made, FakeAgent(made.url.removeprefix("http://"), resources="cpus:2;disk:1000") as agent:
        await agent.registered.wait()
        yield made


async def totals(served: Master) -> Any:
    (agent,) = (await served.get("/slaves")).json["slaves"]
    return agent


async def settled(served: Master) -> None:
    """No operation is known any more: the agent did all."""
    async with asyncio.timeout(PATIENCE_S):
        while (await served.call("GET_OPERATIONS")).json != {"type": "GET_OPERATIONS", "get_operations": {}}:
            await asyncio.sleep(0.01)


async def test_v1_calls(served: Master) -> None:
    agent_id = {"value": (await totals(served))["id"]}
    for kind, member in (
        ("RESERVE_RESOURCES", {"resources": [DISK]}),
        ("CREATE_VOLUMES", {"volumes": [VOLUME]}),
        ("GROW_VOLUME", {"volume": VOLUME, "addition": plain(res("disk:40", "r"))}),
        ("SHRINK_VOLUME", {"volume": plain(res("disk:100", "r", volume="v")), "subtract": {"value": 40}}),
    ):
        assert (await served.call(kind, None, agent_id=agent_id, **member)).status == 202, kind
    await settled(served)
    shown = await totals(served)
    assert shown["reserved_resources"]["r"]["disk"] == 100
    assert shown["unreserved_resources"]["disk"] == 900
    full = {one["scalar"]["value"]: one for one in shown["reserved_resources_full"]["r"]}
    assert full[60]["disk"]["persistence"] == {"id": "v"}
    assert full[60]["role"] == "r"
    assert full[60]["reservation"] == {}
    assert full[60]["reservations"] == [{"type": "DYNAMIC", "role": "r"}]
    roles = (await served.get("/roles")).json["roles"]
    assert [one["reserved"] for one in roles if one["name"] == "r"] == [{"disk": 100}]
    # What endpoints show has a reservation in both forms, and may be said again as it is.
    whole = {**full[40], "scalar": {"value": 100}}
    for kind, member in (("DESTROY_VOLUMES", {"volumes": [full[60]]}), ("UNRESERVE_RESOURCES", {"resources": [whole]})):
        assert (await served.call(kind, None, agent_id=agent_id, **member)).status == 202
    await settled(served)
    assert (await totals(served))["reserved_resources"] == {}


async def test_forms(served: Master) -> None:
    agent_id = (await totals(served))["id"]
    for path, name, given in (
        ("/reserve", "resources", DISK),
        ("/master/create-volumes", "volumes", VOLUME),
        ("/destroy-volumes", "volumes", VOLUME),
        ("/master/unreserve", "resources", DISK),
    ):
        body = urlencode({"slaveId": agent_id, name: json.dumps([given])})
        assert (await served.post(path, body, FORM)).status == 202, path
    old = {"name": "disk", "type": "SCALAR", "scalar": {"value": 5}, "role": "r", "reservation": {}}
    body = urlencode({"slaveId": agent_id, "resources": json.dumps([old])})
    assert (await served.post("/reserve", body, FORM)).status == 202
    await settled(served)
    assert (await totals(served))["reserved_resources"]["r"]["disk"] == 5


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({}, 400, "Missing 'slaveId' query parameter in the request body"),
        ({"slaveId": "x"}, 400, "Missing 'resources' query parameter in the request body"),
        ({"slaveId": "x", "resources": "["}, 400, "Error in parsing 'resources' query parameter in the request body"),
        ({"slaveId": "x", "resources": "[1]"}, 400, "Error in parsing 'resources' query parameter"),
        ({"slaveId": "x", "resources": "[]"}, 400, "No agent found with specified ID"),
        ({"slaveId": "*", "resources": "[]"}, 400, "No resources specified"),
        ({"slaveId": "*", "resources": json.dumps([plain(res("disk:1"))])}, 400, "is not dynamically reserved"),
        ({"slaveId": "*", "resources": json.dumps([plain(res("disk:9999", "r"))])}, 409, "does not contain"),
    ],
)
async def test_bad_forms(served: Master, fields: dict[str, str], status: int, text: str) -> None:
    if fields.get("slaveId") == "*":
        fields = {**fields, "slaveId": (await totals(served))["id"]}
    got = await served.post("/reserve", urlencode(fields), FORM)
    assert got.status == status
    assert text in got.text


async def test_only_post(served: Master) -> None:
    assert (await served.get("/reserve")).status == 405
