"""ZooKeeper's dynamic configuration: who is in the ensemble, as it writes it into files and into ``/zookeeper/config``.

``server.1=10.0.0.1:2888:3888:participant`` a line, and ``version=100000003``, the zxid of the change that made it, in hex. Client
ports are left out: each server has its own in zoo.cfg, with TLS or without, which these lines could not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dcos.exhibitor.core.ensemble import Ensemble, Member

_SERVER = re.compile(r"server\.(\d+)=(\[[^\]]+\]|[^:]+):\d+:\d+(?::(participant|observer))?(?:;.*)?")


@dataclass(frozen=True, slots=True)
class Known:
    """A configuration. ``version`` 0: it was given at the start, not agreed on."""

    ensemble: Ensemble
    version: int


def parse(text: str) -> Known | None:
    """None where no server is named. Lines of other kinds are passed over: it may be a whole zoo.cfg."""
    members, version = [], 0
    for line in (line.strip() for line in text.splitlines()):
        if match := _SERVER.fullmatch(line):
            members.append(Member(int(match[1]), match[2].strip("[]"), observer=match[3] == "observer"))
        elif line.startswith("version="):
            version = int(line.removeprefix("version="), 16)
    if not members:
        return None
    return Known(Ensemble(tuple(sorted(members, key=lambda member: member.id))), version)


def lines(ensemble: Ensemble, connect_port: int, election_port: int) -> tuple[str, ...]:
    return tuple(
        f"server.{one.id}={bracketed(one.host)}:{connect_port}:{election_port}"
        f":{'observer' if one.observer else 'participant'}"
        for one in ensemble.members
    )


def file_for(known: Known, own: Member, connect_port: int, election_port: int) -> tuple[int, str]:
    """(version, which ZooKeeper wants in the file's name; text) of the file that a server starts with.

    One that is not in the configuration follows without a vote, until it is added: version 0, as nobody agreed on that.
    """
    listed = known.ensemble.member(own.host) is not None
    ensemble = known.ensemble if listed else with_follower(known.ensemble, own)
    return known.version if listed else 0, "\n".join(lines(ensemble, connect_port, election_port)) + "\n"


def with_follower(ensemble: Ensemble, own: Member) -> Ensemble:
    follower = Member(own.id, own.host, observer=True)
    return Ensemble(tuple(sorted((*ensemble.members, follower), key=lambda one: one.id)))


def bracketed(host: str) -> str:
    """As it stands before ``:port``."""
    return f"[{host}]" if ":" in host else host
