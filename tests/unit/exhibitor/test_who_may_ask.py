"""Whose certificate opens what, where callers must show one."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from dcos.exhibitor.api import admits
from dcos.runtime.tls import Caller


@pytest.mark.parametrize(
    ("service", "unit", "method", "path", "may"),
    [
        ("dcos-net", "slave", "GET", "cluster/status", True),
        ("dcos-net", "slave_public", "GET", "cluster/status", True),
        ("dcos-net", "slave", "GET", "cluster/list", False),
        ("dcos-net", "slave", "GET", "cluster/restart/10.0.0.1", False),
        ("dcos-net", "slave", "POST", "cluster/status", False),
        ("dcos-mesos-slave", "slave", "GET", "cluster/status", False),
        ("dcos-adminrouter", "master", "GET", "cluster/restart/10.0.0.1", True),
    ],
)
async def test_agents_may_know_the_masters_and_no_more(
    service: str, unit: str, method: str, path: str, may: bool
) -> None:
    request = make_mocked_request(method, f"/exhibitor/v1/{path}")
    assert await admits(request, Caller(service, unit)) is may
