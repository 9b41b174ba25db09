"""Who may ask an agent where callers show certificates."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from dcos.agent.callers import admitting
from dcos.registry import NodeRole
from dcos.runtime.tls import Caller

HERE, THERE = "10.0.0.7", "10.0.0.8"


@pytest.mark.parametrize(
    ("caller", "method", "path", "admitted"),
    [
        (Caller("dcos-cosmos", NodeRole.MASTER, (THERE,)), "POST", "/api/v1", True),
        (Caller("dcos-log-agent", NodeRole.AGENT, (HERE, "127.0.0.1")), "GET", "/files/download", True),
        (Caller("dcos-log-agent", NodeRole.PUBLIC_AGENT, (HERE,)), "HEAD", "/files/download", True),
        (Caller("dcos-telegraf", NodeRole.AGENT, (HERE,)), "GET", "/containers", True),
        (Caller("dcos-diagnostics", NodeRole.AGENT, (HERE,)), "GET", "/state", True),
        (Caller("dcos-log-agent", NodeRole.AGENT, (THERE,)), "GET", "/files/download", False),
        (Caller("dcos-log-agent", NodeRole.AGENT, (HERE,)), "GET", "/state", False),
        (Caller("dcos-telegraf", NodeRole.AGENT, (HERE,)), "POST", "/api/v1", False),
        (Caller("dcos-telegraf", NodeRole.AGENT, (HERE,)), "GET", "/files/download", False),
        (Caller("dcos-net", NodeRole.AGENT, (HERE,)), "GET", "/state", False),
    ],
)
async def test_callers(caller: Caller, method: str, path: str, admitted: bool) -> None:
    assert await admitting(HERE)(make_mocked_request(method, path), caller) is admitted
