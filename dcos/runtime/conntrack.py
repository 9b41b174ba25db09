"""Let the kernel forget connections that were turned to an address which is no longer there.

The kernel decides once for each connection where it goes. A datagram "connection" lasts as long as somebody sends, and an
opening one as long as a client tries: both would go to a dead address for ever, where a new decision helps at once. One that was
reset, because who served it died, is remembered for ten seconds, and whoever comes from its port meanwhile is sent to the dead.
Established TCP connections are never touched.

Source: ctnetlink (linux/netfilter/nfnetlink_conntrack.h), RFC 9293 states as the kernel numbers them.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Collection, Iterator
from typing import NamedTuple

from dcos.runtime import netns
from dcos.wire.netlink import NESTED, attribute, attributes

_NETFILTER = 12
_CTNETLINK = 1 << 8
_NEW, _GET, _DELETE = _CTNETLINK | 0, _CTNETLINK | 1, _CTNETLINK | 2
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHIIBBH")

_TUPLE_ORIG, _TUPLE_REPLY, _PROTOINFO, _ZONE = 1, 2, 4, 18
_TUPLE_IP, _TUPLE_PROTO = 1, 2
_SOURCE = {4: 1, 6: 3}
_DESTINATION = {4: 2, 6: 4}
_PROTO_NUMBER, _PROTO_SOURCE, _PROTO_DESTINATION = 1, 2, 3
_PROTOINFO_TCP, _TCP_STATE = 1, 1
_FORGOTTEN = frozenset({1, 8, 9})
"""SYN_SENT, CLOSE and SYN_SENT2: not open yet, or reset."""
_PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
_TIMEOUT_S = 5.0
_FEW = 16


class Turned(NamedTuple):
    """Connections to ``ip:port`` that go to ``target:target_port`` instead (the same: nowhere). ``protocol``: tcp or udp."""

    protocol: str
    ip: str
    port: int
    target: str
    target_port: int


def forget(wanted: Collection[Turned], inside: str = "") -> int:
    """Datagrams of ``wanted`` and TCP connections of it that nobody answered yet, or that were reset; how many there were.

    ``inside``: path of another network namespace.   Errors: OSError.
    """
    count = 0
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        mine = {_key(one) for one in wanted if (":" in one.ip) == (version == 6)}
        if mine:
            count += _forget(family, version, mine, inside)
    return count


_Key = tuple[int, bytes, int, bytes, int]


def _key(one: Turned) -> _Key:
    protocol = _PROTOCOLS[one.protocol]
    ip, target = (ipaddress.ip_address(each).packed for each in (one.ip, one.target))
    return protocol, ip, one.port, target, one.target_port


def _forget(family: int, version: int, wanted: set[_Key], inside: str) -> int:
    where = (socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
    with netns.socket_at(inside, *where) if inside else socket.socket(*where) as sock:
        sock.settimeout(_TIMEOUT_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        _send(sock, _GET, _REQUEST | _DUMP, family, b"")
        targets = {one[3] for one in wanted}
        few = len(targets) < _FEW  # then most entries need not be read
        found = [
            raw
            for raw in _answers(sock)
            if not (few and not any(one in raw for one in targets)) and _parse(raw, version) in wanted
        ]
        for number, raw in enumerate(found, 1):
            own = {kind: value for kind, value in attributes(raw) if kind in (_TUPLE_ORIG, _ZONE)}
            body = attribute(_TUPLE_ORIG | NESTED, own[_TUPLE_ORIG])
            if _ZONE in own:
                body += attribute(_ZONE, own[_ZONE])
            _send(sock, _DELETE, _REQUEST | _ACK, family, body, number)
            list(_answers(sock))
    return len(found)


def _parse(raw: bytes, version: int) -> _Key | None:
    """Where an entry's connection goes; None if it has to stay."""
    entry = dict(attributes(raw))
    if _TUPLE_ORIG not in entry or _TUPLE_REPLY not in entry:
        return None
    to = _end(entry[_TUPLE_ORIG], version, _DESTINATION, _PROTO_DESTINATION)
    answer = _end(entry[_TUPLE_REPLY], version, _SOURCE, _PROTO_SOURCE)
    if to is None or answer is None:
        return None
    if to[0] == socket.IPPROTO_TCP and _tcp_state(entry.get(_PROTOINFO, b"")) not in _FORGOTTEN:
        return None
    return (*to, *answer[1:])


def _end(raw: bytes, version: int, side: dict[int, int], port: int) -> tuple[int, bytes, int] | None:
    """Protocol, address and port of one side of a tuple."""
    parts = dict(attributes(raw))
    address = dict(attributes(parts.get(_TUPLE_IP, b""))).get(side[version])
    protocol = dict(attributes(parts.get(_TUPLE_PROTO, b"")))
    if address is None or port not in protocol or _PROTO_NUMBER not in protocol:
        return None
    return protocol[_PROTO_NUMBER][0], address, int.from_bytes(protocol[port], "big")


def _tcp_state(raw: bytes) -> int | None:
    tcp = dict(attributes(raw)).get(_PROTOINFO_TCP, b"")
    state = dict(attributes(tcp)).get(_TCP_STATE)
    return state[0] if state else None


def _send(sock: socket.socket, kind: int, flags: int, family: int, body: bytes, number: int = 0) -> None:
    sock.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0, family, 0, 0) + body)


def _answers(sock: socket.socket) -> Iterator[bytes]:
    """Bodies of the entries told, until the end of the answer; that an entry is gone already does not matter."""
    while True:
        data, at = sock.recv(1 << 18), 0
        while at + 16 <= len(data):
            length, kind = struct.unpack_from("=IH", data, at)
            if kind == _NEW:
                yield data[at + _HEADER.size : at + length]
            elif kind == _ERROR:
                code = -struct.unpack_from("=i", data, at + 16)[0]
                if code not in (0, 2):  # ENOENT
                    raise OSError(code, "conntrack")
                return
            elif kind == _DONE:
                return
            at += max(16, (length + 3) & ~3)
