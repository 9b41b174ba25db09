"""What dcos-net's replicated store would say: ``/lashup/kv/<key parts>``, in the form of its values.

There is no such store here: the masters and the zones, which tools looked up in it, are told as they are known; every other key
has no value. Read only.
Source: 5.5 of the cluster facts; dcos-net's handler of this path and the names of its keys.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dcos.model.zone import Zone

_ZONES = (("navstar", "dns", "zones"), ("navstar", "dns", "zones2"))
_SET = "riak_dt_orswot"
_A, _NS, _SOA, _AAAA = 1, 2, 6, 28


def value(key: Sequence[str], zones: Iterable[Zone], masters: Iterable[str]) -> Any:
    """Of a key, by its parts; an empty list: it has none."""
    parts = tuple(key)
    if parts == ("masters",):
        return _set("masters", ({"type": "atom", "value": f"dcos-net@{ip}"} for ip in masters))
    if parts[:-1] in _ZONES:
        for zone in zones:
            if parts[-1] in zone.apexes:
                return _set("records", ({"type": "tuple", "value": one} for one in _records(zone, parts[-1])))
    return []


def _set(name: str, members: Iterable[dict[str, str]]) -> dict[str, Any]:
    return {name: {"type": _SET, "value": list(members)}}


def _records(zone: Zone, apex: str) -> Iterator[str]:
    """Those of one of the zone's apexes, as Erlang writes them."""
    soa = zone.soa
    numbers = f"{soa.serial},{soa.refresh},{soa.retry},{soa.expire},{soa.minimum}"
    yield _record(apex, _NS, zone.apex_ttl, f"{{dns_rrdata_ns,{_text(soa.mname)}}}")
    yield _record(apex, _SOA, zone.apex_ttl, f"{{dns_rrdata_soa,{_text(soa.mname)},{_text(soa.rname)},{numbers}}}")
    for table, rtype, kind in ((zone.a, _A, "a"), (zone.aaaa, _AAAA, "aaaa")):
        for name in sorted(table):
            if zone.apex_of(name) == apex:
                for ip in table[name]:
                    yield _record(name, rtype, zone.ttl, f"{{dns_rrdata_{kind},{_address(ip)}}}")


def _record(name: str, rtype: int, ttl: int, data: str) -> str:
    return f"{{dns_rr,{_text(name)},1,{rtype},{ttl},{data}}}"


def _text(name: str) -> str:
    return f'<<"{name}">>'


def _address(text: str) -> str:
    """Bytes of an IPv4 address, pairs of bytes of an IPv6 address."""
    packed = ipaddress.ip_address(text).packed
    size = 1 if len(packed) == 4 else 2
    return "{" + ",".join(str(int.from_bytes(packed[at : at + size])) for at in range(0, len(packed), size)) + "}"
