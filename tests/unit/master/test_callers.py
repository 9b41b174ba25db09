"""What a machine that is no master may ask a master."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from dcos.master.callers import admits, agent_problem, reads
from dcos.runtime.tls import Caller

AGENT = Caller("dcos-net", "slave")


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b'{"type": "SUBSCRIBE"}', True),
        (b'{"type": "GET_STATE"}', True),
        (b'{"type": "GET_AGENTS", "more": 1}', True),
        (b'{"type": "TEARDOWN"}', False),
        (b'{"type": "UPDATE_QUOTA"}', False),
        (b'{"type": "MARK_AGENT_GONE"}', False),
        (b'{"type": "READ_FILE"}', False),
        (b'{"type": 1}', False),
        (b"{}", False),
        (b"[]", False),
        (b"", False),
        (b"\xff", False),
    ],
)
def test_calls_that_only_read(body: bytes, answer: bool) -> None:
    assert reads(body) == answer


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/state", True),
        ("GET", "/slaves", True),
        ("GET", "/logging/toggle?level=3&duration=1mins", False),
        ("GET", "/profiler/start", False),
        ("POST", "/internal/v1/agent", True),
        ("POST", "/api/v1/scheduler", False),
        ("POST", "/master/teardown", False),
        ("POST", "/api/v1", False),  # not JSON: not looked into
        ("PUT", "/weights", False),
        ("DELETE", "/quota/dev", False),
    ],
)
async def test_paths(method: str, path: str, answer: bool) -> None:
    request = make_mocked_request(method, path)
    assert await admits(request, AGENT) == answer
    assert await admits(request, Caller("dcos-marathon", "master"))


@pytest.mark.parametrize(
    ("caller", "pid", "words"),
    [
        (None, "slave(1)@10.0.0.9:5051", ""),  # no certificate was asked for
        (Caller("dcos-mesos-slave", "slave", ("10.0.0.7", "127.0.0.1")), "slave(1)@10.0.0.7:5051", ""),
        (Caller("dcos-mesos-slave-public", "slave_public", ("fd00::7",)), "slave(1)@[fd00::7]:5051", ""),
        (Caller("dcos-mesos-slave", "slave", ("10.0.0.7",)), "slave(1)@10.0.0.8:5051", "not for 10.0.0.8"),
        (
            Caller("dcos-mesos-slave", "slave", ("10.0.0.7", "127.0.0.1")),
            "slave(1)@127.0.0.1:5051",
            "not for 127.0.0.1",
        ),
        (Caller("dcos-mesos-slave", "slave", ("10.0.0.7",)), "slave(1)@master.mesos:5051", "no address"),
        (Caller("dcos-mesos-slave", "slave", ("10.0.0.7",)), "", "no address"),
        (Caller("dcos-net", "slave", ("10.0.0.7",)), "slave(1)@10.0.0.7:5051", "which is no agent"),
    ],
)
def test_an_agent_is_who_its_certificate_says(caller: Caller | None, pid: str, words: str) -> None:
    found = agent_problem(caller, pid)
    assert words in (found or "")
    assert bool(found) == bool(words)
