"""DNS packets as nobody should send them: never an exception, never a hang, and the right answer code.

Three kinds: bytes of chance; questions with some bytes changed, cut or repeated; messages full of compression pointers.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable

import dnslib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcos.dns.config import Config
from dcos.dns.service import Server as MesosDns
from dcos.model.zone import Soa, Zone, ZoneBuilder
from dcos.net.core.cache import Cache, LastGood
from dcos.net.core.names import Names, Node, router
from dcos.net.forwarder import Forwarder, renamed
from dcos.runtime import dns as sockets
from dcos.wire import dns, dns_message
from dcos.wire.errors import WireError

NAMES = (
    "leader.mesos",
    "web.marathon.mesos",
    "_web._tcp.marathon.mesos",
    "mesos",
    "nope.mesos",
    "ready.spartan",
    "a.b",
    "",
)


def make_zone() -> Zone:
    builder = ZoneBuilder()
    builder.address("leader.mesos", "10.0.0.1")
    for n in range(40):
        builder.address("web.marathon.mesos", f"10.0.1.{n}")
        builder.address(f"web-{n}.marathon.mesos", f"10.0.1.{n}")
        builder.service("_web._tcp.marathon.mesos", f"web-{n}.marathon.mesos", 31000 + n)
    return builder.zone("mesos", Soa(mname="ns1.mesos", rname="root.ns1.mesos", serial=9), ttl=60, apex_ttl=60)


ZONE = make_zone()


def mesos_dns() -> Callable[[bytes, bool], sockets.Answer]:
    server = MesosDns(Config(), (), 1)
    server._maker.zone = ZONE
    server.complete = True
    return server.answer


def forwarder() -> Callable[[bytes, bool], sockets.Answer]:
    own = router(Names(Node(ip="10.0.0.7")).zones)
    last_good = LastGood(10, 60)
    return Forwarder(own, {}, timeout_s=1, cache=Cache(10), last_good=last_good, monotonic=lambda: 0.0).answer


SERVERS = {"mesos-dns": mesos_dns(), "forwarder": forwarder()}

QTYPES = (dns.A, dns.AAAA, dns.SRV, dns.SOA, dns.NS, dns.ANY, 16, 65, 0x4141)
plain_questions = st.builds(
    lambda ident, name, qtype, size: dns.make_query(ident, name, qtype, udp_size=size),
    st.integers(0, 65535),
    st.sampled_from(NAMES),
    st.sampled_from(QTYPES),
    st.sampled_from([None, 0, 512, 1232, 65535]),
)


def with_options(question: bytes, options: list[tuple[int, bytes]]) -> bytes:
    """A question with EDNS, and options in it."""
    raw = b"".join(struct.pack("!HH", code, len(data)) + data for code, data in options)
    return question[:-2] + struct.pack("!H", len(raw)) + raw


option_lists = st.lists(
    st.tuples(st.sampled_from([3, 8, 10, 11, 12, 15, 65001]), st.binary(max_size=40)), min_size=1, max_size=4
)
edns_questions = st.builds(
    lambda name, qtype: dns.make_query(5, name, qtype, udp_size=1232), st.sampled_from(NAMES), st.sampled_from(QTYPES)
)
questions = st.one_of(plain_questions, st.builds(with_options, edns_questions, option_lists))


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(questions))
    for _ in range(draw(st.integers(0, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                data[at] = draw(st.integers(0, 255))
            case 1:
                del data[at:]
            case 2:
                data[at:at] = draw(st.binary(max_size=20))
            case 3:
                data[at : at + 2] = struct.pack("!H", 0xC000 | draw(st.integers(0, 40)))
    return bytes(data)


@st.composite
def pointing(draw: st.DrawFn) -> bytes:
    """Headers that promise records, and bodies of pointers, labels and zeros."""
    counts = draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))
    parts = draw(
        st.lists(
            st.one_of(
                st.integers(0, 60).map(lambda at: struct.pack("!H", 0xC000 | at)),
                st.sampled_from(
                    [b"\0", b"\1a", b"\5mesos\0", b"\x3f" + b"x" * 63, b"\0\1\0\1", b"\0\x21\0\1\0\0\0\5\0\7"]
                ),
                st.binary(max_size=4),
            ),
            max_size=20,
        )
    )
    flags = draw(st.sampled_from([0x0100, 0x8180, 0x2800, 0x0000]))
    return struct.pack("!HHHHHH", 7, flags, *counts) + b"".join(parts)


packets = st.one_of(st.binary(max_size=600), mangled(), pointing())


def answer_of(name: str, data: bytes, tcp: bool) -> bytes | None:
    answer = SERVERS[name](data, tcp)
    return answer if answer is None or isinstance(answer, bytes) else asyncio.run(answer)


def code(reply: bytes) -> int:
    return reply[3] & 0x0F


@pytest.mark.parametrize("name", SERVERS)
@settings(max_examples=600, deadline=None)
@given(data=packets, tcp=st.booleans())
def test_every_packet_gets_its_answer(name: str, data: bytes, tcp: bool) -> None:
    reply = answer_of(name, data, tcp)
    if len(data) < 12 or data[2] & 0x80:
        assert reply is None, "neither a response nor a scrap is answered"
        return
    try:
        query = dns.parse_query(data)
    except WireError:
        assert reply is not None
        assert code(reply) == dns.FORMERR
        return
    assert reply is not None
    assert reply[:2] == data[:2]
    assert reply[2] & 0x80
    assert len(reply) <= (65535 if tcp else max(dns.PLAIN_UDP, min(query.udp_size, dns.MAX_UDP)))
    if reply[4:6] == b"\0\1":
        assert reply[12 : 12 + len(query.question)] == query.question
    dns_message.layout(reply)  # it can be read
    if query.flags & 0x7800 and query.edns_version == 0:
        assert code(reply) in (dns.NOTIMP, dns.REFUSED, dns.SERVFAIL)
    elif query.name == "leader.mesos" and name == "mesos-dns" and query.qclass == dns.IN and not query.edns_version:
        assert code(reply) == dns.NOERROR
        assert (b"\x0a\0\0\1" in reply) == (query.qtype in (dns.A, dns.ANY))
    again = answer_of(name, data, tcp)
    assert again is not None, "the kept answer is one as well"
    assert again[:4] == reply[:4], "id and flags; how many answers fit depends on the rotation"


@pytest.mark.parametrize("name", SERVERS)
@settings(max_examples=300, deadline=None)
@given(question=edns_questions, options=option_lists)
def test_options_change_no_answer(name: str, question: bytes, options: list[tuple[int, bytes]]) -> None:
    plain, with_them = answer_of(name, question, False), answer_of(name, with_options(question, options), False)
    assert plain is not None
    assert with_them is not None
    assert with_them[:4] == plain[:4], "id, flags and code"
    end = len(question) - 11
    assert with_them[12:end] == plain[12:end], "the question"
    assert with_them[-11:] == plain[-11:], "an OPT record without options; what fits before it depends on the rotation"


@settings(max_examples=600, deadline=None)
@given(packets, questions)
def test_answers_of_others_may_be_anything(reply: bytes, question: bytes) -> None:
    assert dns.answers(question, reply) in (True, False)
    cache = Cache(4)
    if len(reply) >= 12:
        cache.put(question, question[:2] + reply[2:], 0.0)
        kept = cache.get(question, 1.0)
        assert kept is None or (kept[:2] == question[:2] and len(kept) == len(reply))
        last_good = LastGood(4, 60)
        last_good.put(question, question[:2] + reply[2:], 0.0)
        kept = last_good.get(question, 1.0)
        assert kept is None or (kept[:2] == question[:2] and len(kept) == len(reply))
    asked = dns.parse_query(question).question
    try:
        longer = renamed(reply, asked, "web.mesos", ".thisdcos.directory", 512)
    except WireError:
        return
    assert len(longer) <= 512
    dns_message.layout(longer)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(NAMES[1:5]), min_size=1, max_size=3), st.integers(0, 2**31 - 6))
def test_layout_reads_what_another_implementation_writes(names: list[str], ttl: int) -> None:
    record = dnslib.DNSRecord.question("web.mesos", "SRV").reply()
    for name in names:
        record.add_answer(dnslib.RR(name, dns.SRV, ttl=ttl, rdata=dnslib.SRV(0, 1, 80, f"x.{name}")))
        record.add_ar(dnslib.RR(f"x.{name}", dns.A, ttl=ttl + 5, rdata=dnslib.A("10.0.0.1")))
    data = bytes(record.pack())
    message = dns_message.layout(data)
    assert (len(message.answers), len(message.additional), message.end) == (len(names), len(names), len(data))
    assert dns_message.least_ttl_s(data, message) == ttl
    for found, written in zip(message.answers, record.rr, strict=True):
        assert dnslib.DNSBuffer(dns_message.name_at(data, found.owner)).decode_name() == written.rname
    aged = dnslib.DNSRecord.parse(dns_message.aged(data, message, 3))
    assert {rr.ttl for rr in aged.rr} == {max(0, ttl - 3)}


def test_sockets_survive_a_storm() -> None:
    """Bytes of chance by UDP and TCP, then a question."""

    async def storm() -> bytes:
        rng = random.Random(5)
        async with sockets.serve(SERVERS["mesos-dns"], "127.0.0.1", 0) as (host, port):
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(host, port))
            for n in range(3000):
                transport.sendto(rng.randbytes(rng.randrange(0, 5000 if n % 100 == 0 else 300)))
                if n % 50 == 0:
                    await asyncio.sleep(0)
            transport.close()
            for _ in range(50):
                _, writer = await asyncio.open_connection(host, port)
                writer.write(rng.randbytes(rng.randrange(0, 2000)))
                writer.close()
            return await sockets.ask(sockets.Server(host, port), dns.make_query(9, "leader.mesos", dns.A), timeout_s=10)

    reply = asyncio.run(storm())
    assert str(dnslib.DNSRecord.parse(reply).rr[0].rdata) == "10.0.0.1"
