"""Answers of other servers are kept for as long as they say, and no longer."""

from __future__ import annotations

from dataclasses import replace

import dnslib
import pytest

from dcos.net.core.cache import Cache, LastGood
from dcos.net.core.names import Names, Node, router
from dcos.net.forwarder import Forwarder
from dcos.wire import dns


def answer(question: bytes, *ttls: int, rcode: int = 0, soa: tuple[int, int] | None = None, tc: int = 0) -> bytes:
    reply = dnslib.DNSRecord.parse(question).reply()
    reply.header.rcode, reply.header.tc = rcode, tc
    for number, ttl in enumerate(ttls):
        reply.add_answer(dnslib.RR("a.example", dns.A, ttl=ttl, rdata=dnslib.A(f"192.0.2.{number}")))
    if soa:
        reply.add_auth(dnslib.RR("example", dns.SOA, ttl=soa[0], rdata=dnslib.SOA("n", "r", (1, 2, 3, 4, soa[1]))))
    return bytes(reply.pack())


def ask(ident: int = 7, name: str = "a.example") -> bytes:
    return dns.make_query(ident, name, dns.A)


def ttls(found: bytes | None) -> list[int] | None:
    return None if found is None else [rr.ttl for rr in dnslib.DNSRecord.parse(found).rr]


def test_times_to_live_go_down_and_end() -> None:
    cache = Cache(10)
    cache.put(ask(), answer(ask(), 30, 20), 100.0)
    again = cache.get(ask(9), 105.5)
    assert again is not None
    assert again[:2] == ask(9)[:2]
    assert ttls(again) == [25, 15]
    assert not dnslib.DNSRecord.parse(again).header.aa, "who remembers is no authority"
    assert ttls(cache.get(ask(), 119.9)) == [11, 1]
    assert cache.get(ask(), 120.0) is None
    assert not len(cache)


@pytest.mark.parametrize(
    ("kept", "made"),
    [
        (True, answer(ask(), rcode=3, soa=(60, 10))),
        (True, answer(ask(), soa=(5, 60))),
        (False, answer(ask(), rcode=3)),
        (False, answer(ask(), 0)),
        (False, answer(ask(), 1 << 31)),
        (False, answer(ask(), 30, rcode=2)),
        (False, answer(ask(), 30, tc=1)),
        (False, answer(ask(), 30)[:-3]),
    ],
    ids=["denied", "nothing", "denied without SOA", "no time", "time below zero", "failed", "cut", "broken"],
)
def test_what_is_kept(kept: bool, made: bytes) -> None:
    cache = Cache(10)
    cache.put(ask(), made, 0.0)
    assert (cache.get(ask(), 1.0) is not None) == kept


def test_a_denial_ends_as_its_soa_says() -> None:
    cache = Cache(10)
    cache.put(ask(), answer(ask(), rcode=3, soa=(60, 10)), 0.0)
    assert cache.get(ask(), 9.9) is not None
    assert cache.get(ask(), 10.0) is None


def test_another_question_is_another_answer() -> None:
    cache = Cache(10)
    cache.put(ask(), answer(ask(), 30), 0.0)
    assert cache.get(ask(name="b.example"), 1.0) is None
    assert cache.get(dns.make_query(7, "a.example", dns.A, udp_size=1232), 1.0) is None


def test_the_oldest_make_room() -> None:
    cache = Cache(2)
    for name in ("a.example", "b.example", "c.example"):
        question = ask(name=name)
        cache.put(question, answer(question, 30), 0.0)
    assert len(cache) == 2
    assert cache.get(ask(), 1.0) is None
    assert cache.get(ask(name="c.example"), 1.0) is not None


def test_none_at_all() -> None:
    cache = Cache(0)
    cache.put(ask(), answer(ask(), 30), 0.0)
    assert cache.get(ask(), 1.0) is None


def test_the_last_good_answer_lives_shortly() -> None:
    last = LastGood(2, 60.0)
    last.put(ask(), answer(ask(), 30, 3), 100.0)
    assert ttls(last.get(ask(9), 160.0)) == [5, 3]
    assert not last.has(ask(), 160.1)
    assert last.get(ask(), 160.1) is None


@pytest.mark.parametrize(
    ("stays", "made"),
    [
        (True, answer(ask(), 30, rcode=2)),
        (True, answer(ask(), 30, tc=1)),
        (False, answer(ask(), rcode=3, soa=(60, 10))),
        (False, answer(ask(), soa=(60, 10))),
    ],
    ids=["failed", "cut", "denied", "nothing"],
)
def test_what_was_good_stays_until_it_is_denied(stays: bool, made: bytes) -> None:
    last = LastGood(2, 60.0)
    last.put(ask(), answer(ask(), 30), 0.0)
    last.put(ask(), made, 1.0)
    assert ttls(last.get(ask(), 2.0)) == ([5] if stays else None)


def test_no_old_answers_where_none_are_wanted() -> None:
    last = LastGood(2, 0.0)
    last.put(ask(), answer(ask(), 30), 0.0)
    assert not last.has(ask(), 0.0)


async def test_who_was_asked_is_not_remembered_when_routes_change() -> None:
    """A name with the cluster's key is somebody else's until the key is known."""
    own = Names(Node(ip="10.0.0.7"))
    made = router(own.zones)
    last_good = LastGood(10, 60)
    forwarder = Forwarder(made, {}, timeout_s=1, cache=Cache(10), last_good=last_good, monotonic=lambda: 0.0)
    question = dns.make_query(1, "thisnode.key.dcos.directory", dns.A)

    async def code() -> int:
        answer = forwarder.answer(question, False)
        reply = answer if answer is None or isinstance(answer, bytes) else await answer
        assert reply is not None
        return dns.rcode_of(reply)

    assert [await code(), await code()] == [dns.SERVFAIL, dns.SERVFAIL], "there is nobody to ask"
    forwarder.reroute(replace(made, cluster_key="key"))
    assert await code() == dns.NOERROR
    assert forwarder.counts == {"upstream": 2, "failed": 2, "own": 1}
