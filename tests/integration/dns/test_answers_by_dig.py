"""What Mesos-DNS says, by ``dig``: which tasks, for how long, and what becomes of answers that do not fit into a packet."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dcos.runtime.process import run
from dcos.testing.fake_master import FakeMaster
from dcos.testing.patience import PATIENCE_S
from tests.integration.dns.test_mesos_dns_service import HOST, dig, eventually, mesos_dns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]


def config(folder: Path, master: FakeMaster, **keys: Any) -> str:
    file = folder / "mesos-dns.json"
    file.write_text(json.dumps({"masters": [f"{HOST}:{master.port}"], **keys}))
    return f"--config={file}"


async def whole(port: int, name: str, rtype: str, *options: str) -> str:
    """All that ``dig`` prints, blanks made one."""
    words = ["dig", f"@{HOST}", "-p", str(port), name, rtype, "+tries=1", "+timeout=10", *options]
    return " ".join((await run(words, timeout_s=30)).stdout.decode().split())


@pytest.mark.parametrize("aware", [True, False])
async def test_unhealthy_tasks_are_named_only_where_no_others_are(tmp_path: Path, aware: bool) -> None:
    async with FakeMaster() as master:
        agents = [master.add_agent(f"10.0.0.{n}") for n in (1, 2)]
        framework = master.add_framework("marathon")
        good = await master.run_task(framework, agents[0], "web", host_ports=[31001], healthy=True)
        bad = await master.run_task(framework, agents[1], "web", host_ports=[31002], healthy=False)
        async with mesos_dns(tmp_path, config(tmp_path, master, healthAware=aware)) as (port, _):

            async def becomes(*wanted: str) -> None:
                await eventually(
                    lambda: dig(port, "web.marathon.mesos"), lambda ips: ips == sorted(wanted), within_s=PATIENCE_S
                )
                services = await dig(port, "_web._tcp.marathon.mesos", "SRV")
                assert {line.split()[2] for line in services} == {f"3100{ip[-1]}" for ip in wanted}

            await becomes(*(["10.0.0.1"] if aware else ["10.0.0.1", "10.0.0.2"]))
            await master.update(good, "TASK_RUNNING", healthy=False)
            await becomes("10.0.0.1", "10.0.0.2")
            await master.update(bad, "TASK_RUNNING", healthy=True)
            await becomes(*(["10.0.0.2"] if aware else ["10.0.0.1", "10.0.0.2"]))


async def test_times_to_live_and_soa_are_those_of_the_settings(tmp_path: Path) -> None:
    soa = {
        "SOAMname": "a.mesos",
        "SOARname": "b@a.mesos",
        "SOARefresh": 1,
        "SOARetry": 2,
        "SOAExpire": 3,
        "SOAMinttl": 4,
    }
    async with FakeMaster() as master:
        await master.run_task(master.add_framework("marathon"), master.add_agent("10.0.0.7"), "web", host_ports=[31000])
        async with mesos_dns(tmp_path, config(tmp_path, master, ttl=7, srvRecordDefaultWeight=9, **soa)) as (port, _):
            await eventually(lambda: dig(port, "web.marathon.mesos"), bool, within_s=PATIENCE_S)
            assert "web.marathon.mesos. 7 IN A 10.0.0.7" in await whole(port, "web.marathon.mesos", "A")
            service = await whole(port, "_web._tcp.marathon.mesos", "SRV")
            target = re.search(r"7 IN SRV 0 9 31000 (web-\S+)", service)
            assert target is not None, service
            assert f"{target[1]} 7 IN A 10.0.0.7" in service, "the address of the target is given beside it"
            assert re.search(
                r"mesos\. \d+ IN SOA a\.mesos\. b\.a\.mesos\. \d+ 1 2 3 4", await whole(port, "mesos", "SOA")
            )
            assert re.search(r"mesos\. 4 IN SOA a\.mesos\.", await whole(port, "no.mesos", "A")), (
                "for so long it is not there"
            )


@pytest.mark.parametrize("marked", [True, False])
async def test_answers_that_do_not_fit_are_cut(tmp_path: Path, marked: bool) -> None:
    """60 addresses: 960 bytes of answers."""
    count = 60
    async with FakeMaster() as master:
        framework = master.add_framework("marathon")
        for n in range(count):
            await master.run_task(framework, master.add_agent(f"10.0.1.{n}"), "web", host_ports=[31000])
        async with mesos_dns(tmp_path, config(tmp_path, master, setTruncateBit=marked)) as (port, _):
            await eventually(
                lambda: dig(port, "web.marathon.mesos", "A", "+tcp"), lambda ips: len(ips) == count, within_s=PATIENCE_S
            )

            async def answer(*options: str) -> tuple[int, bool, int]:
                text = await whole(port, "web.marathon.mesos", "A", "+ignore", *options)
                found = re.search(r"flags: ([a-z ]+);.*ANSWER: (\d+).*MSG SIZE rcvd: (\d+)", text)
                assert found is not None, text
                return int(found[2]), "tc" in found[1].split(), int(found[3])

            for options, room in ((("+noedns",), 512), (("+bufsize=700",), 700), (("+bufsize=700", "+nocookie"), 700)):
                given, cut, size = await answer(*options)
                assert given < count
                assert room - 32 < size <= room, "as much as fits"
                assert cut is marked
            assert (await answer("+bufsize=1232"))[:2] == (count, False)
            assert (await answer("+tcp"))[:2] == (count, False)
