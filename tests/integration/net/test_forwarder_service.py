"""dcos-net as an ordinary process without rights over the network: the forwarder and the REST API, asked by ``dig``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import dnslib
import pytest

from dcos.net import resolvconf, watchdog
from dcos.runtime import dns as sockets
from dcos.runtime.dns import Server
from dcos.runtime.process import run
from dcos.testing.fake_master import FakeMaster
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.wire import dns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

HOST = "127.0.0.1"


async def dig(port: int, name: str, rtype: str = "A", *options: str) -> str:
    words = ["dig", f"@{HOST}", "-p", str(port), name, rtype, "+tries=1", "+timeout=20", *options]
    return (await run(words, timeout_s=30)).stdout.decode()


async def short(port: int, name: str, rtype: str = "A", *options: str) -> list[str]:
    return sorted((await dig(port, name, rtype, "+short", *options)).splitlines())


@contextlib.asynccontextmanager
async def upstream(
    ip: str,
    *,
    silent: bool = False,
    silence: asyncio.Event | None = None,
    rcode: int = 0,
    ttl: int = 1,
    host: str = HOST,
) -> AsyncIterator[int]:
    """A DNS server that gives ``ip`` for every name, until ``silence`` falls."""

    def answer(data: bytes, tcp: bool) -> bytes | None:
        if silent or (silence is not None and silence.is_set()):
            return None
        reply = dnslib.DNSRecord.parse(data).reply()
        reply.header.rcode = rcode
        if not rcode:
            reply.add_answer(dnslib.RR(reply.q.qname, dnslib.QTYPE.A, rdata=dnslib.A(ip), ttl=ttl))
        return bytes(reply.pack())

    async with sockets.serve(answer, host, free_port()) as (_, port):
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
        deadline = time.monotonic() + PATIENCE_S
        while await short(port, "ready.spartan") != ["127.0.0.1"]:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        yield port, rest
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0


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


async def test_answers_of_others_are_kept_as_long_as_they_say_but_never_those_of_mesos_dns(tmp_path: Path) -> None:
    async with (
        upstream("192.0.2.1", ttl=60) as mesos,
        upstream("192.0.2.2", ttl=2) as good,
        dcos_net(tmp_path, f"--master_list={HOST}", f"--mesos_dns_port={mesos}", f"--resolvers={HOST}:{good}") as (
            port,
            rest,
        ),
        aiohttp.ClientSession() as session,
    ):
        words = [f"@{HOST}", "-p", str(port), "+short", "+tries=1", "+timeout=20"]
        for name in ("example.com", "web.mesos"):
            for _ in range(3):
                assert (await run(["dig", *words, name], timeout_s=30)).stdout
        async with session.get(f"http://{HOST}:{rest}/v1/metrics/dns") as response:
            text = await response.text()
        assert 'dns_forwarder_requests_total{zone="mesos"} 3' in text
        assert 'dns_forwarder_requests_total{zone="upstream"} 3' not in text
        assert 'dns_forwarder_requests_total{zone="cached"}' in text


async def test_addresses_of_this_node(tmp_path: Path) -> None:
    public = ("192.0.2.7", "2001:db8::7")
    async with dcos_net(tmp_path, f"--master_list={HOST}", f"--public_ips={','.join(public)}") as (port, _):
        assert await short(port, "thisnode.thisdcos.directory") == [HOST]
        assert [await short(port, "public.thisnode.thisdcos.directory", rtype) for rtype in ("A", "AAAA")] == [
            [ip] for ip in public
        ]
        assert "ns.spartan. 5 IN A 198.51.100.1" in " ".join((await dig(port, "ns.spartan")).split())


async def test_copies_of_mesos_names_live_five_seconds(tmp_path: Path) -> None:
    async with (
        upstream("192.0.2.1", ttl=60) as mesos,
        dcos_net(tmp_path, f"--master_list={HOST}", f"--mesos_dns_port={mesos}") as (port, _),
    ):
        for name, ttl in (("web.mesos", 60), ("web.mesos.thisdcos.directory", 5), ("web.mesos.thisdcos.global", 5)):
            assert f"{name}. {ttl} IN A 192.0.2.1" in " ".join((await dig(port, name)).split())
        assert "3600 IN NS ns.spartan." in " ".join((await dig(port, "mesos.thisdcos.directory", "NS")).split())


async def test_no_question_is_lost_when_an_upstream_dies(tmp_path: Path) -> None:
    """Three servers: one dies, one falls silent, while questions go on; the third is found in time."""
    async with contextlib.AsyncExitStack() as stack:
        dying = contextlib.AsyncExitStack()
        first = await dying.enter_async_context(upstream("192.0.2.1"))
        quiet = asyncio.Event()
        second = await stack.enter_async_context(upstream("192.0.2.1", silence=quiet))
        third = await stack.enter_async_context(upstream("192.0.2.1"))
        resolvers = ",".join(f"{HOST}:{number}" for number in (first, second, third))
        port, _ = await stack.enter_async_context(
            dcos_net(tmp_path, f"--master_list={HOST}", f"--resolvers={resolvers}", "--dns_cache_size=0")
        )
        waits: list[float] = []
        for n in range(150):
            if n == 30:
                await dying.aclose()
            if n == 60:
                quiet.set()
            before = time.monotonic()
            reply = await sockets.ask(
                Server(HOST, port), dns.make_query(n, f"n{n}.example", dns.A), timeout_s=PATIENCE_S
            )
            waits.append(time.monotonic() - before)
            assert dns.rcode_of(reply) == dns.NOERROR
        # it waits 0.3 s for who is asked first before it asks the third
        assert statistics.median(waits[70:]) < 0.3, "who answers is asked first from then on"


async def test_when_the_only_mesos_dns_is_away_its_last_answers_stay(tmp_path: Path) -> None:
    silence = asyncio.Event()
    flags = (f"--master_list={HOST}", "--dns_stale=12")
    async with (
        upstream("192.0.2.1", silence=silence, ttl=60) as mesos,
        dcos_net(tmp_path, *flags, f"--mesos_dns_port={mesos}") as (port, _),
    ):
        server, question = Server(HOST, port), dns.make_query(1, "web.mesos", dns.A)
        copied = dns.make_query(1, "web.mesos.thisdcos.directory", dns.A)
        for asked in (question, copied):
            assert dns.rcode_of(await sockets.ask(server, asked)) == dns.NOERROR
        assert await short(port, "web.mesos") == ["192.0.2.1"]
        silence.set()
        assert await short(port, "web.mesos") == ["192.0.2.1"], "with another cookie"
        for asked in (question, copied):
            old = dnslib.DNSRecord.parse(await sockets.ask(server, asked, timeout_s=PATIENCE_S))
            assert [(str(rr.rdata), rr.ttl) for rr in old.rr] == [("192.0.2.1", 5)]
        async with asyncio.timeout(PATIENCE_S):  # not for ever
            while dns.rcode_of(await sockets.ask(server, question, timeout_s=PATIENCE_S)) != dns.SERVFAIL:
                await asyncio.sleep(0.2)


async def test_names_with_the_key_of_the_cluster_once_its_id_is_known(tmp_path: Path) -> None:
    file = tmp_path / "id"
    async with dcos_net(tmp_path, f"--master_list={HOST}", f"--cluster_id_file={file}") as (port, rest):
        async with aiohttp.ClientSession() as session:

            async def key() -> tuple[int, str]:
                async with session.get(f"http://{HOST}:{rest}/lashup/key") as response:
                    return response.status, (await response.json())["zbase32_public_key"] if response.ok else ""

            assert await key() == (404, "")
            file.write_text("0a1b2c3d-0000-4000-8000-000000000001\n")
            deadline = time.monotonic() + PATIENCE_S
            while (await key())[0] != 200:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            _, text = await key()
        assert await short(port, f"thisnode.{text}.dcos.directory") == [HOST]


async def test_the_watchdog_hears_while_questions_are_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        async with dcos_net(tmp_path, f"--master_list={HOST}"):
            told = [await asyncio.to_thread(systemd.recv, 200) for _ in range(6)]
    assert told.count(b"WATCHDOG=1") >= 2


async def test_a_server_that_does_not_answer_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        async with upstream("192.0.2.1", rcode=2) as broken:
            assert not await watchdog.answers(Server(HOST, broken))
            watching = asyncio.create_task(watchdog.watch([Server(HOST, broken)], 0.05, check=True))
            await asyncio.sleep(0.3)
            with pytest.raises(BlockingIOError):
                systemd.recv(200)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            watching = asyncio.create_task(watchdog.watch([Server(HOST, broken)], 9, check=False))
            await asyncio.sleep(0.1)
            assert systemd.recv(200) == b"WATCHDOG=1"
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_the_masters_and_zones_as_the_replicated_store_told_them(tmp_path: Path) -> None:
    async with (
        dcos_net(tmp_path, "--master_list=192.0.2.1,192.0.2.2", "--public_ips=2001:db8::7") as (_, rest),
        aiohttp.ClientSession() as session,
    ):

        async def value(key: str) -> object:
            async with session.get(f"http://{HOST}:{rest}/lashup/kv/{key}") as response:
                assert response.status == 200
                return await response.json()

        masters = [{"type": "atom", "value": f"dcos-net@192.0.2.{n}"} for n in (1, 2)]
        assert await value("masters") == {"masters": {"type": "riak_dt_orswot", "value": masters}}
        assert await value("no/such/key") == []
        found = await value("navstar/dns/zones/dcos.thisdcos.directory")
        assert isinstance(found, dict)
        assert found["records"]["type"] == "riak_dt_orswot"
        apex = '<<"dcos.thisdcos.directory">>'
        assert [one["value"] for one in found["records"]["value"]] == [
            f'{{dns_rr,{apex},1,2,3600,{{dns_rrdata_ns,<<"ns.spartan">>}}}}',
            f'{{dns_rr,{apex},1,6,3600,{{dns_rrdata_soa,<<"ns.spartan">>,<<"root.ns.spartan">>,1,60,180,86400,1}}}}',
            '{dns_rr,<<"master.dcos.thisdcos.directory">>,1,1,5,{dns_rrdata_a,{192,0,2,1}}}',
            '{dns_rr,<<"master.dcos.thisdcos.directory">>,1,1,5,{dns_rrdata_a,{192,0,2,2}}}',
        ]
        whole = await value("navstar/dns/zones/thisdcos.directory")
        assert isinstance(whole, dict)
        public = '<<"public.thisnode.thisdcos.directory">>'
        v6 = f"{{dns_rr,{public},1,28,5,{{dns_rrdata_aaaa,{{8193,3512,0,0,0,0,0,7}}}}}}"
        assert {"type": "tuple", "value": v6} in whole["records"]["value"]


def test_systemd_waits_for_this_process_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    for text, wanted in (("", None), ("0", None), ("x", None), ("30000000", 10.0)):
        monkeypatch.setenv("WATCHDOG_USEC", text)
        assert watchdog.interval_s() == wanted
    for pid, wanted in ((os.getpid(), 10.0), (os.getpid() + 1, None)):
        monkeypatch.setenv("WATCHDOG_PID", str(pid))
        assert watchdog.interval_s() == wanted


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
        task = await master.run_task(framework, agent, "web", discovery=found, container_ips=["9.0.1.2"])
        flags = (f"--master_list={HOST}:{master.port}",)
        async with dcos_net(tmp_path, *flags) as (port, rest), aiohttp.ClientSession() as session:
            deadline = time.monotonic() + PATIENCE_S
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
            host = "w.marathon.l4lb.thisdcos.directory"
            for path, wanted in (
                (f"services/{host}", [{"service": f"{host}.", "host": f"{host}.", "ip": vip, "port": "80"}]),
                (f"hosts/{host}", [{"host": f"{host}.", "ip": vip}]),
                ("hosts/nobody.marathon.l4lb.thisdcos.directory", []),
            ):
                async with session.get(f"http://{HOST}:{rest}/v1/{path}") as response:
                    assert await response.json() == wanted
            await master.update(task, "TASK_FINISHED")
            while await short(port, "w.marathon.l4lb.thisdcos.directory"):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            async with session.get(f"http://{HOST}:{rest}/v1/vips") as response:
                assert await response.json() == [], "without backends there is no virtual IP"


async def test_what_the_rest_api_has_and_has_not(tmp_path: Path) -> None:
    statuses = {
        **dict.fromkeys(("/v1/vips", "/v1/nodes", "/v1/records", "/v1/version", "/lashup/kv/masters"), 200),
        **{f"/v1/metrics/{one}": 200 for one in ("default", "dns", "lashup", "mesos_listener", "l4lb", "overlay")},
        **dict.fromkeys(("/v1/config", "/v1/enumerate"), 501),
        **dict.fromkeys(("/v1/metrics/nothing", "/lashup/key", "/overlay-master/state", "/nothing"), 404),
    }
    flags = (f"--master_list={HOST}:{free_port()}",)
    async with dcos_net(tmp_path, *flags) as (_, rest), aiohttp.ClientSession() as session:
        found = {}
        for path in statuses:
            async with session.get(f"http://{HOST}:{rest}{path}") as response:
                found[path] = response.status
        assert found == statuses
        for method in ("POST", "PUT", "DELETE"):
            async with session.request(method, f"http://{HOST}:{rest}/v1/vips") as response:
                assert response.status == 405
        async with session.get(f"http://{HOST}:{rest}/v1/version") as response:
            assert (await response.json())["Service"] == "dcos-dns"


async def test_resolv_conf_asks_who_answers() -> None:
    def answer(data: bytes, tcp: bool) -> bytes | None:
        return dns.failure(data, dns.NOERROR)

    async with sockets.serve(answer, HOST, free_port()) as (_, port):
        found = await resolvconf.answering([Server(HOST, port), Server(HOST, free_port())])
    assert found == [HOST]
