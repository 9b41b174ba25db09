"""ZooKeeper over TLS, its clients' port and its quorum, below real dcos-exhibitors."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from dcos.exhibitor.fourletter import ask
from dcos.runtime import tls
from dcos.runtime.clock import SystemClock
from dcos.runtime.tls import Identity, Settings
from dcos.store.base import Disconnected
from dcos.store.zookeeper import connect
from dcos.testing.cluster import eventually
from dcos.testing.ports import free_ports
from dcos.testing.zookeeper import why_not
from dcos.wire import certificates
from dcos.wire.certificates import Authority, Names
from tests.integration.exhibitor.test_exhibitor import Exhibitor

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning"),
]
NOW = SystemClock().now()


class Authorities:
    """One of the cluster, in files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        key = certificates.generate_key()
        self.authority = Authority(certificates.make_authority("Trial", key, NOW), key)
        self.bundle = folder / "ca.crt"
        self.bundle.write_text(certificates.pem(self.authority.certificate))

    def certificate(self, name: str, address: str) -> Path:
        key = certificates.generate_key()
        names = Names("dcos-exhibitor", "master", ("localhost",), (address, "127.0.0.1"))
        path = self.folder / f"{name}.pem"
        issued = certificates.issue(self.authority, certificates.make_request(key), names, NOW)
        path.write_text(certificates.key_pem(key) + issued)
        return path

    def identity(self, name: str, *, plain_too: bool = False) -> Identity:
        own = self.certificate(name, "127.0.0.1")
        return Identity(Settings(own, own, self.bundle, plain_too=plain_too))


def secured(exhibitor: Exhibitor, authorities: Authorities, *, plain_too: bool) -> Exhibitor:
    own = str(authorities.certificate(exhibitor.ip, exhibitor.ip))
    variables = {"ENABLED": "true", "CERT_FILE": own, "KEY_FILE": own, "CA_FILE": str(authorities.bundle)}
    variables |= {"SUPPORT_DOWNGRADE": "true"} if plain_too else {"REQUIRE_CLIENT_CERT": "true"}
    exhibitor.variables = {f"LIBPROCESS_SSL_{name}": value for name, value in variables.items()}
    return exhibitor


@pytest.fixture(autouse=True)
def _nobody() -> Iterator[None]:
    yield
    tls.become(None)


async def works(hosts: str, path: str) -> None:
    """Write, read and see a change."""
    async with asyncio.timeout(120):
        store = await connect(hosts)
        try:
            await store.create(path, b"one")
            await asyncio.gather(*(store.create(f"{path}/{number}", b"x" * 1000) for number in range(200)))
            assert len(await store.children(path)) == 200
            found = await store.get(path)
            assert found is not None
            assert found.data == b"one"
        finally:
            await store.close()


def weak(identity: Identity) -> Iterator[ssl.SSLContext]:
    """What nobody should agree to, with a good certificate: old protocols, no forward secrecy, CBC."""
    for cipher, newest in (
        ("ALL", ssl.TLSVersion.TLSv1_1),
        ("AES128-GCM-SHA256", ssl.TLSVersion.TLSv1_2),
        ("ECDHE-ECDSA-AES128-SHA", ssl.TLSVersion.TLSv1_2),
    ):
        context = Identity(identity.settings).client
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
        yield context


def answers(host: str, port: int, context: ssl.SSLContext | None) -> bytes:
    """What a server says to ``ruok``; nothing where it does not speak with us."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((host, port), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname=host) if context is not None else raw as link,
    ):
        link.sendall(b"ruok")
        return link.recv(100)
    return b""


async def test_in_mode_strict_nobody_without_a_certificate_reaches_clients_port_or_quorum(tmp_path: Path) -> None:
    authorities = Authorities(tmp_path / "pki")
    addresses = [f"127.0.95.{number}" for number in (11, 12, 13)]
    ports = free_ports(4, addresses[0])
    flags = ("--static_ensemble=" + ",".join(f"{n}:{address}" for n, address in enumerate(addresses, 1)),)
    three = [
        secured(Exhibitor(tmp_path, address, ports, *flags), authorities, plain_too=False) for address in addresses
    ]
    try:
        for one in three:
            one.start()
        tls.become(authorities.identity("me"))
        hosts = ",".join(f"{address}:{ports[1]}" for address in addresses)
        await works(hosts, "/first")
        # four-letter words too are for who shows a certificate
        assert await ask(addresses[0], ports[1], "ruok", timeout_s=60) == "imok"
        for port in (ports[1], ports[2], ports[3]):
            for address in addresses:
                assert answers(address, port, None) == b""
                assert answers(address, port, tls.trusting(authorities.bundle)) == b""
        for port in (ports[1], ports[2], ports[3]):
            for context in weak(authorities.identity("weak")):
                assert answers(addresses[0], port, context) == b""
        # the quorum lives: another leader is found when the first is gone
        words = [(one, await ask(one.ip, ports[1], "srvr", timeout_s=60)) for one in three]
        leader = next(one for one, text in words if "Mode: leader" in text)
        leader.end()
        others = ",".join(f"{one.ip}:{ports[1]}" for one in three if one is not leader)
        await works(others, "/second")
    finally:
        for one in three:
            one.clean_up()


async def test_a_renewal_is_shown_by_all_and_never_are_two_down(tmp_path: Path) -> None:
    """Three servers with new certificates at the same moment; somebody writes all the while."""
    authorities = Authorities(tmp_path / "pki")
    addresses = [f"127.0.95.{number}" for number in (31, 32, 33)]
    ports = free_ports(4, addresses[0])
    flags = ("--static_ensemble=" + ",".join(f"{n}:{address}" for n, address in enumerate(addresses, 1)),)
    flags += ("--renewal_turn=40secs",)
    three = [
        secured(Exhibitor(tmp_path, address, ports, *flags), authorities, plain_too=False) for address in addresses
    ]
    hosts = ",".join(f"{address}:{ports[1]}" for address in addresses)
    try:
        for one in three:
            one.start()
        tls.become(authorities.identity("me"))
        await works(hosts, "/first")
        written = 0
        async with asyncio.timeout(600):
            store = await connect(hosts, session_timeout_s=30.0)
            try:
                await store.create("/count")
                for address in addresses:
                    authorities.certificate(address, address)
                new = {address: certificates.first_der(_text(authorities, address)) for address in addresses}
                while {address: await _shown(address, ports[1]) for address in addresses} != new:
                    with contextlib.suppress(Disconnected):
                        await store.set("/count", str(written).encode())
                        written += 1
                    await asyncio.sleep(0.2)
            finally:
                await store.close()
        assert written, "the same session wrote through all of it"
        downs = sorted(span for one in three for span in _downs(one))
        assert all(end <= begin for (_, end), (begin, _) in pairwise(downs)), downs
        await works(hosts, "/second")
    finally:
        for one in three:
            one.clean_up()


def _downs(one: Exhibitor) -> list[tuple[str, str]]:
    """From when to when its ZooKeeper did not serve because of a renewal, by its own log."""
    found, begin = [], ""
    for line in one.log.read_text(errors="replace").splitlines():
        if " zookeeper_restarts " in line:
            begin = line[:23]
        elif begin and "ZooKeeper is serving" in line:
            found.append((begin, line[:23]))
            begin = ""
    assert not begin, "it serves again"
    return found


def _text(authorities: Authorities, name: str) -> str:
    return (authorities.folder / f"{name}.pem").read_text()


async def _shown(host: str, port: int) -> bytes | None:
    identity = tls.own()
    assert identity is not None
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=identity.client)
    except OSError:
        return None
    try:
        found: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_in_mode_permissive_one_port_serves_both(tmp_path: Path) -> None:
    authorities = Authorities(tmp_path / "pki")
    ports = free_ports(4, "127.0.95.21")
    exhibitor = secured(Exhibitor(tmp_path, "127.0.95.21", ports), authorities, plain_too=True)
    try:
        exhibitor.start()
        hosts = f"{exhibitor.ip}:{ports[1]}"
        tls.become(authorities.identity("me"))
        await works(hosts, "/secured")
        tls.become(None)
        await works(hosts, "/plain")
        assert answers(exhibitor.ip, ports[1], None) == b"imok"
        assert answers(exhibitor.ip, ports[1], tls.trusting(authorities.bundle)) == b""
        eventually("its page answers", lambda: exhibitor.get("cluster/state") is not None, within_s=60)
    finally:
        exhibitor.clean_up()
