"""Where the forwarder answers on a node of its own: its own addresses of both families, and on masters all others but some."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.net.core.names import FORWARDER6, FORWARDERS
from dcos.testing import netns
from dcos.testing.netns import Namespace
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(netns.why_not() is not None, reason=str(netns.why_not())),
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

NODE, CLIENT, NODE6, CLIENT6 = "10.77.0.1", "10.77.0.2", "fd77::1", "fd77::2"
RESERVED, LISTED = "198.51.100.4", "10.77.0.9"
CODE = "import sys; from dcos.net.service import main; sys.exit(main())"


def answers(space: Namespace, server: str, *options: str) -> bool:
    words = ["dig", f"@{server}", "ready.spartan", "+short", "+tries=1", "+timeout=3", *options]
    done = subprocess.run(space.command(*words), capture_output=True, text=True, timeout=20, check=False)
    return done.returncode == 0 and done.stdout.split() == ["127.0.0.1"]


@contextlib.contextmanager
def dcos_net(space: Namespace, root: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    words = [sys.executable, "-c", CODE, f"--ip={NODE}", "--no-enable_lb", "--rest_port=0", *flags]
    child = subprocess.Popen(space.command(*words), env={**os.environ, "DCOS_ROOT": str(root)})
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers(space, FORWARDERS[0]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_S) == 0


@pytest.fixture
def node_and_client() -> Iterator[tuple[Namespace, Namespace]]:
    with netns.namespaces("dnsnode", "dnsclient") as (node, client):
        netns.join(node, f"{NODE}/24", client, f"{CLIENT}/24")
        for space, address in ((node, NODE6), (client, CLIENT6)):
            space.ip("addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        for address in (RESERVED, LISTED):
            node.ip("addr", "add", f"{address}/24", "dev", "eth0")
        client.ip("route", "add", "198.51.100.0/24", "dev", "eth0")
        yield node, client


def test_a_master_answers_on_all_addresses_but_reserved_ones(
    node_and_client: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    node, client = node_and_client
    flags = (f"--master_list={NODE}", "--master_dns_bindall", f"--bind_ip_blacklist={LISTED}")
    with dcos_net(node, tmp_path, *flags):
        for server in (*FORWARDERS, FORWARDER6):
            assert answers(node, server), server
            assert answers(node, server, "+tcp"), server
        deadline = time.monotonic() + PATIENCE_S
        for server in (NODE, NODE6):
            while not answers(client, server):
                assert time.monotonic() < deadline, server
            assert answers(client, server, "+tcp"), server
        assert answers(node, "127.0.0.1")
        assert not answers(client, RESERVED)
        assert not answers(client, LISTED)
        assert "fe80:" in node.ip("-6", "addr"), "there are link-local addresses"
        assert "fe80:" not in node.run("ss", "-Hlunt")
        assert "state DOWN" not in node.ip("-6", "addr", "show", "dev", "spartan")


def test_another_node_answers_on_its_own_addresses_only(
    node_and_client: tuple[Namespace, Namespace], tmp_path: Path
) -> None:
    node, client = node_and_client
    with dcos_net(node, tmp_path, f"--master_list={CLIENT}", "--master_dns_bindall"):
        assert answers(node, FORWARDER6)
        assert not answers(client, NODE)


def test_without_ipv6(node_and_client: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    node, _ = node_and_client
    node.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    with dcos_net(node, tmp_path, f"--master_list={NODE}"):
        assert answers(node, FORWARDERS[2])


def test_resolv_conf_names_who_answers(node_and_client: tuple[Namespace, Namespace], tmp_path: Path) -> None:
    node, _ = node_and_client
    file = tmp_path / "etc/resolv.conf"
    file.parent.mkdir()

    def generate() -> list[str]:
        flags = ("--search=a.example b.example", "--resolvers=192.0.2.1,192.0.2.2:5353", "--resolvconf_wait=0.5")
        words = [sys.executable, "-c", CODE, "gen-resolvconf", *flags]
        env = {**os.environ, "DCOS_ROOT": str(tmp_path)}
        subprocess.run(node.command(*words), env=env, timeout=60, check=True)
        return file.read_text().splitlines()[1:]

    head = ["options timeout:1", "options attempts:3", "search a.example b.example"]
    with dcos_net(node, tmp_path, f"--master_list={NODE}"):
        assert generate() == head + [f"nameserver {server}" for server in FORWARDERS]
        before = file.stat()
        generate()
        assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns), (
            "written only if changed"
        )
    assert generate() == [*head, "nameserver 192.0.2.1"], "the file cannot name another port than 53"


def test_resolv_conf_that_is_a_mount_is_written_in_place(tmp_path: Path) -> None:
    """As in containers, where the file is of another file system's or the same."""
    (tmp_path / "etc").mkdir()
    theirs, file = tmp_path / "theirs", tmp_path / "etc/resolv.conf"
    theirs.write_text("before\n")
    file.touch()
    flags = "--resolvers=192.0.2.1 --resolvconf_wait=0.1"
    script = f"mount --bind {theirs} {file} && {sys.executable} -c '{CODE}' gen-resolvconf {flags} && cat {file}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env={**os.environ, "DCOS_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "nameserver 192.0.2.1\n" in done.stdout
    assert theirs.read_text() in done.stdout
    assert file.read_text() == "", "outside it is another file"
    assert [one.name for one in file.parent.iterdir()] == ["resolv.conf"], "nothing is left beside it"
