"""dcos-net as an ordinary process without rights over the network: the forwarder and the REST API, asked by ``dig``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import dnslib
import pytest

from dcos.net import resolvconf
from dcos.runtime import dns as sockets
from dcos.runtime.dns import Server
from dcos.runtime.process import run
from dcos.testing.fake_master import FakeMaster
from dcos.testing.ports import free_port
from dcos.wire import dns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

HOST = "127.0.0.1"


async def dig(port: int, name: str, rtype: str = "A", *options: str) -> str:
    words = ["dig", f"@{HOST}", "-p", str(port), name, rtype, "+tries=1", "+timeout=8", *options]
    return (await run(words, timeout_s=12)).stdout.decode()


async def short(port: int, name: str, rtype: str = "A", *options: str) -> list[str]:
    return sorted((await dig(port, name, rtype, "+short", *options)).splitlines())


@contextlib.asynccontextmanager
async def upstream(ip: str, *, silent: bool = False, rcode: int = 0) -> AsyncIterator[int]:
    """A DNS server that gives ``ip`` for every name."""

    def answer(data: bytes, tcp: bool) -> bytes | None:
        if silent:
            return None
        reply = dnslib.DNSRecord.parse(data).reply()
        reply.header.rcode = rcode
        if not rcode:
            reply.add_answer(dnslib.RR(reply.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(ip), ttl=1))
        return bytes(reply.pack())

    async with sockets.serve(answer, HOST, free_port()) as (_, port):
        yield port


@contextlib.asynccontextmanager
async def dcos_net(root: Path, *flags: str) -> AsyncIterator[tuple[int, int]]:
    port, rest = free_port(), free_port()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from dcos.net.service import main; sys.exit(main())",
        f"--dns_bind={HOST}:{port}",
        f"--rest_port={rest}",
        f"--ip={HOST}",
        "--no-manage_network",
        *flags,
        env={**os.environ, "DCOS_ROOT": str(root)},
    )
    try:
        deadline = time.monotonic() + 40
        while await short(port, "ready.spartan") != ["127.0.0.1"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        yield port, rest
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        assert await asyncio.wait_for(child.wait(), 30) == 0


async def test_every_route(tmp_path: Path) -> None:
    async with (
        upstream("192.0.2.1") as mesos,
        upstream("192.0.2.2") as corp,
        upstream("192.0.2.3", silent=True) as dead,
        upstream("192.0.2.4", rcode=2) as broken,
        upstream("192.0.2.5") as good,
        dcos_net(
            tmp_path,
            f"--master_list={HOST}",
            f"--mesos_dns_port={mesos}",
            f'--forward_zones={{"corp.example": ["{HOST}:{corp}"]}}',
            f"--resolvers={HOST}:{dead},{HOST}:{broken},{HOST}:{good}",
        ) as (port, _),
    ):
        assert await short(port, "leader.mesos") == ["192.0.2.1"]
        assert await short(port, "leader.mesos", "A", "+tcp") == ["192.0.2.1"]
        assert await short(port, "x.corp.example") == ["192.0.2.2"]
        assert await short(port, "example.com") == ["192.0.2.5"]
        assert await short(port, "zk-3.zk") == [HOST]
        assert "web.mesos.thisdcos.directory. 1" in " ".join((await dig(port, "web.mesos.thisdcos.directory")).split())
        assert "NXDOMAIN" in await dig(port, "nothing.thisdcos.directory")
        assert "NXDOMAIN" in await dig(port, "nothing.spartan")


async def test_nobody_answers(tmp_path: Path) -> None:
    async with dcos_net(tmp_path, f"--master_list={HOST}", f"--mesos_dns_port={free_port()}") as (port, _):
        assert "SERVFAIL" in await dig(port, "leader.mesos")
        assert "SERVFAIL" in await dig(port, "example.com")


async def test_names_and_vips_follow_the_master(tmp_path: Path) -> None:
    async with FakeMaster() as master:
        agent, framework = master.add_agent("10.0.0.9"), master.add_framework("marathon")
        found = {
            "name": "web",
            "ports": {
                "ports": [{"number": 80, "protocol": "tcp", "labels": {"labels": [{"key": "VIP_0", "value": "/w:80"}]}}]
            },
        }
        await master.run_task(framework, agent, "web", discovery=found, container_ips=["9.0.1.2"])
        flags = (f"--master_list={HOST}:{master.port}",)
        async with dcos_net(tmp_path, *flags) as (port, rest), aiohttp.ClientSession() as session:
            deadline = time.monotonic() + 20
            name = "web.marathon.containerip.dcos.thisdcos.directory"
            while await short(port, name) != ["9.0.1.2"]:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            (vip,) = await short(port, "w.marathon.l4lb.thisdcos.directory")
            assert vip.startswith("11.")
            async with session.get(f"http://{HOST}:{rest}/v1/vips") as response:
                etag = response.headers["ETag"]
                assert await response.json() == [
                    {
                        "vip": "w.marathon.l4lb.thisdcos.directory:80",
                        "protocol": "tcp",
                        "backend": [{"ip": "9.0.1.2", "port": 80}],
                    }
                ]
            async with session.get(f"http://{HOST}:{rest}/v1/vips", headers={"If-None-Match": etag}) as response:
                assert response.status == 304
            async with session.get(f"http://{HOST}:{rest}/v1/metrics/default") as response:
                assert "l4lb_vips 1" in await response.text()
            async with session.get(f"http://{HOST}:{rest}/v1/config") as response:
                assert response.status == 501


async def test_resolv_conf_asks_who_answers() -> None:
    def answer(data: bytes, tcp: bool) -> bytes | None:
        return dns.failure(data, dns.NOERROR)

    async with sockets.serve(answer, HOST, free_port()) as (_, port):
        found = await resolvconf.answering([Server(HOST, port), Server(HOST, free_port())])
    assert found == [HOST]
