"""Asks agents for echoes (ICMP) and tells when the set of silent ones changes.

Many questions and answers a system call.

Source: RFC 792 echo; ping(8). IPv4: agents' addresses are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Collection

from dcos.net.core.liveness import EVERY_S, MOST_A_SECOND, MOST_AT_ONCE, NEAR, Liveness
from dcos.net.core.ring import next_ones
from dcos.runtime.datagrams import Batch, Spray
from dcos.runtime.log import get_logger

_TICK_S = 0.1
_MOST_READ = 256
"""Packets a system call."""
_LARGEST = 128
"""Bytes that are read of one: options included, more than ours has."""
_ROOM = 4 << 20
"""Bytes of answers that the kernel may keep for us."""
_ECHO, _REPLY = 8, 0
_SOL_RAW, _ICMP_FILTER = 255, 1
_SO_RCVBUFFORCE = 33
_HEADER = struct.Struct("!BBHHH")


class Probes:
    """One socket. ``clock``: monotonic seconds; ``own``: this node's address, from which follows whom it watches closely.

    Errors (of the making): OSError without the right to it (CAP_NET_RAW).
    """

    def __init__(self, clock: Callable[[], float], own: str) -> None:
        self._clock = clock
        self._own = own
        self._liveness = Liveness()
        self._mark = int.from_bytes(os.urandom(2), "big")
        self._payload = os.urandom(8)
        self._ours = self._mark.to_bytes(2, "big") + self._payload
        """Nobody else's answers are taken for ours."""
        head = _HEADER.pack(_ECHO, 0, 0, self._mark, 0)
        self._packet = _HEADER.pack(_ECHO, 0, checksum(head + self._payload), self._mark, 0) + self._payload
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
        # echo replies only: bit n keeps type n out (linux/icmp.h)
        self._socket.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << _REPLY) & 0xFFFFFFFF))
        with contextlib.suppress(OSError):  # more than anybody may have, with CAP_NET_ADMIN
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._answers = Batch(self._socket, _MOST_READ, _LARGEST, 0)
        self._questions = Spray(self._socket, self._packet, MOST_AT_ONCE)
        self._names: dict[str, bytes] = {}
        """Watched addresses as the kernel wants them."""
        self._log = get_logger("liveness")

    def watch(self, ips: Collection[str]) -> None:
        self._names = {ip: Spray.name(ip) for ip in ips if ":" not in ip and ip != self._own}
        few = len(self._names) <= MOST_A_SECOND * EVERY_S
        near = None if few else next_ones(self._own, self._names, NEAR)
        self._liveness.watch(self._names, self._clock(), near)

    def suspect(self, ips: Collection[str]) -> None:
        """Others say that these are silent: ask them."""
        self._liveness.suspect(ips, self._clock())

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Silent agents, at each change, for ever."""
        before: frozenset[str] = frozenset()
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                self._read()  # this process may have been late: what has come in meanwhile counts
                asked = self._liveness.due(self._clock())
                if asked:
                    self._questions.send([self._names[ip] for ip in asked])
                now = self._liveness.silent(self._clock())
                if now != before:
                    self._log.warning("silent_agents", now=len(now), new=" ".join(sorted(now - before)[:10]))
                    before = now
                    yield now
        finally:
            self._socket.close()

    def _read(self) -> None:
        """What has come since the last look: nobody has to know sooner."""
        while True:
            packets = self._answers.receive()
            for packet in packets:
                body = packet[(packet[0] & 15) * 4 :]
                if body[4:6] + body[8:16] == self._ours and body[0] == _REPLY:
                    self._liveness.answer("%d.%d.%d.%d" % tuple(packet[12:16]))  # noqa: UP031 (twice as fast)
            if len(packets) < _MOST_READ:
                return


def checksum(data: bytes) -> int:
    """The internet's (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
