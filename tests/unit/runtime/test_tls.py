"""TLS of a process: what the variables mean, who gets in, what a replaced file changes. Real sockets on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dcos.runtime import http, tls
from dcos.runtime.clock import SystemClock
from dcos.runtime.http_access import Away, Namer, needing
from dcos.runtime.http_auth import Unauthorized
from dcos.runtime.tls import Identity, Settings
from dcos.wire import certificates
from dcos.wire.certificates import Authority, Names

NOW = SystemClock().now()
KEY = certificates.generate_key()
AUTHORITY = Authority(certificates.make_authority("Trial", KEY, NOW), KEY)


def pem(service: str, unit: str = "master", *, authority: Authority = AUTHORITY) -> str:
    key = certificates.generate_key()
    names = Names(service, unit, ("localhost",), ("127.0.0.1",))
    return certificates.key_pem(key) + certificates.issue(authority, certificates.make_request(key), names, NOW)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ca.crt").write_text(certificates.pem(AUTHORITY.certificate))
    for name, text in (("own", pem("dcos-marathon")), ("agent", pem("dcos-net", "slave"))):
        (tmp_path / f"{name}.pem").write_text(text)
    return tmp_path


def identity(files: Path, name: str = "own", *, plain_too: bool = False, asks_callers: bool = False) -> Identity:
    own = files / f"{name}.pem"
    return Identity(Settings(own, own, files / "ca.crt", plain_too=plain_too, asks_callers=asks_callers))


@pytest.fixture(autouse=True)
def _nobody() -> Iterator[None]:
    yield
    tls.become(None)


@contextlib.asynccontextmanager
async def served(own: Identity, namer: Namer | None = None) -> AsyncIterator[int]:
    """A port that tells who asked, or that nobody did."""

    async def who(request: web.Request) -> web.Response:
        caller = tls.caller(request.transport)
        return web.Response(text=f"{caller.service} {caller.unit}" if caller else "nobody")

    app = http.application()
    app.add_routes([web.get("/", who)])
    tls.become(own)
    async with http.listen(app, host="127.0.0.1", port=0, named=needing(namer)) as (_, port):
        tls.become(None)
        yield port


async def ask(
    port: int, *, scheme: str = "https", context: ssl.SSLContext | None = None, token: str = ""
) -> tuple[int, str]:
    connector = aiohttp.TCPConnector(ssl=context if context is not None else True, force_close=True)
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        session.get(f"{scheme}://127.0.0.1:{port}/", headers={"Authorization": token} if token else None) as reply,
    ):
        return reply.status, await reply.text()


async def nothing(port: int, *, scheme: str = "https", context: ssl.SSLContext | None = None) -> None:
    with pytest.raises((aiohttp.ClientError, OSError)):
        await ask(port, scheme=scheme, context=context)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ENABLED": "yes"}, "LIBPROCESS_SSL_ENABLED: must be true or false"),
        ({"ENABLED": "true"}, "LIBPROCESS_SSL_CERT_FILE: must be given"),
        ({"ENABLED": "1", "CERT_FILE": "/x"}, "LIBPROCESS_SSL_KEY_FILE: must be given"),
        ({"ENABLED": "1", "CERT_FILE": "/x", "KEY_FILE": "/x", "REQUIRE_CERT": "1"}, "LIBPROCESS_SSL_CA_FILE: must be"),
    ],
)
def test_variables_that_say_nothing_sound(variables: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tls.settings({f"LIBPROCESS_SSL_{name}": value for name, value in variables.items()})


def test_what_variables_mean() -> None:
    assert tls.settings({}) is None
    assert tls.settings({"LIBPROCESS_SSL_ENABLED": "false", "LIBPROCESS_SSL_CERT_FILE": "/x"}) is None
    given = {"ENABLED": "true", "CERT_FILE": "/c", "KEY_FILE": "/k", "CA_FILE": "/a", "SUPPORT_DOWNGRADE": "true"}
    found = tls.settings({f"LIBPROCESS_SSL_{name}": value for name, value in given.items()})
    assert found == Settings(Path("/c"), Path("/k"), Path("/a"), plain_too=True)
    old = {**given, "REQUIRE_CERT": "true", "VERIFY_CERT": "false"}
    found = tls.settings({f"LIBPROCESS_SSL_{name}": value for name, value in old.items()})
    assert found is not None
    assert (found.asks_callers, found.verifies) == (True, False)


class Tokens:
    """One token is good, and another comes while nobody knows."""

    required = True

    async def name(self, request: web.Request) -> str | None:
        match request.headers.get("Authorization", ""):
            case "":
                return None
            case "token=good":
                return "bob"
            case "token=away":
                raise Away
            case _:
                raise Unauthorized

    async def by_token(self, request: web.Request) -> str | None:
        return await self.name(request)

    async def meet(self, principal: str) -> None:
        raise AssertionError(principal)

    def refused(self, request: web.Request, principal: str | None, missing: str) -> None:
        raise AssertionError(missing)

    def changed(self, request: web.Request, principal: str | None, what: str) -> None:
        raise AssertionError(what)


async def test_where_a_token_does_instead_of_a_certificate(files: Path) -> None:
    """Whatever is asked for; and who shows a certificate is looked at as before."""
    without = tls.trusting(files / "ca.crt")
    async with served(identity(files), Tokens()) as port:
        assert await ask(port, context=without, token="token=good") == (200, "nobody")
        assert (await ask(port, context=without))[0] == 401
        assert (await ask(port, context=without, token="token=bad"))[0] == 401
        assert (await ask(port, context=without, token="token=away"))[0] == 503
        assert await ask(port, context=identity(files).client) == (200, "dcos-marathon master")
        other = identity(files, "agent").client
        assert (await ask(port, context=other))[0] == 403
        assert (await ask(port, context=other, token="token=bad"))[0] == 403
        assert (await ask(port, context=other, token="token=good"))[0] == 200, "what a token opens, it opens beside any"
        await nothing(port, scheme="http")


async def test_who_must_show_a_certificate_and_does_not_gets_nothing(files: Path) -> None:
    mine, agents = identity(files), identity(files, "agent")
    stranger = Authority(certificates.make_authority("Trial", other := certificates.generate_key(), NOW), other)
    (files / "false.pem").write_text(pem("dcos-marathon", authority=stranger))
    async with served(identity(files, asks_callers=True)) as port:
        assert await ask(port, context=mine.client) == (200, "dcos-marathon master")
        await nothing(port, scheme="http")
        await nothing(port, context=tls.trusting(files / "ca.crt"))
        await nothing(port, context=identity(files, "false").client)
        # of the cluster, but a machine that has nothing to ask here
        status, text = await ask(port, context=agents.client)
        assert (status, text) == (403, '{"message":"dcos-net on a slave may not ask this"}')


async def test_who_proves_itself_otherwise_needs_no_certificate(files: Path) -> None:
    async with served(identity(files)) as port:
        assert await ask(port, context=tls.trusting(files / "ca.crt")) == (200, "nobody")
        assert await ask(port, context=identity(files, "agent").client) == (200, "dcos-net slave")
        await nothing(port, scheme="http")


async def test_one_port_speaks_both(files: Path) -> None:
    async with served(identity(files, plain_too=True)) as port:
        assert await ask(port, scheme="http") == (200, "nobody")
        assert await ask(port, context=identity(files).client) == (200, "dcos-marathon master")
        # who says nothing keeps nobody waiting
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(port, scheme="http") == (200, "nobody")
        silent.close()


async def test_a_server_that_another_authority_vouches_for_is_told_nothing(files: Path) -> None:
    (files / "ca2.crt").write_text(
        certificates.pem(certificates.make_authority("Other", certificates.generate_key(), NOW))
    )
    async with served(identity(files)) as port:
        await nothing(port, context=tls.trusting(files / "ca2.crt"))
        await nothing(port)  # nor by the system's authorities


async def test_sessions_take_the_identity_of_the_process(files: Path) -> None:
    async with served(identity(files, asks_callers=True)) as port:
        tls.become(identity(files))
        assert tls.scheme() == "https"
        async with http.session() as session, session.get(f"{tls.scheme()}://127.0.0.1:{port}/") as reply:
            assert await reply.text() == "dcos-marathon master"


async def test_a_replaced_certificate_is_shown_to_who_comes_next(files: Path) -> None:
    """The connection from before goes on; a broken file changes nothing."""
    own = identity(files)
    async with served(own) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=identity(files).client)
        first = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        assert not own.refresh()
        (files / "own.pem").write_text("nothing")
        with pytest.raises(ValueError, match="no certificate with its key"):
            own.refresh()
        assert (await ask(port, context=identity(files, "agent").client))[0] == 200
        (files / "own.pem").write_text(pem("dcos-marathon"))
        assert own.refresh()
        assert own.generation == 1
        second, other = await asyncio.open_connection("127.0.0.1", port, ssl=identity(files).client)
        assert other.get_extra_info("ssl_object").getpeercert(binary_form=True) != first
        other.close()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"200 OK" in await reader.read()
        writer.close()
        assert second is not reader


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_protocols_are_refused(files: Path, version: ssl.TLSVersion) -> None:
    context = identity(files).client
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    async with served(identity(files)) as port:
        await nothing(port, context=context)


@pytest.mark.parametrize(
    ("cipher", "accepted"),
    [
        ("ECDHE-ECDSA-AES256-GCM-SHA384", True),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("ECDHE-ECDSA-AES128-SHA", False),
        ("AES128-GCM-SHA256", False),
    ],
)
async def test_ciphers(files: Path, cipher: str, accepted: bool) -> None:
    context = identity(files).client
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with served(identity(files)) as port:
        if accepted:
            assert (await ask(port, context=context))[0] == 200
        else:
            await nothing(port, context=context)


async def test_a_process_waits_for_its_first_certificate(files: Path) -> None:
    own = files / "late.pem"
    variables = {"ENABLED": "true", "CERT_FILE": str(own), "KEY_FILE": str(own), "CA_FILE": str(files / "ca.crt")}
    waiting = asyncio.create_task(tls.begin({f"LIBPROCESS_SSL_{name}": value for name, value in variables.items()}))
    await asyncio.sleep(0)
    assert not waiting.done()
    own.write_text(pem("dcos-net"))
    async with asyncio.timeout(60):
        assert await waiting is tls.own()
