"""Several masters: whichever front door is asked, the answer is the same, and the token is checked at each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dcos.testing.cluster import eventually
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import AUTH, BAD_TOKEN, FrontDoor, World
from tests.integration.adminrouter.test_routes import PROTECTED

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
_ON_SOCKETS = (
    "/pkgpanda/", "/system/checks", "/system/v1/logs", "/system/v1/metrics", "/dcos-history-service", "/dcos-ui-update-service"
)  # fmt: skip
ROUTES = [row for row in PROTECTED if not row[0].startswith(_ON_SOCKETS) and "/leader/" not in row[0]]


@dataclass
class Masters:
    world: World
    leading: FrontDoor
    """Marathon leads on its node."""
    other: FrontDoor


@pytest.fixture(scope="module")
def masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Masters]:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    with front_door.open_folder() as folder, front_door.cluster(tmp_path_factory.mktemp("zk")) as (world, zk):
        world.furnish()
        leading = FrontDoor(folder / "a", world, zk, "--node_ip=127.0.0.1")
        other = FrontDoor(folder / "b", world, zk, "--node_ip=127.0.0.7", f"--leader_router_port={leading.port}")
        with front_door.opened(leading), front_door.opened(other):
            for door in (leading, other):
                for path in ("/mesos/state?x", "/service/web/", "/marathon/v2/info"):
                    door.wait(path, AUTH)
            yield Masters(world, leading, other)


@pytest.mark.parametrize(("path", "upstream", "arrives"), ROUTES, ids=[row[0] for row in ROUTES])
def test_every_master_serves_everything(masters: Masters, path: str, upstream: str, arrives: str) -> None:
    for door in (masters.leading, masters.other):
        reply = door.ask(path, headers=AUTH)
        assert (reply.status, reply.seen["upstream"], reply.seen["path"]) == (200, upstream, arrives)
        assert door.ask(path).status == 401
        assert door.ask(path, headers={"Authorization": f"token={BAD_TOKEN}"}).status == 401


def test_what_leads_elsewhere_is_reached_through_its_own_front_door(masters: Masters) -> None:
    seen = masters.other.ask("/marathon/v2/apps?a=b", headers=AUTH | {"X-Forwarded-For": "203.0.113.9"}).seen
    assert (seen["upstream"], seen["path"]) == ("dcos-marathon", "/v2/apps?a=b")
    assert seen["headers"]["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1, 127.0.0.1"
    assert seen["headers"]["Authorization"] == AUTH["Authorization"]
    cookie = {"Cookie": f"a=1; dcos-acs-auth-cookie={front_door.TOKEN}; b=2"}
    headers = masters.other.ask("/marathon/v2/apps", headers=cookie).seen["headers"]
    assert (headers["Cookie"], headers["Authorization"]) == ("a=1; b=2", AUTH["Authorization"])


def test_a_body_passes_through_both(masters: Masters) -> None:
    body = b"x" * 300_000
    reply = masters.other.ask("/marathon/v2/apps", method="POST", headers=AUTH, body=body)
    assert (reply.status, reply.seen["length"]) == (200, len(body))


def test_when_nobody_leads_both_say_so_and_the_rest_goes_on(masters: Masters) -> None:
    masters.world.state.marathon_leader = None
    try:
        for door in (masters.leading, masters.other):
            eventually(
                "nobody leads",
                lambda door=door: door.ask("/marathon/v2/info", headers=AUTH).status == 503,
                within_s=60,
            )
            assert door.ask("/service/web/", headers=AUTH).status == 200
    finally:
        masters.world.state.marathon_leader = "127.0.0.1:8080"
    for door in (masters.leading, masters.other):
        door.wait("/marathon/v2/info", AUTH)


def test_one_that_goes_is_no_matter_for_the_other(masters: Masters) -> None:
    masters.leading.stop()
    try:
        for path in ("/service/web/", "/mesos/state", "/package/x", "/metadata"):
            assert masters.other.ask(path, headers=AUTH).status == 200
    finally:
        masters.leading.start()
        masters.leading.wait("/service/web/", AUTH)
    masters.other.wait("/marathon/v2/info", AUTH)
