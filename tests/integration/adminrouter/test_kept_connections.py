"""Connections to services are kept where nginx can, for requests that change nothing."""

from __future__ import annotations

import time

import pytest

from dcos.adminrouter import prepare
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import AUTH, FrontDoor

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
_WORKERS = 2
with_lua = pytest.mark.skipif(
    not all(path.exists() for path in prepare._LUA_NEEDS), reason="nginx has no module for Lua (libnginx-mod-http-lua)"
)


def _connections(door: FrontDoor, method: str, count: int = 8) -> set[int]:
    """By which connections the app was asked."""
    body = b"x" if method in ("POST", "PUT", "PATCH") else None
    replies = [door.ask("/service/web/x", method=method, headers=AUTH, body=body) for _ in range(count)]
    assert {reply.status for reply in replies} == {200}
    return {int(reply.seen["connection"]) for reply in replies}


@with_lua
def test_requests_that_change_nothing_share_connections(door: FrontDoor) -> None:
    assert len(_connections(door, "GET")) <= _WORKERS


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_all_others_have_one_each(door: FrontDoor, method: str) -> None:
    """A kept connection can end at any moment: such a request would be lost, or sent twice."""
    assert len(_connections(door, method)) == 8


@with_lua
def test_a_connection_that_the_service_ends_costs_no_request(door: FrontDoor) -> None:
    for _ in range(8):
        assert door.ask("/service/web/once", headers=AUTH).status == 200
        time.sleep(0.19)  # about when the service ends it: before, at, or after the next request


@with_lua
def test_every_address_has_its_own(door: FrontDoor) -> None:
    """Services are never mixed up, whatever connections are kept."""
    for _ in range(8):
        for name, upstream in (("web", "app"), ("big", "unbuffered"), ("spark", "app")):
            assert door.ask(f"/service/{name}/x", headers=AUTH).seen["upstream"] == upstream


def test_nothing_is_kept_where_that_is_not_wanted(cluster: tuple[front_door.World, str]) -> None:
    world, zk = cluster
    with front_door.open_folder() as folder:
        made = FrontDoor(folder / "a", world, zk, "--no-keep_connections")
        with front_door.opened(made) as door:
            door.wait("/service/web/", AUTH)
            assert len(_connections(door, "GET")) == 8
            assert "lua" not in (folder / "a/run/dcos/dcos-adminrouter/nginx.conf").read_text()
