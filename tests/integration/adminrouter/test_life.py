"""Start, trouble and end: keys that come late, services that come and go, leaders that change, nginx that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dcos.testing.cluster import eventually
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import AUTH, FrontDoor, World, announce_master

pytestmark = pytest.mark.integration


@pytest.fixture
def made(tmp_path: Path) -> Iterator[tuple[World, str, Path]]:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    with front_door.open_folder() as folder, front_door.cluster(tmp_path / "zk") as (world, zk):
        world.state.marathon_leader = "127.0.0.1:8080"
        yield world, zk, folder


def test_before_a_key_is_known_everything_protected_is_closed(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk)
    bouncer = world.ports["dcos-bouncer"]
    door.argv = [
        word.replace(f"dcos-bouncer=127.0.0.1:{bouncer}", f"dcos-bouncer=127.0.0.1:{free_port()}") for word in door.argv
    ]
    with front_door.opened(door):
        for path in ("/mesos/x", "/service/web/", "/acs/api/v1/users", "/metadata"):
            assert door.ask(path, headers=AUTH).status == 401
        assert door.ask("/acs/api/v1/auth/providers").status == 502
        assert door.ask("/").status == 200
    assert door.process is not None
    assert door.process.returncode == 0


def test_without_the_token_check_everything_is_open(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    with front_door.opened(FrontDoor(folder / "a", world, zk, "--no-activate_auth_module")) as door:
        door.wait("/mesos/x")
        assert door.ask("/metadata").status == 200
        assert "Authorization" not in door.ask("/mesos/x").seen["headers"]


def test_services_come_and_go_without_a_reload(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    # nobody asks Marathon again for a task that moved or is gone, but because of an event
    with front_door.opened(FrontDoor(folder / "a", world, zk, "--cache_poll_period=3600")) as door:
        eventually("the event stream is up", lambda: len(world.state.listeners) == 1, within_s=PATIENCE_S)
        pid = door.nginx_pid()
        eventually("unknown", lambda: door.ask("/service/new/", headers=AUTH).status == 404, within_s=PATIENCE_S)
        world.state.apps = [front_door.app("new", world.ports["app"])]
        world.event()
        door.wait("/service/new/", AUTH)
        world.state.apps = [front_door.app("new", world.ports["unbuffered"])]
        world.event()
        eventually(
            "the moved task is found",
            lambda: door.ask("/service/new/", headers=AUTH).seen["upstream"] == "unbuffered",
            within_s=PATIENCE_S,
        )
        world.state.apps = []
        world.event()
        eventually("it is gone", lambda: door.ask("/service/new/", headers=AUTH).status == 404, within_s=PATIENCE_S)
        assert door.nginx_pid() == pid


def test_another_master_leads(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    with front_door.opened(FrontDoor(folder / "a", world, zk)) as door:
        door.wait("/mesos/x", AUTH)
        _forget_masters(zk)
        eventually("nobody leads", lambda: door.ask("/mesos/x", headers=AUTH).status == 503, within_s=PATIENCE_S)
        announce_master(zk, world.ports["agent"])
        eventually(
            "the new one is used",
            lambda: (
                door.ask("/mesos/x", headers=AUTH).status == 200
                and door.ask("/mesos/x", headers=AUTH).seen["upstream"] == "agent"
            ),
            within_s=PATIENCE_S,
        )


def _forget_masters(zk: str) -> None:
    client = front_door.KazooClient(hosts=zk)
    client.start()
    for name in client.get_children("/mesos"):
        client.delete(f"/mesos/{name}")
    client.stop()
    client.close()


def test_marathon_leads_elsewhere(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    world.state.marathon_leader = "127.0.0.9:8080"
    router = world.ports["other-router"]
    with front_door.opened(FrontDoor(folder / "a", world, zk, "--node_ip=127.0.0.1")) as door:
        eventually("refused", lambda: door.ask("/marathon/v2/x", headers=AUTH).status == 502, within_s=PATIENCE_S)
        forwarded = door.ask("/marathon/v2/x", headers=AUTH | {"DCOS-Forwarded": "true"})
        assert (forwarded.status, b"Marathon leader is unknown" in forwarded.body) == (503, True)
    with front_door.opened(FrontDoor(folder / "b", world, zk, "--node_ip=127.0.0.5")) as door:
        world.state.marathon_leader = "127.0.0.1:8080"
        door.wait("/service/marathon/v2/x?y=z", AUTH)
        seen = door.ask("/service/marathon/v2/x?y=z", headers=AUTH).seen
        assert (seen["upstream"], seen["path"]) == ("other-router", "/service/marathon/v2/x?y=z")
        assert seen["headers"]["DCOS-Forwarded"] == "true"
        assert router


def _living(group: int) -> list[int]:
    """Processes of a group that have not ended."""
    found = []
    for process in psutil.process_iter(["status"]):
        with contextlib.suppress(ProcessLookupError):
            if process.info["status"] != psutil.STATUS_ZOMBIE and os.getpgid(process.pid) == group:
                found.append(process.pid)
    return found


def test_nginx_ends_and_the_process_with_it(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk)
    with front_door.opened(door):
        group = door.nginx_pid()
        os.kill(group, signal.SIGKILL)
        assert door.process is not None
        assert door.process.wait(PATIENCE_S) == 4
        eventually("no worker keeps the ports", lambda: not _living(group), within_s=PATIENCE_S)


def test_starts_again_after_all_of_it_was_killed_at_once(made: tuple[World, str, Path]) -> None:
    """As a supervisor does with the rest of a group: nobody is left to remove nginx's socket."""
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk)
    with front_door.opened(door):
        assert door.process is not None
        group = door.nginx_pid()
        os.kill(door.process.pid, signal.SIGSTOP)
        os.killpg(group, signal.SIGKILL)
        door.process.kill()
        door.process.wait(PATIENCE_S)
        assert list((folder / "a/run/dcos").glob("*/status.sock"))
    with front_door.opened(door):
        door.wait("/mesos/x", AUTH)


def test_a_killed_process_takes_nginx_along_and_can_start_again(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk)
    with front_door.opened(door):
        pid = door.nginx_pid()
        assert door.process is not None
        door.process.kill()
        door.process.wait(PATIENCE_S)
        eventually("nginx is gone", lambda: not Path(f"/proc/{pid}").exists(), within_s=PATIENCE_S)
    with front_door.opened(door):
        door.wait("/mesos/x", AUTH)


def test_a_bad_start_says_why(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk, f"--http_port={world.ports['app']}")
    with front_door.started(door):
        assert door.process is not None
        assert door.process.wait(60) == 4
    assert "Address already in use" in door.log.read_text(errors="replace")


def test_what_config_yaml_may_say(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    flags = ("--x_frame_options=ALLOW-FROM https://portal.example", "--oauth_client_id=the-client")
    flags = (*flags, "--oauth_auth_redirector=https://login.example/")
    with front_door.opened(FrontDoor(folder / "a", world, zk, *flags)) as door:
        assert door.ask("/").headers["X-Frame-Options"] == "ALLOW-FROM https://portal.example"
        for query, more in (("", ""), ("?redirect_uri=x", "&redirect_uri=x")):
            reply = door.ask(f"/login{query}")
            expected = f"https://login.example/login?client=the-client&cluster_id=the-id{more}"
            assert (reply.status, reply.headers["Location"]) == (302, expected)


def test_leader_routes_end_where_the_leader_is(made: tuple[World, str, Path]) -> None:
    """One that was sent on already is not sent on again, but served where the leader is."""
    world, zk, folder = made
    world.state.marathon_leader = "127.0.0.1:8080"
    sent_on = AUTH | {"DCOS-Forwarded": "true"}
    with front_door.opened(FrontDoor(folder / "a", world, zk, "--node_ip=127.0.0.1")) as door:
        for path in ("/system/v1/leader/mesos/x?a=b", "/system/v1/leader/marathon/x?a=b"):
            for headers in (AUTH, sent_on):
                seen = door.ask(path, headers=headers).seen
                assert (seen["upstream"], seen["path"]) == ("other-router", "/system/v1/x?a=b")
                assert "DCOS-Forwarded" not in seen["headers"]
    with front_door.opened(FrontDoor(folder / "b", world, zk, "--node_ip=127.0.0.5")) as door:
        for path in ("/system/v1/leader/mesos/x", "/system/v1/leader/marathon/x"):
            assert door.ask(path, headers=AUTH).seen["headers"]["DCOS-Forwarded"] == "true"
            assert door.ask(path, headers=sent_on).status == 503


def test_the_next_leader_is_waited_for(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    with front_door.opened(FrontDoor(folder / "a", world, zk)) as door:
        door.wait("/mesos/x", AUTH)
        _forget_masters(zk)
        announcing = threading.Timer(1.0, announce_master, (zk, world.ports["agent"]))
        announcing.start()
        try:
            eventually(
                "the old one is forgotten",
                lambda: _upstream(door, "/mesos/x") != "master",
                within_s=60,
            )
            assert _upstream(door, "/mesos/y") == "agent"
        finally:
            announcing.join()


def _upstream(door: FrontDoor, path: str) -> str:
    reply = door.ask(path, headers=AUTH)
    assert reply.status == 200, reply.body
    return str(reply.seen["upstream"])


def test_an_agents_router_needs_no_token(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk, role="agent")
    with front_door.opened(door):
        assert door.ask("/").status == 404
        for path in (
            "/system/health/v1",
            "/system/v1/logs/v2/component",
            "/system/checks/v1/node",
            "/system/v1/metrics/v0/node",
        ):
            assert door.ask(path).status == 503
        assert b"nginx_up 1" in door.ask("/nginx/metrics").body
        for path in ("/mesos/x", "/service/web/", "/acs/api/v1/auth/login", "/metadata"):
            assert door.ask(path, headers=AUTH).status == 404
        absent = door.ask("/pkgpanda/active")
        assert absent.body == b"503 Service Unavailable: dcos-pkgpanda-api is not running on this node\n"
        assert absent.headers["Content-Type"] == "text/plain; charset=utf-8"
        world.listen_below(folder / "a/run/dcos")
        for path, upstream, arrives in (
            ("/pkgpanda/active?x=1", "pkgpanda-api", "/active?x=1"),
            ("/system/checks/v1/node", "dcos-checks-api", "/system/checks/v1/node"),
            ("/system/health/v1/units", "dcos-diagnostics", "/system/health/v1/units"),
            ("/system/v1/logs/v2/task/x", "dcos-log", "/v2/task/x"),
            ("/system/v1/metrics/v0/node", "telegraf-dcos-metrics", "/v0/node"),
        ):
            seen = door.ask(path, headers=AUTH).seen
            assert (seen["upstream"], seen["path"]) == (upstream, arrives)
            assert ("Authorization" in seen["headers"]) == ("checks" not in path)
        moved = door.ask("/pkgpanda/redirect?to=http://cluster.test/x")
        assert (moved.status, moved.headers["Location"]) == (302, "/pkgpanda/x")


def test_an_agents_router_is_nginx_and_nothing_else(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk, role="agent")
    with front_door.opened(door):
        assert door.process is not None
        assert door.nginx_pid() == door.process.pid
        assert Path(f"/proc/{door.process.pid}/comm").read_text() == "nginx\n"
        assert door.stop() == 0
    with front_door.opened(door):
        assert b'nginx_connections{state="active"} ' in door.ask("/nginx/metrics").body


def test_an_agents_router_says_who_has_its_port(made: tuple[World, str, Path]) -> None:
    world, zk, folder = made
    door = FrontDoor(folder / "a", world, zk, f"--http_port={world.ports['app']}", role="agent")
    with front_door.started(door):
        assert door.process is not None
        assert door.process.wait(60) == 4
    assert "Address already in use" in door.log.read_text(errors="replace")
