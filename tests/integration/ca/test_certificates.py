"""Certificates for real: dcos-ca, an Admin Router that shows one, nodes that ask, nginx that gets a new one while it serves.

Protocols and ciphers are tried with OpenSSL's own client, as testssl does.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.ca.core.policy import certified, seal
from dcos.install import authority
from dcos.registry import NodeRole
from dcos.testing.cluster import eventually
from dcos.testing.patience import PATIENCE_S
from dcos.wire import certificates
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import FrontDoor

pytestmark = pytest.mark.integration
KEYS = {"master": "m" * 43, "agent": "a" * 43}
MASTER, AGENT = "127.0.0.1", "127.0.91.21"


class Nodes:
    """A master, with the authority and its front door, and an agent, all on loopback."""

    def __init__(self, base: Path, world: front_door.World, zk: str) -> None:
        self.base = base
        self.door = FrontDoor(
            base / "master", world, zk, f"--certificate={base / 'master/var/lib/dcos/pki'}/dcos-adminrouter.pem"
        )
        self.signing = authority.kept(base / "secrets.json")
        etc = self.etc(NodeRole.MASTER)
        for role in (NodeRole.MASTER, NodeRole.AGENT):
            self.etc(role).mkdir(parents=True, exist_ok=True)
            marker = self.root(role) / "etc/mesosphere/roles" / role
            marker.parent.mkdir(parents=True)
            marker.touch()
            (self.etc(role) / "ca-bundle.crt").write_text(self.signing.root)
            (self.etc(role) / "enrolment").write_text(KEYS["master" if role is NodeRole.MASTER else "agent"])
        for name, text in (
            ("ca-key.pem", self.signing.key),
            ("ca-chain.crt", self.signing.chain),
            ("keys.json", json.dumps(KEYS)),
        ):
            (etc / name).write_text(text)

    def root(self, role: NodeRole) -> Path:
        return self.base / ("master" if role is NodeRole.MASTER else "agent")

    def etc(self, role: NodeRole) -> Path:
        return self.root(role) / "opt/mesosphere/etc"

    def pki(self, role: NodeRole) -> Path:
        return self.root(role) / "var/lib/dcos/pki"

    @contextlib.contextmanager
    def authority(self) -> Iterator[None]:
        etc = self.etc(NodeRole.MASTER)
        process = subprocess.Popen(
            [
                *_program("dcos.ca.service"),
                f"--key_file={etc / 'ca-key.pem'}",
                f"--chain_file={etc / 'ca-chain.crt'}",
                f"--enrolment_file={etc / 'keys.json'}",
                f'--master_list=["{MASTER}"]',
                "--socket_group=nogroup",  # of nginx's workers, which run as nobody where root starts them
            ],
            env={**os.environ, "DCOS_ROOT": str(self.root(NodeRole.MASTER))},
        )
        try:
            where = self.root(NodeRole.MASTER) / "run/dcos/dcos-ca/ca.sock"
            eventually("the authority listens", lambda: where.exists() and process.poll() is None, within_s=60)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)

    def certify(
        self, role: NodeRole, *flags: str, ip: str = "", timeout_s: float = 100
    ) -> subprocess.CompletedProcess[str]:
        """One run of dcos-certificates."""
        return subprocess.run(
            [
                *_program("dcos.ca.node"),
                f"--enrolment_file={self.etc(role) / 'enrolment'}",
                f"--ca_bundle={self.etc(role) / 'ca-bundle.crt'}",
                f'--master_list=["{MASTER}"]',
                f"--https_port={self.door.tls_port}",
                f"--ip={ip or (MASTER if role is NodeRole.MASTER else AGENT)}",
                *flags,
            ],
            env={**os.environ, "DCOS_ROOT": str(self.root(role))},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.signing.root)


def _program(module: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main())"]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Everything runs, both nodes have their certificates."""
    if reason := front_door.why_not():
        pytest.skip(reason)
    with (
        front_door.open_folder() as base,
        front_door.cluster(tmp_path_factory.mktemp("zk")) as (world, zk),
    ):
        made = Nodes(base, world, zk)
        # the front door starts first: it waits for its certificate
        with front_door.started(made.door), made.authority():
            done = made.certify(NodeRole.MASTER)
            assert done.returncode == 0, done.stderr
            made.door.wait()
            done = made.certify(NodeRole.AGENT)
            assert done.returncode == 0, done.stderr
            yield made


@pytest.mark.parametrize("role", [NodeRole.MASTER, NodeRole.AGENT])
def test_every_service_has_its_own_and_nobody_else_can_read_it(nodes: Nodes, role: NodeRole) -> None:
    found = {path.stem: path for path in nodes.pki(role).iterdir()}
    assert set(found) == {row.name for row in certified(role)}
    keys = set()
    for name, path in found.items():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text()
        facts = certificates.facts(text)
        assert (facts.names.common_name, facts.names.unit) == (name, str(role))
        assert (MASTER if role is NodeRole.MASTER else AGENT) in facts.names.addresses
        keys.add(text.partition("-----BEGIN CERTIFICATE-----")[0])
    assert len(keys) == len(found)


def test_what_serves_is_left_alone(nodes: Nodes) -> None:
    before = {path: path.read_bytes() for path in nodes.pki(NodeRole.AGENT).iterdir()}
    assert nodes.certify(NodeRole.AGENT).returncode == 0
    assert {path: path.read_bytes() for path in nodes.pki(NodeRole.AGENT).iterdir()} == before


def test_the_front_door_serves_both_and_hands_the_root_out(nodes: Nodes) -> None:
    reply = nodes.door.ask("/ca/dcos-ca.crt")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-x509-ca-cert")
    assert reply.body.decode() == nodes.signing.root
    link = http.client.HTTPSConnection(MASTER, nodes.door.tls_port, timeout=30, context=nodes.context())
    with contextlib.closing(link):
        link.request("GET", "/ca/dcos-ca.crt")
        assert link.getresponse().read().decode() == nodes.signing.root


def test_when_the_certificate_ends_is_a_metric(nodes: Nodes) -> None:
    text = (nodes.pki(NodeRole.MASTER) / "dcos-adminrouter.pem").read_text()
    said = f"\nadminrouter_certificate_end_timestamp_seconds {certificates.facts(text).end:.0f}\n"
    eventually("the metric", lambda: said.encode() in nodes.door.ask("/nginx/metrics").body, within_s=60)


def test_an_agent_that_asks_for_what_is_not_its_own(nodes: Nodes) -> None:
    """A real request through the front door, whose source the authority learns from nginx."""
    request = certificates.make_request(certificates.generate_key())

    def ask(key: str, headers: dict[str, str] | None = None, **body: object) -> tuple[int, str]:
        raw = json.dumps(body).encode()
        sent = {"Authorization": seal(key, raw), "Content-Type": "application/json", **(headers or {})}
        reply = nodes.door.ask("/ca/node/v1/certificates", method="POST", headers=sent, body=raw)
        return reply.status, reply.body.decode()

    mine = {"role": "slave", "address": "127.0.0.1", "requests": {"dcos-net": request}}
    assert ask(KEYS["agent"], **mine) == (403, '{"code":403,"message":"127.0.0.1 is a master\'s address"}')
    other = {**mine, "address": AGENT}
    status, text = ask(KEYS["agent"], **other)
    assert status == 403
    assert "came from 127.0.0.1" in text
    # what a client says of its own address is not believed
    assert ask(KEYS["agent"], {"X-Real-IP": AGENT, "X-Forwarded-For": AGENT}, **other)[0] == 403
    assert ask("x" * 43, **other)[0] == 401
    assert ask(KEYS["agent"], **{**mine, "role": "master"})[0] == 401
    assert ask(KEYS["agent"], **{**mine, "more": 1})[0] == 400
    assert nodes.door.ask("/ca/node/v1/certificates", method="POST", body=b"{").status == 400


def test_a_node_whose_certificate_cannot_be_renewed_says_so(nodes: Nodes) -> None:
    """The front door is another's: nothing is sent to it, and what ends soon is told by the exit code."""
    stranger = certificates.generate_key()
    bundle = nodes.base / "other.crt"
    bundle.write_text(certificates.pem(certificates.make_authority("Other", stranger, 1_700_000_000.0)))
    folder = nodes.base / "lonely"
    for name in ("etc/mesosphere/roles", "var/lib/dcos/pki"):
        (folder / name).mkdir(parents=True)
    (folder / "etc/mesosphere/roles/slave").touch()
    old = certificates.Authority(certificates.make_authority("Old", stranger, 1_700_000_000.0), stranger)
    names = certificates.Names("dcos-net", "slave", ("localhost",), (AGENT,))
    text = certificates.issue(old, certificates.make_request(certificates.generate_key()), names, 1_700_000_000.0)
    (folder / "var/lib/dcos/pki/dcos-net.pem").write_text(text)
    done = subprocess.run(
        [
            *_program("dcos.ca.node"),
            f"--enrolment_file={nodes.etc(NodeRole.AGENT) / 'enrolment'}",
            f"--ca_bundle={bundle}",
            f'--master_list=["{MASTER}"]',
            f"--https_port={nodes.door.tls_port}",
            f"--ip={AGENT}",
        ],
        env={**os.environ, "DCOS_ROOT": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert KEYS["agent"] not in done.stderr


def test_a_renewal_ends_no_connection(nodes: Nodes) -> None:
    """A connection from before goes on on the old certificate, a new one gets the new certificate."""
    path = nodes.pki(NodeRole.MASTER) / "dcos-adminrouter.pem"
    before = _shown(nodes)
    with contextlib.closing(
        http.client.HTTPSConnection(MASTER, nodes.door.tls_port, timeout=60, context=nodes.context())
    ) as old:
        # a request whose body has begun, and goes on after the new certificate is there
        old.putrequest("POST", "/acs/api/v1/auth/login")
        old.putheader("Content-Length", "8")
        old.endheaders(b"half")
        assert nodes.certify(NodeRole.MASTER, "--renew").returncode == 0
        eventually("the new certificate is shown", lambda: _shown(nodes) != before, within_s=60)
        old.send(b"rest")
        assert old.getresponse().read()
    assert _shown(nodes) == ssl.PEM_cert_to_DER_cert(path.read_text().partition("-----END PRIVATE KEY-----\n")[2])


def _shown(nodes: Nodes) -> bytes:
    with (
        socket.create_connection((MASTER, nodes.door.tls_port), timeout=30) as raw,
        nodes.context().wrap_socket(raw, server_hostname=MASTER) as link,
    ):
        found = link.getpeercert(binary_form=True)
        assert found is not None
        return found


@pytest.mark.parametrize(
    ("flags", "accepted"),
    [
        ("-tls1_3", True),
        ("-tls1_2", True),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", True),
        ("-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("-tls1_1 -cipher DEFAULT@SECLEVEL=0", False),
        ("-tls1 -cipher DEFAULT@SECLEVEL=0", False),
        ("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA@SECLEVEL=0", False),  # CBC
        ("-tls1_2 -cipher AES128-GCM-SHA256@SECLEVEL=0", False),  # without forward secrecy
        ("-tls1_2 -cipher aNULL@SECLEVEL=0", False),
        ("-tls1_2 -cipher eNULL@SECLEVEL=0", False),
    ],
)
def test_protocols_and_ciphers(nodes: Nodes, flags: str, accepted: bool) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on PATH")
    where = f"{MASTER}:{nodes.door.tls_port}"
    done = subprocess.run(
        [
            "openssl",
            "s_client",
            "-connect",
            where,
            "-CAfile",
            nodes.etc(NodeRole.MASTER) / "ca-bundle.crt",
            *flags.split(),
        ],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ("Verify return code: 0 (ok)" in done.stdout and "Cipher is (NONE)" not in done.stdout) == accepted, (
        done.stdout
    )
