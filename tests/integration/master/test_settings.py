"""How a real master takes its flags: contradictions end it, secrets stay secret, what does nothing is named."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from dcos.testing.fake_agent import FakeAgent
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port

pytestmark = pytest.mark.integration
MASTER = (sys.executable, "-m", "dcos.master.service", "--ip=127.0.0.1", "--no-hostname_lookup")


def flags() -> tuple[str, ...]:
    """Nobody listens at its ZooKeeper: it gets as far as connecting."""
    return (*MASTER, f"--zk=zk://127.0.0.1:{free_port()}/mesos", f"--port={free_port()}")


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--authenticate_http_readonly", "No credentials provided for the default 'basic' HTTP authenticator"),
        ("--authenticate_http_frameworks", "Missing `--http_framework_authenticators` flag"),
        ("--http_authenticators=com_example", "HTTP authenticator 'com_example' not found"),
        ("--acls={", "--acls: not valid JSON"),
        ("--no-such-flag", "unknown flag"),
    ],
)
def test_contradictions_end_it(flag: str, words: str) -> None:
    done = subprocess.run([*flags(), flag], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert words in done.stdout + done.stderr


def test_without_zookeeper_only_in_memory() -> None:
    done = subprocess.run([*MASTER, f"--port={free_port()}"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--zk is missing" in done.stdout + done.stderr


async def test_a_master_in_memory_leads_alone() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    child = await asyncio.create_subprocess_exec(*MASTER, f"--port={port}", "--registry=in_memory")
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                assert child.returncode is None
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"{url}/redirect", allow_redirects=False) as answer:
                        if answer.status == 307:
                            break
                await asyncio.sleep(0.05)
            assert answer.headers["Location"] == f"//127.0.0.1:{port}"
            async with FakeAgent(f"127.0.0.1:{port}") as agent:
                await agent.registered.wait()
                async with session.get(f"{url}/slaves") as answer:
                    agents = [one["id"] for one in (await answer.json())["slaves"]]
                async with session.get(f"{url}/registrar(1)/registry") as answer:
                    stored = (await answer.json())["slaves"]["slaves"]
            assert len(agents) == 1
            assert [one["info"]["id"]["value"] for one in stored] == agents
    finally:
        child.terminate()
        await child.wait()


def test_what_is_logged(tmp_path: Path) -> None:
    secrets, log = tmp_path / "secrets", tmp_path / "log"
    secrets.write_text("admin veryhidden\n")
    secrets.chmod(0o644)
    words = (f"--credentials={secrets}", "--authenticate_http_readwrite", "--quorum=2", '--acls={"set_quotas": []}')
    with log.open("wb") as out, subprocess.Popen([*flags(), *words], stdout=out, stderr=out) as child:
        try:
            wanted = ("flag_without_effect flag=--quorum", "file_of_secrets_is_open_to_others", "sections=set_quotas")
            deadline = time.monotonic() + PATIENCE_S
            while not all(one in log.read_text() for one in wanted) and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            child.kill()
    text = log.read_text()
    assert all(one in text for one in wanted), text
    assert "veryhidden" not in text
