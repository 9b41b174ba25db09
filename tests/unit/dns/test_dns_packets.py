"""DNS packets, read back by another implementation."""

from __future__ import annotations

import dnslib
import pytest

from dcos.model.zone import Soa, Zone, ZoneBuilder
from dcos.wire import dns
from dcos.wire.errors import WireError


def make_zone(instances: int = 3) -> Zone:
    builder = ZoneBuilder()
    builder.address("leader.mesos", "10.0.0.1")
    for number in range(instances):
        builder.address("web.marathon.mesos", f"10.0.1.{number}")
        builder.address(f"web-{number}.marathon.mesos", f"10.0.1.{number}")
        builder.service("_web._tcp.marathon.mesos", f"web-{number}.marathon.mesos", 31000 + number)
    builder.address("six.mesos", "fd01::1")
    return builder.zone("mesos", Soa(mname="ns1.mesos", rname="root.ns1.mesos", serial=9), ttl=60, apex_ttl=60)


def make_answers(instances: int = 3) -> dns.ReadyAnswers:
    zone = make_zone(instances)
    return dns.ReadyAnswers(lambda name: (zone, name) if name == "mesos" or name.endswith(".mesos") else None)


def ask(
    answers: dns.ReadyAnswers, name: str, qtype: str, *, udp: bool = True, size: int | None = None
) -> dnslib.DNSRecord:
    question = dnslib.DNSRecord.question(name, qtype)
    if size:
        question.add_ar(dnslib.EDNS0(udp_len=size))
    reply = answers.answer(bytes(question.pack()), udp=udp)
    assert reply is not None
    assert len(reply) <= (size or 512) or not udp
    record = dnslib.DNSRecord.parse(reply)
    assert record.header.id == question.header.id
    assert str(record.q.qname) == name.rstrip(".") + "."
    return record


def test_address() -> None:
    record = ask(make_answers(), "leader.mesos", "A")
    assert [(str(rr.rname), str(rr.rdata), rr.ttl) for rr in record.rr] == [("leader.mesos.", "10.0.0.1", 60)]
    assert (record.header.aa, record.header.ra, record.header.rd, record.header.rcode) == (1, 1, 1, 0)


def test_the_question_comes_back_in_its_own_spelling() -> None:
    assert str(ask(make_answers(), "LeaDer.Mesos", "A").rr[0].rname) == "LeaDer.Mesos."


def test_all_orders_are_given() -> None:
    answers = make_answers()
    firsts = {str(ask(answers, "web.marathon.mesos", "A").rr[0].rdata) for _ in range(6)}
    assert firsts == {"10.0.1.0", "10.0.1.1", "10.0.1.2"}


def test_service_with_the_addresses_of_its_targets() -> None:
    record = ask(make_answers(), "_web._tcp.marathon.mesos", "SRV")
    assert {(rr.rdata.port, str(rr.rdata.target)) for rr in record.rr} == {
        (31000 + n, f"web-{n}.marathon.mesos.") for n in range(3)
    }
    assert {(str(rr.rname), str(rr.rdata)) for rr in record.ar} == {
        (f"web-{n}.marathon.mesos.", f"10.0.1.{n}") for n in range(3)
    }


def test_too_much_for_udp_is_cut_and_marked() -> None:
    answers = make_answers(60)
    record = ask(answers, "_web._tcp.marathon.mesos", "SRV")
    assert record.header.tc == 1
    assert 0 < len(record.rr) < 60
    assert not record.ar
    with_edns = ask(answers, "_web._tcp.marathon.mesos", "SRV", size=4096)
    assert with_edns.header.tc == 0
    assert len(with_edns.rr) == 60
    assert len(ask(answers, "_web._tcp.marathon.mesos", "SRV", udp=False).rr) == 60


def test_additional_addresses_are_left_out_before_answers() -> None:
    record = ask(make_answers(9), "_web._tcp.marathon.mesos", "SRV")
    assert (record.header.tc, len(record.rr)) == (0, 9)
    assert len(record.ar) < 9


def test_edns_is_answered_with_edns() -> None:
    record = ask(make_answers(), "leader.mesos", "A", size=1232)
    (opt,) = record.ar
    assert opt.rtype == dnslib.QTYPE.OPT


def test_unknown_edns_version() -> None:
    question = dnslib.DNSRecord.question("leader.mesos", "A")
    question.add_ar(dnslib.EDNS0(version=1))
    record = dnslib.DNSRecord.parse(make_answers().answer(bytes(question.pack())))
    assert (record.header.rcode, record.ar[0].ttl >> 24) == (0, 1)


@pytest.mark.parametrize(
    ("name", "qtype", "rcode"),
    [
        ("nope.mesos", "A", "NXDOMAIN"),
        ("leader.mesos", "AAAA", "NOERROR"),
        ("leader.mesos", "TXT", "NOERROR"),
        ("marathon.mesos", "A", "NOERROR"),
        ("_tcp.marathon.mesos", "SRV", "NOERROR"),
        ("_nope._tcp.marathon.mesos", "SRV", "NXDOMAIN"),
        ("mesos", "A", "NOERROR"),
    ],
)
def test_negative_answers_carry_the_soa(name: str, qtype: str, rcode: str) -> None:
    record = ask(make_answers(), name, qtype)
    assert dnslib.RCODE[record.header.rcode] == rcode
    assert not record.rr
    (soa,) = record.auth
    assert (str(soa.rname), soa.rtype) == ("mesos.", dnslib.QTYPE.SOA)


def test_apex() -> None:
    (soa,) = ask(make_answers(), "mesos", "SOA").rr
    assert str(soa.rdata.mname) == "ns1.mesos."
    assert soa.rdata.times[0] == 9
    (ns,) = ask(make_answers(), "mesos", "NS").rr
    assert str(ns.rdata) == "ns1.mesos."


def test_any_gives_everything() -> None:
    assert len(ask(make_answers(), "web.marathon.mesos", "ANY").rr) == 3
    assert [str(rr.rdata) for rr in ask(make_answers(), "six.mesos", "ANY").rr] == ["fd01::1"]


def test_other_zones_are_not_ours() -> None:
    assert make_answers().answer(dns.make_query(1, "example.com", dns.A)) is None


def test_swap_changes_answers() -> None:
    answers = make_answers()
    ask(answers, "leader.mesos", "A")
    empty = ZoneBuilder().zone("mesos", Soa(mname="a", rname="b"), ttl=1, apex_ttl=1)
    answers.swap(lambda name: (empty, name))
    assert ask(answers, "leader.mesos", "A").header.rcode == 3


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 5, b"\0" * 16, dns.make_query(1, "a.mesos", 1)[:-3], b"\0\1" + b"\0" * 2 + b"\0\2" + b"\0" * 20],
)
def test_bad_packets_get_formerr_or_silence(data: bytes) -> None:
    with pytest.raises(WireError):
        dns.parse_query(data)
    reply = make_answers().answer(data)
    assert reply is None or dns.rcode_of(reply) == dns.FORMERR


def test_responses_are_never_answered() -> None:
    reply = make_answers().answer(dns.make_query(1, "leader.mesos", dns.A))
    assert reply is not None
    assert make_answers().answer(reply) is None


def test_compressed_question_is_refused() -> None:
    query = bytearray(dns.make_query(1, "a.mesos", 1))
    query[12] = 0xC0
    with pytest.raises(WireError, match="name"):
        dns.parse_query(bytes(query))


def test_answer_matching() -> None:
    question = dns.make_query(7, "a.example", 1)
    reply = bytes(dnslib.DNSRecord.parse(question).reply().pack())
    assert dns.answers(question, reply)
    assert not dns.answers(dns.make_query(8, "a.example", 1), reply)
    assert not dns.answers(dns.make_query(7, "b.example", 1), reply)
    assert not dns.answers(question, question)


def test_many_spellings_of_a_name_are_one_answer() -> None:
    answers = make_answers()
    for name in ("web.marathon.mesos", "WEB.marathon.mesos", "wEb.MaRathon.mesos"):
        record = ask(answers, name, "A")
        assert {str(rr.rname) for rr in record.rr} == {name + "."}
        assert len(record.rr) == 3
    assert len(answers._kept) == 1


COOKIE, NSID, PADDING = (10, bytes(range(8))), (3, b""), (12, bytes(50))


def with_options(question: bytes, *options: tuple[int, bytes], flags: int = 0) -> bytes:
    """The question, its OPT record written by another implementation."""
    record = dnslib.DNSRecord.parse(question)
    opts = [dnslib.EDNSOption(code, data) for code, data in options]
    record.add_ar(dnslib.EDNS0(udp_len=1232, opts=opts, flags="do" if flags else ""))
    return bytes(record.pack())


@pytest.mark.parametrize("options", [(COOKIE,), (NSID,), (COOKIE, NSID, PADDING), ((65001, b"x" * 30),)])
def test_edns_options_change_nothing_and_are_not_in_the_answer(options: tuple[tuple[int, bytes], ...]) -> None:
    answers = make_answers(1)
    for name, qtype in (("WEB.marathon.mesos", dns.A), ("_web._tcp.marathon.mesos", dns.SRV), ("nope.mesos", dns.A)):
        question = dns.make_query(7, name, qtype)
        assert answers.answer(with_options(question, *options)) == answers.answer(with_options(question))
        (opt,) = [
            rr for rr in dnslib.DNSRecord.parse(answers.answer(with_options(question, *options))).ar if rr.rtype == 41
        ]
        assert opt.rdata == []


def test_cookies_are_answered_from_ready_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = make_answers(1)
    question = dns.make_query(7, "web.marathon.mesos", dns.A)
    first = answers.answer(with_options(question, (10, b"12345678")))
    monkeypatch.setattr(dns, "build", None)
    assert answers.answer(with_options(question, (10, b"87654321"))) == first
    assert len(answers._kept) == 1, "no memory is spent on each cookie"


def test_the_dnssec_bit_comes_back() -> None:
    question = dns.make_query(7, "web.marathon.mesos", dns.A)
    for flags in (0, 1):
        reply = make_answers().answer(with_options(question, COOKIE, flags=flags))
        (opt,) = [rr for rr in dnslib.DNSRecord.parse(reply).ar if rr.rtype == 41]
        assert bool(opt.ttl & 0x8000) is bool(flags)


def test_options_cut_off_or_two_opt_records_are_malformed() -> None:
    cookie = with_options(dns.make_query(7, "web.marathon.mesos", dns.A), COOKIE)
    longer = bytearray(cookie)
    longer[-9] += 1  # the option says that it is longer than its record
    twice = cookie[:11] + b"\2" + cookie[12:] + cookie[-23:]
    for data in (bytes(longer), twice):
        assert dns.rcode_of(make_answers().answer(data) or b"") == dns.FORMERR


def test_only_what_was_made_of_a_touched_name_is_made_anew() -> None:
    answers = make_answers()
    for name, qtype in (("web.marathon.mesos", "A"), ("_web._tcp.marathon.mesos", "SRV"), ("leader.mesos", "A")):
        for _ in range(3):
            ask(answers, name, qtype)
    ask(answers, "nope.mesos", "A")
    answers.forget(["web-1.marathon.mesos"])
    kept = {dns.parse_query(b"\0\0" + key).name for key in answers._kept}
    assert kept == {"web.marathon.mesos", "leader.mesos"}
    ask(answers, "_web._tcp.marathon.mesos", "SRV")
    assert len(answers._growing) == 1
    answers.forget(["_web._tcp.marathon.mesos"])
    assert not answers._growing
    assert not answers._passing, "what there was not may be there now"


def test_a_dot_within_a_label_is_no_separator() -> None:
    question = dns.make_query(1, "x.mesos", dns.A).replace(b"\1x\5mesos", b"\x0cleader.mesos")
    reply = make_answers().answer(question)
    assert reply is None, "leader.mesos as one label is a name of nobody's zone"
