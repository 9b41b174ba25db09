"""Bodies that were made to hurt: each is answered, none with 500, none keeps the master busy or its memory full."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import zlib

import pytest

from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from tests.unit.master.served import JSON, serving
from tests.unit.master.test_access import stream, subscribe, wanted
from tests.unit.master.test_slow_readers import deaf

GET_STATE = b'{"type":"GET_STATE"}'
LONG = "9" * 5_000
BODIES = {
    "the last of a name counts": (b'{"type":"UNKNOWN","type":"GET_VERSION"}', 200),
    "a number that is none": (b'{"type":"GET_METRICS","get_metrics":{"timeout":{"nanoseconds":NaN}}}', 400),
    "1e400": (b'{"type":"GET_METRICS","get_metrics":{"timeout":{"nanoseconds":1e400}}}', 400),
    "minus infinity": (b'{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"weight":-Infinity}]}}', 400),
    "no number's text": (
        b'{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"r","weight":"NaN"}]}}',
        400,
    ),
    "a weight without end": (
        b'{"type":"UPDATE_WEIGHTS","update_weights":{"weight_infos":[{"role":"r","weight":"Infinity"}]}}',
        400,
    ),
    "more than 64 bits": (b'{"type":"GET_METRICS","get_metrics":{"timeout":{"nanoseconds":9223372036854775808}}}', 200),
    "less than nothing": (
        b'{"type":"SET_LOGGING_LEVEL","set_logging_level":{"level":-1,"duration":{"nanoseconds":-1}}}',
        200,
    ),
    "thousands of digits": (f'{{"type":"READ_FILE","read_file":{{"path":"x","offset":{LONG}}}}}'.encode(), 400),
    "thousands of digits as text": (
        f'{{"type":"READ_FILE","read_file":{{"path":"x","offset":"{LONG}"}}}}'.encode(),
        400,
    ),
    "no UTF-8": (b'{"type":"GET_STATE\xff"}', 400),
    "half a surrogate pair": (b'{"type":"REMOVE_QUOTA","remove_quota":{"role":"\\ud800"}}', 400),
    "NUL": (b'{"type":"REMOVE_QUOTA","remove_quota":{"role":"\\u0000"}}', 400),
    "a byte order mark": (b"\xef\xbb\xbf" + GET_STATE, 400),
    "two values": (GET_STATE * 2, 400),
    "nothing": (b"", 400),
    "deep lists": (b'{"type":"GET_STATE","x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
    "deep objects": (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, 400),
    "a deep union": (b'{"type":"UPDATE_QUOTA","update_quota":' * 2_000 + b"1" + b"}" * 2_000, 400),
    "many members": (b'{"type":"GET_VERSION",' + b",".join(b'"a%d":0' % n for n in range(100_000)) + b"}", 200),
    "many weights": (
        json.dumps(
            {"type": "UPDATE_WEIGHTS", "update_weights": {"weight_infos": [{"role": "/", "weight": 1}] * 50_000}}
        ).encode(),
        400,
    ),
}


@pytest.mark.parametrize("name", list(BODIES))
async def test_an_operators_call(name: str) -> None:
    body, status = BODIES[name]
    async with serving() as master, asyncio.timeout(PATIENCE_S):
        answer = await master.post("/api/v1", body)
        assert answer.status == status, answer.text[:300]
        assert len(answer.text) < 2_000 or status == 200, "the answer to nonsense is short"
        assert (await master.post("/api/v1/scheduler", body)).status in (400, 501)
        assert (await master.get("/state")).status == 200


async def test_compressed_bodies_are_bounded_by_what_they_become(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dcos.master.service._MAX_BODY", 100_000)
    packed = {**JSON, "Content-Encoding": "gzip"}
    async with serving() as master, asyncio.timeout(PATIENCE_S):
        assert (await master.post("/api/v1", gzip.compress(GET_STATE), packed)).status == 200
        bomb = gzip.compress(b" " * 50_000_000)
        assert len(bomb) < 100_000
        for path in ("/api/v1", "/api/v1/scheduler", "/teardown", "/weights"):
            assert (await master.post(path, bomb, packed)).status in (400, 405, 413), path
        for damaged in (gzip.compress(GET_STATE)[:-9], b"\x1f\x8b nonsense", GET_STATE, zlib.compress(GET_STATE)):
            assert (await master.post("/api/v1", damaged, packed)).status in (200, 400)
        assert (await master.get("/state")).status == 200


def ranges(count: int) -> dict[str, object]:
    every = [{"begin": 2 * number, "end": 2 * number} for number in range(count)]
    return {"name": "ports", "type": "RANGES", "ranges": {"range": every}}


async def test_big_calls_of_schedulers_do_not_take_long() -> None:
    """What is checked grows with what was sent, not with its square."""
    async with (
        serving() as master,
        FakeAgent(master.url.removeprefix("http://")),
        stream(master, "/api/v1/scheduler", subscribe(None, "root", "r")) as (answer, queue),
    ):
        framework = (await wanted(queue, "SUBSCRIBED"))["subscribed"]["framework_id"]
        offer = (await wanted(queue, "OFFERS"))["offers"]["offers"][0]
        headers = {**JSON, "Mesos-Stream-Id": answer.headers["Mesos-Stream-Id"]}
        resources = [ranges(50_000), {"name": "x", "type": "SET", "set": {"item": [str(n) for n in range(50_000)]}}]
        task = {"name": "t", "task_id": {"value": "t"}, "agent_id": offer["agent_id"], "resources": resources}
        task["command"] = {"value": "true"}
        launch = {"type": "LAUNCH", "launch": {"task_infos": [task]}}
        unknown = [{"value": f"o{number}"} for number in range(50_000)]
        calls = (
            {"type": "ACCEPT", "accept": {"offer_ids": [offer["id"]], "operations": [launch]}},
            {"type": "ACCEPT", "accept": {"offer_ids": unknown, "operations": [launch]}},
            {"type": "ACCEPT", "accept": {"offer_ids": [unknown[0]] * 50_000, "operations": [launch]}},
            {"type": "DECLINE", "decline": {"offer_ids": unknown}},
            {"type": "REVIVE", "revive": {"roles": [str(number) for number in range(50_000)]}},
        )
        used = time.process_time()
        for call in calls:
            async with asyncio.timeout(60):
                done = await master.post("/api/v1/scheduler", {**call, "framework_id": framework}, headers)
            assert done.status == 202
        assert time.process_time() - used < 60, "seconds of work, not minutes"
        assert (await master.get("/state")).status == 200


async def test_a_scheduler_that_does_not_read_is_cut_and_the_others_go_on() -> None:
    call = subscribe(None, "root", "r")
    async with serving() as master, deaf(master, "/api/v1/scheduler", json.dumps(call).encode()):
        async with asyncio.timeout(PATIENCE_S):
            while not master.api.writer.schedulers:
                await asyncio.sleep(0.01)
        (found,) = master.api.writer.schedulers.values()
        found.stall_s = 0.2
        async with stream(master, "/api/v1/scheduler", subscribe(None, "root", "r")) as (_, queue):
            await wanted(queue, "SUBSCRIBED")
            for _ in range(200):
                found.send(b"x" * 100_000)
            async with asyncio.timeout(PATIENCE_S):
                while found.id in master.api.writer.schedulers:
                    await asyncio.sleep(0.01)
            assert len(master.api.writer.schedulers) == 1, "the other one stays"
            async with FakeAgent(master.url.removeprefix("http://")):
                await wanted(queue, "OFFERS")
