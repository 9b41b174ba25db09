"""How long a change of permissions takes to hold: ``python -m bench.permissions [rounds]``.

Real ZooKeeper, bouncer, Admin Router, Marathon, Metronome, catalog, secret store, Mesos master and agent on loopback, as plain
processes. Each round gives one account a right at each of them at once, and takes it away again; each is asked over and over by
that account until its answer is another. Seconds are from the answer to the change until then (a look takes some milliseconds).
Aim: 5 s everywhere.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from dcos.testing.cluster import http
from dcos.testing.identity import GuardedCluster, guarded, why_not

AIM_S = 5.0
UID, PASSWORD = "bob", "for the bench"
_PAUSE_S = 0.01
_MOST_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a right counts: what is asked there is refused with 403 without it."""

    name: str
    rid: str
    action: str
    url: str


def places(cluster: GuardedCluster) -> tuple[Place, ...]:
    door = f"http://127.0.0.1:{cluster.port('router')}"

    def port(number: int, path: str) -> str:
        return f"http://127.0.0.1:{number}{path}"

    return (
        Place("Admin Router", "dcos:adminrouter:ops:networking", "full", f"{door}/net/v1/version"),
        Place(
            "Marathon",
            "dcos:service:marathon:marathon:services:/bench",
            "read",
            port(cluster.port("marathon"), "/v2/apps//bench/app"),
        ),
        Place(
            "Metronome",
            "dcos:service:metronome:metronome:jobs:bench",
            "read",
            port(cluster.port("metronome"), "/v1/jobs/bench"),
        ),
        Place("the catalog", "dcos:adminrouter:package", "full", port(cluster.port("cosmos"), "/package/list")),
        Place("the secret store", "dcos:secrets:default:/bench", "read", f"{door}/secrets/v1/secret/default/bench"),
        Place("Mesos master", "dcos:mesos:master:flags", "read", port(cluster.master_port, "/flags")),
        Place("Mesos agent", "dcos:mesos:agent:flags", "read", port(cluster.agent_port, "/flags")),
    )


@contextmanager
def running() -> Iterator[GuardedCluster]:
    with guarded("permissions-bench") as made:
        made.start_identity("--security=permissive")
        made.start_guarded_mesos()
        zk, bouncer = made.zookeeper.url, f"--bouncer=http://127.0.0.1:{made.port('bouncer')}"
        for name in ("marathon", "metronome"):
            made.add(
                name, f"dcos.{name}", f"--master={zk}/mesos", f"--zk={zk}/{name}", "--http_address=127.0.0.1",
                "--hostname=127.0.0.1", f"--http_port={made.port(name)}", "--security=permissive", bouncer,
            )  # fmt: skip
        made.start_catalog()
        assert made.through("PUT", f"/acs/api/v1/users/{UID}", {"password": PASSWORD}).status == 201
        made.log_in(UID, PASSWORD)
        made.eventually("an agent", lambda: '"slaves":[{' in made.through("GET", "/mesos/slaves").text)
        for place in places(made):
            made.eventually(f"{place.name} refuses", lambda place=place: status(made, place) == 403)
            escaped = place.rid.replace("/", "%252F")
            assert made.through("PUT", f"/acs/api/v1/acls/{escaped}", {"description": ""}).status in (201, 409)
        yield made


def status(cluster: GuardedCluster, place: Place) -> int:
    return http(place.url, token=cluster.tokens[UID]).status


def change(cluster: GuardedCluster, place: Place, *, give: bool) -> float:
    """Seconds until it holds."""
    escaped = place.rid.replace("/", "%252F")
    path = f"/acs/api/v1/acls/{escaped}/users/{UID}/{place.action}"
    answer = cluster.through("PUT" if give else "DELETE", path)
    assert answer.status == 204, answer
    begun = time.monotonic()
    while (status(cluster, place) == 403) == give:
        if time.monotonic() - begun > _MOST_S:
            raise SystemExit(f"{place.name}: nothing changed within {_MOST_S:g} s")
        time.sleep(_PAUSE_S)
    return time.monotonic() - begun


def main() -> None:
    if (why := why_not()) is not None:
        raise SystemExit(why)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    with running() as cluster, ThreadPoolExecutor(16) as pool:
        all_places = places(cluster)
        took: dict[tuple[str, bool], list[float]] = {
            (one.name, give): [] for one in all_places for give in (True, False)
        }
        everywhere: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(rounds):
            for give in (True, False):
                found = list(pool.map(lambda place, give=give: change(cluster, place, give=give), all_places))
                for place, seconds in zip(all_places, found, strict=True):
                    took[place.name, give].append(seconds)
                everywhere[give].append(max(found))
    print(f"{'':18}  given: median   most   taken: median   most   (s)")
    for place in all_places:
        figures = [
            f"{statistics.median(took[place.name, give]):14.2f} {max(took[place.name, give]):6.2f}"
            for give in (True, False)
        ]
        print(f"{place.name:18}{figures[0]}  {figures[1]}")
    figures = [f"{statistics.median(everywhere[give]):14.2f} {max(everywhere[give]):6.2f}" for give in (True, False)]
    print(f"{'everywhere':18}{figures[0]}  {figures[1]}   aim {AIM_S:g}")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
