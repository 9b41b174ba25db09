"""Asks agents for echoes (ICMP) and tells when the set of silent ones changes.

Source: RFC 792 echo; ping(8). IPv4: agents' addresses are.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Collection

from dcos.net.core.liveness import Liveness
from dcos.runtime.log import get_logger

_TICK_S = 0.1
_MOST_READ = 1024
_ROOM = 4 << 20
"""Bytes of answers that the kernel may keep for us."""
_ECHO, _REPLY = 8, 0
_SOL_RAW, _ICMP_FILTER = 255, 1
_SO_RCVBUFFORCE = 33
_HEADER = struct.Struct("!BBHHH")


class Probes:
    """One socket. ``clock``: monotonic seconds.   Errors (of the making): OSError without the right to it (CAP_NET_RAW)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
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
        self._log = get_logger("liveness")

    def watch(self, ips: Collection[str]) -> None:
        self._liveness.watch([ip for ip in ips if ":" not in ip], self._clock())

    async def changes(self) -> AsyncIterator[frozenset[str]]:
        """Silent agents, at each change, for ever."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._socket, self._read)
        before: frozenset[str] = frozenset()
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                self._read()  # this process may have been late: what has come in meanwhile counts
                for ip in self._liveness.due(self._clock()):
                    self._ask(ip)
                now = self._liveness.silent(self._clock())
                if now != before:
                    self._log.warning("silent_agents", now=len(now), new=" ".join(sorted(now - before)[:10]))
                    before = now
                    yield now
        finally:
            loop.remove_reader(self._socket)
            self._socket.close()

    def _ask(self, ip: str) -> None:
        try:
            self._socket.sendto(self._packet, (ip, 0))
        except OSError:
            return  # no route, or no room: it counts as not answered

    def _read(self) -> None:
        for _ in range(_MOST_READ):
            try:
                packet, (ip, _) = self._socket.recvfrom(256)
            except OSError:
                return
            body = packet[(packet[0] & 15) * 4 :]
            if len(body) >= 16 and body[0] == _REPLY and body[4:6] + body[8:16] == self._ours:
                self._liveness.answer(ip)


def checksum(data: bytes) -> int:
    """The internet's (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
