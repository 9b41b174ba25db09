"""The table of v1 operator calls is whole, and judges every call that can be refused."""

from __future__ import annotations

import json

import pytest

from dcos.master import api_operations, guards
from dcos.master.api_operator import CALLS
from dcos.model.acls import Acls
from dcos.model.v1.master import Call, CallType
from dcos.wire import mesos_json
from tests.unit.master.served import serving
from tests.unit.master.stage import Stage

OPEN = {
    "GET_HEALTH",
    "GET_VERSION",
    "GET_METRICS",
    "GET_LOGGING_LEVEL",
    "GET_MASTER",
    "LIST_FILES",
    "READ_FILE",
    "SUBSCRIBE",
}
"""Open to all, or judged by what they show."""


def test_every_type_has_a_row() -> None:
    assert set(CallType) - {CallType.UNKNOWN} == set(CALLS)


def test_every_change_has_its_member() -> None:
    for kind, row in CALLS.items():
        member = kind.lower()
        has = member in Call.__struct_fields__
        assert row.member == (member if has else None), kind


CPUS = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}
AGENT = {"agent_id": {"value": "a"}}
BODIES: dict[str, dict[str, object]] = {
    "UPDATE_WEIGHTS": {"weight_infos": [{"role": "r", "weight": 2}]},
    "UPDATE_QUOTA": {"quota_configs": [{"role": "r"}]},
    "SET_QUOTA": {"quota_request": {"role": "r"}},
    "REMOVE_QUOTA": {"role": "r"},
}
"""Of calls whose refusal depends on what they ask for."""


def test_every_change_can_be_refused() -> None:
    """With no ACL at all and ``permissive`` off nothing that changes anything goes. Operations on resources are judged later:
    test_operations.py."""
    state = Stage().state
    for kind, row in CALLS.items():
        if row.member is None or kind in (OPEN | set(api_operations.CALLS) | {CallType.TEARDOWN}):
            continue
        body = {"type": kind, row.member: BODIES[kind]} if kind in BODIES else {"type": kind}
        call = mesos_json.decode(json.dumps(body).encode(), Call)
        assert guards.missing(Acls(permissive=False), "p", call, state) is not None, kind


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        ({}, 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        ({"type": "NOPE"}, 400, "Failed to validate master::Call: Expecting 'type' to be present"),
        ({"type": "UNKNOWN"}, 501, None),
        ({"type": "DRAIN_AGENT"}, 400, "Failed to validate master::Call: Expecting 'drain_agent' to be present"),
        ({"type": "GET_METRICS"}, 400, "Failed to validate master::Call: Expecting 'get_metrics' to be present"),
        (
            {"type": "SHRINK_VOLUME", "shrink_volume": {"volume": CPUS, "subtract": {"value": 1}}},
            400,
            "Failed to validate master::Call: Expecting 'agent_id' to be present; only agent default resources are "
            "supported right now",
        ),
        (
            {"type": "UNRESERVE_RESOURCES", "unreserve_resources": {**AGENT, "resources": [{**CPUS, "type": "SET"}]}},
            400,
            "Failed to validate master::Call: Resource 'cpus' is invalid: Invalid set resource",
        ),
        ({"type": "READ_FILE", "read_file": {"path": "/x", "offset": 0}}, 404, ""),
        ({"type": "SET_LOGGING_LEVEL", "set_logging_level": {"level": 0, "duration": {"nanoseconds": 1}}}, 200, ""),
    ],
)
async def test_codes(call: dict[str, object], status: int, text: str | None) -> None:
    async with serving() as served:
        answer = await served.post("/api/v1", call)
        assert answer.status == status
        assert text in (None, answer.text)


async def test_files_and_the_log(tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("log") / "master.log"
    log.write_text("one\ntwo\n")
    async with serving(f"--external_log_file={log}") as served:
        assert (await served.get("/files/debug")).json == {"/master/log": str(log)}
        assert (await served.get("/files/browse?path=/master/log")).json == []
        assert (await served.get("/files/read.json?path=/master/log&offset=4")).json == {"data": "two\n", "offset": 4}
        assert (await served.get("/files/read?path=/master/log")).json == {"data": "", "offset": 8}
        download = await served.get("/master/files/download?path=/master/log")
        assert (download.text, "attachment" in download.headers["Content-Disposition"]) == ("one\ntwo\n", True)
        read = await served.call("READ_FILE", path="/master/log", offset=4)
        assert read.json["read_file"] == {"size": 8, "data": "dHdvCg=="}
        assert (await served.call("LIST_FILES", path="/master/log")).json["list_files"] == {}
        assert (await served.get("/state")).json["external_log_file"] == str(log)
        for path, code in (("", 400), ("path=/nope", 404), ("path=/master/log&offset=-2", 400)):
            assert (await served.get(f"/files/read?{path}")).status == code
