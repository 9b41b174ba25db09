"""dcos-net with masters that an Exhibitor tells of: ``dns_config`` as upstream writes it, and what follows when they change."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dcos.net.config import environment_of_lines
from dcos.net.masters import NoMasters, _ask, exhibitor_url
from dcos.runtime import http
from dcos.testing.fake_master import FakeMaster
from dcos.testing.patience import PATIENCE_S
from tests.integration.net.test_forwarder_service import HOST, dcos_net, dig, short, upstream

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]


def loopback() -> str:
    """An address of this machine's own that no other test has."""
    return "127." + ".".join(str(1 + secrets.randbelow(253)) for _ in range(3))


class Exhibitor:
    """``said``: a status code, or a body, or the host names of its members."""

    def __init__(self, said: Any) -> None:
        self.said = said
        self.asked = 0

    async def status(self, _: web.Request) -> web.Response:
        self.asked += 1
        if isinstance(self.said, int):
            return web.Response(status=self.said)
        if isinstance(self.said, str):
            return web.Response(text=self.said)
        members = [{"code": 3, "description": "serving", "hostname": host, "isLeader": False} for host in self.said]
        return http.json_response(members)

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        app = http.application()
        app.router.add_get("/exhibitor/v1/cluster/status", self.status)
        async with http.listen(app, host=host, port=port) as (_, number):
            yield f"http://{host}:{number}/exhibitor/v1/cluster/status"


async def eventually(what: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (found := await what()) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.1)


async def test_masters_of_an_exhibitor_are_named_and_asked_as_they_come_and_go(tmp_path: Path) -> None:
    ip, other = loopback(), loopback()
    exhibitor = Exhibitor(503)
    etc = tmp_path / "opt/mesosphere/etc"
    etc.mkdir(parents=True)
    (etc / "dns_config").write_text(f"MASTER_SOURCE=exhibitor\nEXHIBITOR_ADDRESS={ip}\n")
    async with (
        FakeMaster(ip, 5050) as master,
        exhibitor.serving(ip, 8181),
        upstream("192.0.2.9", host=ip) as mesos_dns,
        dcos_net(tmp_path, "--exhibitor_interval=0.5", f"--mesos_dns_port={mesos_dns}") as (port, _),
    ):
        master.add_agent("10.0.0.9")
        assert "NXDOMAIN" in await dig(port, "zk-1.zk"), "nobody has said who the masters are"
        exhibitor.said = [ip]
        await eventually(lambda: short(port, "zk-5.zk"), [ip])
        assert await short(port, "master.dcos.thisdcos.directory") == [ip]
        assert await short(port, "leader.mesos") == ["192.0.2.9"], "its Mesos-DNS is asked"
        await eventually(lambda: short(port, "leader.dcos.thisdcos.directory"), [ip])
        exhibitor.said = [ip, other]
        await eventually(lambda: short(port, "zk-2.zk"), [other])
        assert await short(port, "zk-5.zk") == [ip]
        assert await short(port, "master.dcos.thisdcos.directory") == sorted([ip, other])
        for bad in (500, "no JSON", ["a.name.of.a.host"], []):
            exhibitor.said, asked = bad, exhibitor.asked
            while exhibitor.asked < asked + 2:
                await asyncio.sleep(0.1)
            assert await short(port, "zk-2.zk") == [other], "the last ones stay"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (503, "status 503"),
        ("no JSON", "JSON is malformed"),
        ('[{"code": 3}]', "hostname"),
        (["master-1"], "'master-1' is not an address"),
        ([], "it has no members"),
    ],
)
async def test_what_an_exhibitor_may_not_say(said: Any, why: str) -> None:
    async with Exhibitor(said).serving(HOST, 0) as url, http.session() as session:
        with pytest.raises(NoMasters, match=why):
            await _ask(session, url)


def test_where_masters_are_told() -> None:
    status = "/exhibitor/v1/cluster/status"
    assert exhibitor_url("master_list", "10.0.0.1", "") is None
    assert exhibitor_url("exhibitor", "10.0.0.1", "") == f"http://10.0.0.1:8181{status}"
    assert exhibitor_url("exhibitor", "fd00::1", "") == f"http://[fd00::1]:8181{status}"
    assert exhibitor_url("exhibitor_uri", "10.0.0.1", "http://lb/x") == "http://lb/x"
    for source in ("exhibitor", "exhibitor_uri"):
        with pytest.raises(ValueError, match="must be given where master_source is"):
            exhibitor_url(source, "", "")


def test_upstreams_files_of_lines() -> None:
    lines = b'# of an installer\nMASTER_SOURCE=exhibitor_uri\nEXHIBITOR_URI="http://lb/x"\nRESOLVERS=10.0.0.2\nOTHER=1\nSEARCH=\n'
    assert environment_of_lines(lines) == {
        "MASTER_SOURCE": "exhibitor_uri",
        "EXHIBITOR_URI": "http://lb/x",
        "DCOS_NET_RESOLVERS": "10.0.0.2",
    }
