"""The DNS forwarder: our own zones at once, everything else from whoever knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dnslib
from dnslib.label import DNSLabel

from dcos.net.core import names
from dcos.net.core.names import Copy, Forward, Ours, Router
from dcos.runtime import dns as sockets
from dcos.runtime.dns import Server
from dcos.wire import dns
from dcos.wire.errors import WireError

_parse: Any = dnslib.DNSRecord.parse
_question: Any = dnslib.DNSQuestion
_label: Any = DNSLabel


class Forwarder:
    """Answers questions. ``groups``: servers by ``Forward.group``."""

    def __init__(self, router: Router, groups: Mapping[str, Sequence[Server]], *, timeout_s: float) -> None:
        self.counts: Counter[str] = Counter()
        """Questions by what became of them: ``own``, a group's name, ``failed``, ``malformed``."""
        self._groups = dict(groups)
        self._timeout_s = timeout_s
        self._router = router
        self._ready = dns.ReadyAnswers(router.ours)

    def forget(self, touched: Iterable[str]) -> None:
        """The records of these names of our own have changed."""
        self._ready.forget(touched)

    def answer(self, data: bytes, tcp: bool) -> sockets.Answer:
        reply = self._ready.answer(data, udp=not tcp)
        if reply is not None:
            self.counts["own"] += 1
            return reply
        try:
            query = dns.parse_query(data)
        except WireError:
            self.counts["malformed"] += 1
            return dns.failure(data, dns.FORMERR)
        match self._router.route(query.name):
            case Forward(group):
                return self._forward(group, data, tcp)
            case Copy(name, suffix):
                return self._copy(data, name, suffix, tcp)
            case Ours():  # only a message that is no question
                return None

    async def _forward(self, group: str, data: bytes, tcp: bool) -> bytes | None:
        self.counts[group] += 1
        reply = await sockets.ask_first(self._groups.get(group, ()), data, tcp=tcp, timeout_s=self._timeout_s)
        if reply is None:
            self.counts["failed"] += 1
            return dns.failure(data, dns.SERVFAIL)
        return reply

    async def _copy(self, data: bytes, name: str, suffix: str, tcp: bool) -> bytes | None:
        """Ask Mesos-DNS for ``name`` and give its answer as if for the name asked."""
        question = _parse(data)
        asked = question.q.qname
        question.questions = [_question(name, question.q.qtype, question.q.qclass)]
        reply = await self._forward(names.MESOS, bytes(question.pack()), tcp)
        return None if reply is None else renamed(reply, asked, name, suffix)


def renamed(reply: bytes, asked: Any, name: str, suffix: str) -> bytes:
    """A Mesos-DNS answer with ``suffix`` on every name below ``mesos``, and the question as it was asked."""
    record = _parse(reply)
    record.questions = [_question(asked, question.qtype, question.qclass) for question in record.questions]

    def longer(label: Any) -> Any:
        text = str(label).rstrip(".")
        if text.lower() == name:
            return asked
        return _label(text + suffix) if text.lower().endswith("mesos") else label

    for rr in (*record.rr, *record.auth, *record.ar):
        if rr.rtype == dns.OPT:
            continue
        rr.rname = longer(rr.rname)
        if rr.rtype == dns.SRV:
            rr.rdata.target = longer(rr.rdata.target)
    return bytes(record.pack())
