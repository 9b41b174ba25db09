"""dcos-mesos-dns as a process, asked by ``dig``, fed by a master's event stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import dnslib
import pytest

from dcos.model.v1.types import Address, MasterInfo
from dcos.runtime import dns as sockets
from dcos.runtime.process import run
from dcos.store.zookeeper import connect
from dcos.testing import zookeeper
from dcos.testing.fake_master import FakeMaster
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.wire import dns, mesos_json

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

HOST = "127.0.0.1"


@contextlib.asynccontextmanager
async def mesos_dns(root: Path, *flags: str) -> AsyncIterator[tuple[int, int]]:
    """Runs the service; yields its DNS and HTTP ports once it answers."""
    dns_port, http_port = free_port(), free_port()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from dcos.dns.service import main; sys.exit(main())",
        f"--ip={HOST}",
        f"--dns_port={dns_port}",
        f"--http_port={http_port}",
        *flags,
        env={**os.environ, "DCOS_ROOT": str(root)},
    )
    try:
        await eventually(lambda: dig(dns_port, "leader.mesos"), lambda lines: lines == [HOST], within_s=PATIENCE_S)
        yield dns_port, http_port
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0


async def dig(port: int, name: str, rtype: str = "A", *options: str) -> list[str]:
    result = await run(
        ["dig", f"@{HOST}", "-p", str(port), name, rtype, "+short", "+tries=1", "+timeout=20", *options], timeout_s=30
    )
    return sorted(result.stdout.decode().splitlines())


async def eventually(ask: Callable[[], object], good: Callable[[list[str]], bool], *, within_s: float) -> list[str]:
    deadline = time.monotonic() + within_s
    while True:
        lines = await ask()  # type: ignore[misc]
        if good(lines):
            return lines  # type: ignore[no-any-return]
        assert time.monotonic() < deadline, f"still {lines}"
        await asyncio.sleep(0.05)


async def test_names_follow_tasks(tmp_path: Path) -> None:
    async with FakeMaster() as master, mesos_dns(tmp_path, f"--masters={HOST}:{master.port}") as (port, _):
        agent, framework = master.add_agent("10.0.0.7"), master.add_framework("marathon")
        master.hang_up()  # the next subscription tells of both
        await eventually(lambda: dig(port, "slave.mesos"), lambda lines: lines == ["10.0.0.7"], within_s=PATIENCE_S)
        task = await master.run_task(framework, agent, "web", host_ports=[31000])
        await eventually(
            lambda: dig(port, "web.marathon.mesos"), lambda lines: lines == ["10.0.0.7"], within_s=PATIENCE_S
        )
        assert [line.split()[2] for line in await dig(port, "_web._tcp.marathon.mesos", "SRV")] == ["31000"]
        assert await dig(port, "web.marathon.mesos", "A", "+tcp") == ["10.0.0.7"]
        await master.update(task, "TASK_FINISHED")
        await eventually(lambda: dig(port, "web.marathon.mesos"), lambda lines: lines == [], within_s=PATIENCE_S)
        result = await run(["dig", f"@{HOST}", "-p", str(port), "web.marathon.mesos"], timeout_s=30)
        assert b"NXDOMAIN" in result.stdout
        assert b"ns1.mesos. root.ns1.mesos." in result.stdout
        result = await run(["dig", f"@{HOST}", "-p", str(port), "example.com"], timeout_s=30)
        assert b"REFUSED" in result.stdout


async def test_a_master_without_event_stream_is_polled(tmp_path: Path) -> None:
    async with FakeMaster(stream=False) as master:
        agent, framework = master.add_agent("10.0.0.7"), master.add_framework("marathon")
        flags = (f"--masters={HOST}:{master.port}", "--refreshseconds=1")
        async with mesos_dns(tmp_path, *flags) as (port, _):
            await master.run_task(framework, agent, "web", host_ports=[31000])
            await eventually(
                lambda: dig(port, "web.marathon.mesos"), lambda lines: lines == ["10.0.0.7"], within_s=PATIENCE_S
            )


async def test_http_api_and_upstreams_configuration_file(tmp_path: Path) -> None:
    async with FakeMaster() as master:
        agent, framework = master.add_agent("10.0.0.7"), master.add_framework("marathon")
        await master.run_task(framework, agent, "web", host_ports=[31000])
        file = tmp_path / "mesos-dns.json"
        settings = {"masters": [f"{HOST}:{master.port}"], "refreshSeconds": 30, "ttl": 7, "IPSources": ["host"]}
        file.write_text(json.dumps({**settings, "domain": "mesos", "SetTruncateBit": True}))
        async with mesos_dns(tmp_path, f"--config={file}") as (_, http_port), aiohttp.ClientSession() as session:

            async def get(path: str) -> object:
                async with session.get(f"http://{HOST}:{http_port}{path}") as response:
                    assert response.status == 200
                    return await response.json()

            version = await get("/v1/version")
            assert isinstance(version, dict)
            assert version["Service"] == "Mesos-DNS"
            config = await get("/v1/config")
            assert isinstance(config, dict)
            assert config["TTL"] == 7
            assert config["SOASerial"] > 1_700_000_000, "the zone's"
            assert await get("/v1/hosts/web.marathon.mesos") == [{"host": "web.marathon.mesos.", "ip": "10.0.0.7"}]
            services = await get("/v1/services/_web._tcp.marathon.mesos.")
            assert isinstance(services, list)
            assert [(one["ip"], one["port"]) for one in services] == [("10.0.0.7", "31000")]
            transfer = await get("/v1/axfr")
            assert isinstance(transfer, dict)
            assert transfer["Records"]["As"]["slave.mesos."] == ["10.0.0.7"]


def known_by(ip: str) -> Callable[[bytes, bool], bytes]:
    def answer(data: bytes, tcp: bool) -> bytes:
        reply = dnslib.DNSRecord.parse(data).reply()
        reply.add_answer(dnslib.RR(reply.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(ip), ttl=1))
        return bytes(reply.pack())

    return answer


async def test_other_names_go_where_they_are_known(tmp_path: Path) -> None:
    async with (
        FakeMaster() as master,
        sockets.serve(known_by("192.0.2.1"), HOST, free_port()) as (_, everything),
        sockets.serve(known_by("192.0.2.2"), HOST, free_port()) as (_, weave),
    ):
        file = tmp_path / "mesos-dns.json"
        settings = {"masters": [f"{HOST}:{master.port}"], "resolvers": [f"{HOST}:{everything}"]}
        file.write_text(json.dumps({**settings, "zoneResolvers": {"weave": [f"{HOST}:{weave}"]}}))
        async with mesos_dns(tmp_path, f"--config={file}") as (port, _):
            assert await dig(port, "example.com") == ["192.0.2.1"]
            assert await dig(port, "x.weave") == ["192.0.2.2"]
            assert await dig(port, "x.weave", "A", "+tcp") == ["192.0.2.2"]
            assert await dig(port, "nope.mesos") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="port 53 needs root")
async def test_who_wants_names_forwarded_and_does_not_say_where_to_means_the_machines_servers(tmp_path: Path) -> None:
    own = "127." + ".".join(str(1 + secrets.randbelow(253)) for _ in range(3))
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/resolv.conf").write_text(f"nameserver {HOST}\nnameserver {own}\n")
    async with FakeMaster() as master, sockets.serve(known_by("192.0.2.3"), own, 53):
        file = tmp_path / "mesos-dns.json"
        file.write_text(json.dumps({"masters": [f"{HOST}:{master.port}"], "externalOn": True}))
        async with mesos_dns(tmp_path, f"--config={file}") as (port, _):
            assert await dig(port, "example.com") == ["192.0.2.3"]


async def test_five_thousand_tasks_at_once(tmp_path: Path) -> None:
    """All are named; meanwhile others are answered; and all are gone again."""
    async with FakeMaster() as master:
        agents = [master.add_agent(f"10.0.1.{n}") for n in range(50)]
        framework = master.add_framework("marathon")
        async with mesos_dns(tmp_path, f"--masters={HOST}:{master.port}") as (port, _):
            server = sockets.Server(HOST, port)
            asking = asyncio.create_task(_ask_all_the_time(server))
            tasks = [
                await master.run_task(framework, agents[n % 50], f"app-{n // 10}", host_ports=[31000 + n % 100])
                for n in range(5000)
            ]
            await eventually(
                lambda: dig(port, "app-499.marathon.mesos"), lambda ips: len(ips) == 10, within_s=PATIENCE_S
            )
            for n in (0, 123, 321, 499):
                assert len(await dig(port, f"app-{n}.marathon.mesos")) == 10
                assert len(await dig(port, f"_app-{n}._tcp.marathon.mesos", "SRV")) == 10
            for task in tasks:
                await master.update(task, "TASK_FINISHED")
            await eventually(lambda: dig(port, "app-499.marathon.mesos"), lambda ips: ips == [], within_s=PATIENCE_S)
            assert await dig(port, "app-0.marathon.mesos") == []
            asking.cancel()
            waits = (await asyncio.gather(asking, return_exceptions=True))[0]
            assert isinstance(waits, list), waits
            assert waits, "how many there are is a matter of how fast the tasks come"


async def _ask_all_the_time(server: sockets.Server) -> list[float]:
    """Seconds that each answer took; an unanswered question is an error."""
    waits: list[float] = []
    try:
        while True:
            before = time.monotonic()
            reply = await sockets.ask(server, dns.make_query(1, "leader.mesos", dns.A), timeout_s=PATIENCE_S)
            waits.append(time.monotonic() - before)
            assert dns.rcode_of(reply) == dns.NOERROR
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        return waits


async def test_a_bad_configuration_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.json"
    file.write_text('{"zk": "zk://x/mesos", "wrongKey": 1}')
    code = "import sys; from dcos.dns.service import main; sys.exit(main())"
    result = await run([sys.executable, "-c", code, f"--config={file}"], timeout_s=PATIENCE_S)
    assert result.code == 2
    assert b"wrongKey: unknown key" in result.stderr


@pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not()))
async def test_the_leader_is_found_in_zookeeper_and_followed(tmp_path: Path) -> None:
    async with FakeMaster() as first, FakeMaster() as second:
        first.add_agent("10.0.0.1")
        second.add_agent("10.0.0.2")
        with zookeeper.ensemble(tmp_path / "zk") as zk:
            store = await connect(zk.hosts)
            try:
                nodes = []
                for master in (first, second):
                    info = MasterInfo(
                        id=f"m{master.port}",
                        ip=0x0100007F,
                        port=master.port,
                        hostname=HOST,
                        address=Address(ip=HOST, hostname=HOST, port=master.port),
                    )
                    data = mesos_json.encode(info)
                    nodes.append(await store.create("/mesos/json.info_", data, sequence=True, parents=True))
                async with mesos_dns(tmp_path, f"--zk=zk://{zk.hosts}/mesos") as (port, _):
                    assert await dig(port, "slave.mesos") == ["10.0.0.1"]
                    await store.delete(nodes[0])
                    await eventually(
                        lambda: dig(port, "slave.mesos"), lambda ips: ips == ["10.0.0.2"], within_s=PATIENCE_S
                    )
            finally:
                await store.close()
