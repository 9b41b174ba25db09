"""What Marathon's leader makes of answers to its own checks, sent byte by byte by a real server."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from dcos.marathon.asking import over_network
from dcos.marathon.core import events
from dcos.marathon.probes import Target
from dcos.model.marathon import CheckProtocol, HealthCheck, ReadinessCheck
from dcos.testing.answering import answering
from dcos.testing.certificates import self_signed
from dcos.testing.patience import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"
BRIEF_S = 0.2
"""Long enough for what is sent at once."""


async def found(port: int, check: HealthCheck | ReadinessCheck, timeout_s: float = PATIENCE_S) -> events.Event | None:
    async with over_network() as ask:
        return await ask(Target("i", 0, "127.0.0.1", port, 1.0, timeout_s, check))


ANSWERS: list[tuple[str, bytes, bool, str | None]] = [
    ("200", OK, False, None),
    ("399", b"HTTP/1.0 399 Almost\r\n\r\n", False, None),
    ("nothing but a line", b"HTTP/1.1 204 No Content\r\n", False, None),
    ("redirect", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", False, None),
    ("400", b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "400 Bad Request"),
    ("without a reason", b"HTTP/1.1 500\r\n\r\n", False, "500"),
    ("hints, then 200", HINTS + OK, True, None),
    ("continue, hints, then 503", b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS + b"HTTP/1.1 503 Busy\r\n\r\n", False, "503 Busy"),
    ("hints and the end", HINTS, False, "103 Early Hints"),
    ("hints and no end", HINTS, True, "103 Early Hints"),
    ("another protocol", SWITCHING, True, "101 Switching Protocols"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "holds", "cause"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
@pytest.mark.parametrize("ignores", [False, True], ids=["", "ignoring 1xx"])
async def test_answers_to_a_health_check(answer: bytes, holds: bool, cause: str | None, ignores: bool) -> None:
    async with answering(answer, holds=holds) as (port, _):
        timeout_s = BRIEF_S if answer == HINTS and holds else PATIENCE_S
        result = await found(port, HealthCheck(ignore_http1xx=ignores), timeout_s)
    is_informational = cause is not None and cause.startswith("1")
    expected = None if ignores and is_informational else events.Probed("i", 0, cause is None, cause)
    assert result == expected


@pytest.mark.parametrize("ignores", [False, True], ids=["", "ignoring 1xx"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"", ConnectionError), (b"SSH-2.0-x\r\n", ValueError), (b"HTTP/1.1 20 OK\r\n", ValueError)],
    ids=["nothing", "no HTTP", "no code"],
)
async def test_what_is_no_answer(answer: bytes, kind: type[Exception], ignores: bool) -> None:
    async with answering(answer) as (port, _):
        with pytest.raises(kind):
            await found(port, HealthCheck(ignore_http1xx=ignores))


async def test_silence_ends_with_the_time() -> None:
    async with answering(b"", holds=True) as (port, _):
        with pytest.raises(TimeoutError):
            await found(port, HealthCheck(ignore_http1xx=True), BRIEF_S)


async def test_what_is_asked() -> None:
    async with answering(OK) as (port, asked):
        await found(port, HealthCheck(path="/a b?c=d&e=%20"))
    [request] = asked
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /a%20b?c=d&e=%20 HTTP/1.1"
    assert f"Host: 127.0.0.1:{port}" in lines


async def test_nobody_listens_and_tcp_needs_no_words() -> None:
    async with answering(OK) as (port, asked):
        assert await found(port, HealthCheck(protocol=CheckProtocol.TCP)) == events.Probed("i", 0, True)
        assert asked == []
    for protocol in (CheckProtocol.TCP, CheckProtocol.HTTP):
        with pytest.raises(OSError, match=str(port)):
            await found(port, HealthCheck(protocol=protocol))


async def test_certificates_are_not_verified(tmp_path: Path) -> None:
    self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    async with answering(OK, tls=tls) as (port, _):
        assert await found(port, HealthCheck(protocol=CheckProtocol.HTTPS)) == events.Probed("i", 0, True)
        assert await found(port, ReadinessCheck(protocol="HTTPS")) == events.ReadinessProbed(
            "i", True, "readinessCheck"
        )
        with pytest.raises((ConnectionError, ValueError)):
            await found(port, HealthCheck(protocol=CheckProtocol.HTTP))
    async with answering(HINTS, tls=tls) as (port, _):
        check = HealthCheck(protocol=CheckProtocol.HTTPS)
        assert await found(port, check) == events.Probed("i", 0, False, "103 Early Hints")
        assert await found(port, HealthCheck(protocol=CheckProtocol.HTTPS, ignore_http1xx=True)) is None


READY: list[tuple[bytes, tuple[int, ...], bool]] = [
    (OK, (200,), True),
    (OK, (204,), False),
    (HINTS + OK, (200,), True),
    (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", (200, 503), True),
]


@pytest.mark.parametrize(("answer", "codes", "ready"), READY)
async def test_answers_to_a_readiness_check(answer: bytes, codes: tuple[int, ...], ready: bool) -> None:
    async with answering(answer) as (port, _):
        result = await found(port, ReadinessCheck(http_status_codes_for_ready=codes))
    assert result == events.ReadinessProbed("i", ready, "readinessCheck")


async def test_what_was_answered_is_shown_where_it_is_wanted() -> None:
    body = b"x" * 5000
    answer = b"HTTP/1.1 500 Bad\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n" + body
    async with answering(answer) as (port, _):
        result = await found(port, ReadinessCheck(preserve_last_response=True))
    assert isinstance(result, events.ReadinessProbed)
    assert (result.response["status"], result.response["contentType"]) == (500, "text/plain")
    assert set(str(result.response["body"])) == {"x"}
    assert 0 < len(str(result.response["body"])) <= 2048
