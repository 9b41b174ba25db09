"""The addresses that Mesos-DNS answers on, by DNS and by HTTP, as ``listener`` and ``HTTPListener`` say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.runtime.process import run
from dcos.testing import netns
from dcos.testing.fake_master import FakeMaster
from dcos.testing.netns import Namespace
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

NODE, SECOND, CLIENT = "10.77.0.1", "10.77.0.9", "10.77.0.2"
CODE = "import sys; from dcos.dns.service import main; sys.exit(main())"


@pytest.fixture
def spaces() -> Iterator[tuple[Namespace, Namespace]]:
    with netns.namespaces("dnsnode", "dnsclient") as (node, client):
        netns.join(node, f"{NODE}/24", client, f"{CLIENT}/24")
        node.ip("addr", "add", f"{SECOND}/24", "dev", "eth0")
        yield node, client


async def by_dns(space: Namespace, server: str) -> list[str]:
    words = ["dig", f"@{server}", "-p", "61053", "slave.mesos", "+short", "+tries=1", "+timeout=5"]
    done = await run(space.command(*words), timeout_s=30)
    return done.stdout.decode().split() if done.code == 0 else []


def by_http(space: Namespace, server: str) -> bool:
    try:
        with space.connect(server, 8123, 5.0) as sock:
            sock.sendall(b"GET /v1/version HTTP/1.0\r\n\r\n")
            return b"Mesos-DNS" in sock.recv(65536) + sock.recv(65536)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("keys", "dns", "http"),
    [
        ({}, {NODE}, {NODE, "127.0.0.1"}),
        ({"listener": "0.0.0.0"}, {NODE, SECOND, "127.0.0.1"}, {NODE, SECOND, "127.0.0.1"}),
        ({"listener": SECOND}, {SECOND}, {SECOND}),
        ({"HTTPListener": "127.0.0.1"}, {NODE}, {"127.0.0.1"}),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else None,
)
async def test_listener(
    spaces: tuple[Namespace, Namespace], tmp_path: Path, keys: dict[str, str], dns: set[str], http: set[str]
) -> None:
    node, client = spaces
    file = tmp_path / "mesos-dns.json"
    async with FakeMaster(sock=node.listen(NODE, 5050)) as master:
        master.add_agent("10.0.0.7")
        file.write_text(json.dumps({"masters": [f"{NODE}:5050"], **keys}))
        words = node.command(sys.executable, "-c", CODE, f"--config={file}", f"--ip={NODE}")
        child = await asyncio.create_subprocess_exec(*words, env={**os.environ, "DCOS_ROOT": str(tmp_path)})
        try:
            deadline = time.monotonic() + PATIENCE_S
            while await by_dns(node, min(dns)) != ["10.0.0.7"]:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            places = ((node, NODE), (node, SECOND), (node, "127.0.0.1"))
            assert {server for space, server in places if await by_dns(space, server)} == dns
            assert {server for space, server in places if await asyncio.to_thread(by_http, space, server)} == http
            for server in dns & {NODE, SECOND}:
                assert await by_dns(client, server) == ["10.0.0.7"], "the address that was asked answers"
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            assert await asyncio.wait_for(child.wait(), PATIENCE_S) == 0
