"""What a machine that is no master may ask a master."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from dcos.master.callers import admits, reads
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
