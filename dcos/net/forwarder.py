"""The DNS forwarder: our own zones at once, everything else from whoever knows it, or from what they said a moment ago."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from dcos.net.core.cache import Cache, LastGood
from dcos.net.core.names import MESOS, TTL, Copy, Forward, Ours, Router
from dcos.runtime import dns as sockets
from dcos.runtime.dns import Server
from dcos.wire import dns, dns_message
from dcos.wire.errors import WireError

_PATIENCE_S = 0.8
"""Seconds to wait for servers where there is an old answer: clients ask again after one."""
_MESOS_NAME = dns.name_bytes("mesos")
_MOST_KNOWN = 10_000
_BETWEEN_NEIGHBOURS = frozenset({3, 10, 11, 12})
"""EDNS options that concern a client and whom it asks, nobody behind: NSID, cookie, TCP keepalive, padding (RFC 5001, 7873, 7828,
7830). They are not passed on."""


class Forwarder:
    """Answers questions. ``groups``: servers by ``Forward.group``; ``monotonic``: the clock.

    ``cache`` keeps answers of all servers but Mesos-DNS: its names follow tasks within a second. ``last_good`` has what is said
    when no server of a group answers any more, as where the only Mesos-DNS is being started anew."""

    def __init__(
        self,
        router: Router,
        groups: Mapping[str, Sequence[Server]],
        *,
        timeout_s: float,
        cache: Cache,
        last_good: LastGood,
        monotonic: Callable[[], float],
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Questions by what became of them: ``own``, ``cached``, a group's name, ``stale``, ``failed``, ``malformed``."""
        self._groups = dict(groups)
        self._timeout_s = timeout_s
        self._router = router
        self._groups_of: dict[bytes, str] = {}
        """Who is asked, by plain questions without their ids, so that these need not be read again."""
        self._ready = dns.ReadyAnswers(router.ours)
        self._cache = cache
        self._last_good = last_good
        self._monotonic = monotonic

    def reroute(self, router: Router) -> None:
        self._router = router
        self._groups_of = {}
        self._ready.swap(router.ours)

    def ask(self, group: str, servers: Sequence[Server]) -> None:
        """Ask these for the names of a group from now on; of those that stay it is remembered how they did."""
        before = {(one.host, one.port): one for one in self._groups.get(group, ())}
        self._groups[group] = [before.get((one.host, one.port), one) for one in servers]

    def forget(self, touched: Iterable[str]) -> None:
        """The records of these names of our own have changed."""
        self._ready.forget(touched)

    def answer(self, data: bytes, tcp: bool) -> sockets.Answer:
        group = self._groups_of.get(data[2:])
        if group is None:
            reply = self._ready.answer(data, udp=not tcp)
            if reply is not None:
                self.counts["own"] += 1
                return reply
        reply = self._cache.get(data, self._monotonic())
        if reply is not None:
            self.counts["cached"] += 1
            return reply
        if group is not None:
            return self._forward(group, data, True, tcp)
        try:
            query = dns.parse_query(data)
        except WireError:
            self.counts["malformed"] += 1
            return dns.failure(data, dns.FORMERR)
        if query.options and _BETWEEN_NEIGHBOURS.issuperset(query.options):
            return self.answer(dns.without_options(data, query), tcp)
        match self._router.route(query.name):
            case Forward(group):
                if query.plain:
                    if len(self._groups_of) >= _MOST_KNOWN:
                        self._groups_of = {}
                    self._groups_of[data[2:]] = group
                return self._forward(group, data, query.plain, tcp)
            case Copy(name, suffix):
                return self._copy(data, query, name, suffix, tcp)
            case Ours():  # only a message that is no question
                return None

    async def _forward(self, group: str, data: bytes, plain: bool, tcp: bool) -> bytes | None:
        self.counts[group] += 1
        known = plain and self._last_good.has(data, self._monotonic())
        timeout_s = min(self._timeout_s, _PATIENCE_S) if known else self._timeout_s
        reply = await sockets.ask_first(self._groups.get(group, ()), data, tcp=tcp, timeout_s=timeout_s)
        now = self._monotonic()
        if reply is None or dns.rcode_of(reply) in sockets.USELESS:
            old = self._last_good.get(data, now) if known else None
            self.counts["failed" if old is None else "stale"] += 1
            return old or reply or dns.failure(data, dns.SERVFAIL)
        if plain and not tcp:
            self._last_good.put(data, reply, now)
            if group != MESOS:
                self._cache.put(data, reply, now)
        return reply

    async def _copy(self, data: bytes, query: dns.Query, name: str, suffix: str, tcp: bool) -> bytes | None:
        """Ask Mesos-DNS for ``name`` and give its answer as if for the name asked."""
        try:
            asked = dns.name_bytes(name) + query.question[-4:]
            rest = data[12 + len(query.question) :] if query.plain else b""
            head = data[:12] if query.plain else data[:4] + b"\0\1\0\0\0\0\0\0"
            reply = await self._forward(MESOS, head + asked + rest, query.plain, tcp)
            limit = dns.MAX_TCP if tcp else min(query.udp_size, dns.MAX_UDP)
            if reply is None:
                return None
            longer = renamed(reply, query.question, name, suffix, limit)
            return dns_message.short_lived(longer, dns_message.layout(longer), TTL)
        except WireError:
            return dns.failure(data, dns.SERVFAIL)


def renamed(reply: bytes, question: bytes, name: str, suffix: str, limit: int) -> bytes:
    """A Mesos-DNS answer about ``name`` with ``suffix`` on every name below ``mesos``, and the question as it was asked.
    Errors: WireError."""
    asked, longer = dns.name_bytes(name), dns.name_bytes(suffix.lstrip("."))

    def rename(found: bytes) -> bytes:
        lower = found.lower()
        if lower == asked:
            return question[:-4]
        if not lower.endswith(_MESOS_NAME):
            return found
        if len(found) + len(longer) > 256:
            raise WireError("name", "longer than 255 bytes")
        return found[:-1] + longer

    return dns_message.exchanged(reply, question, rename, limit)
