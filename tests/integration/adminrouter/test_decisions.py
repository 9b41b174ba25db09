"""The decision service beside nginx: remembered, taken back, away, silent, started again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from dcos.adminrouter.core.memory import file_of
from dcos.adminrouter.recall import take_back
from dcos.testing.cluster import eventually
from dcos.wire import jwt
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import AUTH, FrontDoor

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("zk")
    with front_door.open_folder() as opened, front_door.cluster(folder) as (world, zk):
        world.state.marathon_leader = "127.0.0.1:8080"
        world.state.apps = [front_door.app("web", world.ports["app"])]
        with front_door.opened(FrontDoor(opened / "a", world, zk)) as door:
            door.wait("/service/web/", AUTH)
            door.wait("/mesos/x", AUTH)
            yield door


@pytest.fixture
def door(made: FrontDoor) -> FrontDoor:
    made.wait("/service/web/", AUTH)
    return made


def decider(door: FrontDoor) -> psutil.Process:
    assert door.process is not None
    found = [
        one for one in psutil.Process(door.process.pid).children() if "dcos.adminrouter.decisions" in one.cmdline()
    ]
    assert len(found) == 1
    return found[0]


def decisions(door: FrontDoor) -> int:
    found = re.search(rb"^adminrouter_decisions_total (\d+)$", door.ask("/nginx/metrics").body, re.M)
    assert found is not None
    return int(found[1])


def new_token() -> dict[str, str]:
    return {"Authorization": f"token={jwt.sign(f'ann-{time.monotonic_ns()}', None, front_door.KEY)}"}


def test_nginx_remembers_and_asks_again_for_what_is_taken_back(door: FrontDoor) -> None:
    memory = door.folder / "run/dcos/dcos-adminrouter/decisions"
    file = file_of(memory, AUTH["Authorization"], "", "service/first/web")
    # on a slow machine it may be over between two requests: then once more
    for _ in range(20):
        door.ask("/service/web/x", headers=AUTH)
        before = decisions(door)
        door.ask("/service/web/x", headers=AUTH)
        remembered = decisions(door) == before
        assert take_back(file)
        door.ask("/service/web/x", headers=AUTH)
        if remembered and decisions(door) == before + 1:
            return
    pytest.fail("nginx does not remember, or not in the file that is taken back")


def test_every_subject_has_the_file_that_is_noted(door: FrontDoor) -> None:
    memory = door.folder / "run/dcos/dcos-adminrouter/decisions"
    cookie = {"Cookie": f"dcos-acs-auth-cookie={front_door.TOKEN}"}
    for method, path, headers, forwarded, asked in (
        ("GET", "/mesos/y", AUTH, "", "dcos:adminrouter:ops:mesos/mesos"),
        ("POST", "/mesos/y", AUTH, "", "dcos:adminrouter:ops:mesos/mesos"),
        ("GET", "/mesos/y", AUTH | {"DCOS-Forwarded": "yes"}, "true", "dcos:adminrouter:ops:mesos/mesos"),
        ("GET", "/agent/agent-1/x", cookie, "", "dcos:adminrouter:ops:slave/agent/agent-1"),
        ("GET", "/service/web/a/b", AUTH, "", "service/first/web"),
        ("GET", "/service/%20%C3%BC/%FFa", AUTH, "", "service/service/ ü/\udcffa"),
    ):
        assert door.ask(path, method=method, headers=headers).status in (200, 404)
        file = file_of(memory, AUTH["Authorization"], forwarded, asked)
        assert file.exists(), path


def test_a_moved_task_is_found_without_a_reload(door: FrontDoor) -> None:
    world, pid = door.world, door.nginx_pid()
    workers = {one.pid for one in psutil.Process(pid).children()}
    eventually("the event stream is up", lambda: len(world.state.listeners) >= 1, within_s=60)
    try:
        for _ in range(3):
            for place in ("unbuffered", "app"):
                world.state.apps = [front_door.app("web", world.ports[place])]
                world.event()
                eventually(
                    f"it is found at {place}",
                    lambda place=place: door.ask("/service/web/", headers=AUTH).seen["upstream"] == place,
                    within_s=60,
                    every_s=0.05,
                )
    finally:
        world.state.apps = [front_door.app("web", world.ports["app"])]
        world.event()
    assert {one.pid for one in psutil.Process(pid).children()} == workers


def test_nothing_is_lost_when_it_is_killed(door: FrontDoor) -> None:
    """Neither of who is known nor of who comes anew meanwhile."""
    statuses: list[object] = []
    counts = {False: 0, True: 0}
    done = threading.Event()

    def ask(fresh: bool) -> None:
        while not done.is_set():
            reply = door.ask("/service/web/", headers=new_token() if fresh else AUTH)
            statuses.append(200 if reply.status == 200 else (reply.status, reply.body))
            counts[fresh] += 1

    askers = [threading.Thread(target=ask, args=(fresh,)) for fresh in (False, True)]
    for one in askers:
        one.start()
    try:
        for _ in range(3):
            old = decider(door)
            old.kill()
            eventually("another one", lambda old=old: _is_another(door, old), within_s=60)
            before = dict(counts)
            eventually(
                "both were answered by it",
                lambda before=before: all(counts[one] > before[one] + 5 for one in before),
                within_s=60,
            )
    finally:
        done.set()
        for one in askers:
            one.join(60)
    assert set(statuses) == {200}, _trouble(door)


def _trouble(door: FrontDoor) -> str:
    """What its log says beside the questions that nobody took."""
    return "\n".join(
        line for line in door.log.read_text(errors="replace").splitlines() if "Connection refused" not in line
    )[-4000:]


def _is_another(door: FrontDoor, old: psutil.Process) -> bool:
    try:
        return decider(door).pid != old.pid and decisions(door) >= 0
    except (AssertionError, psutil.NoSuchProcess):
        return False


def test_what_is_known_goes_on_while_nobody_decides(door: FrontDoor) -> None:
    """The supervisor is held, so that nobody starts it again: beyond the time that a decision is fresh."""
    assert door.process is not None
    for path in ("/mesos/x", "/service/web/"):
        _remembered(door, path)
    os.kill(door.process.pid, signal.SIGSTOP)
    answers: list[int] = []
    asker = threading.Thread(target=lambda: answers.append(door.ask("/service/web/", headers=_stranger()).status))
    try:
        decider(door).kill()
        end = time.monotonic() + 9
        while time.monotonic() < end:
            for path in ("/mesos/x", "/service/web/"):
                assert door.ask(path, headers=AUTH).status == 200
            time.sleep(0.2)
        asker.start()
        assert door.ask("/dcos-metadata/dcos-version.json").status == 200
    finally:
        os.kill(door.process.pid, signal.SIGCONT)
    asker.join(60)
    assert answers == [200], "who is not known waits until somebody decides"


def _remembered(door: FrontDoor, path: str) -> None:
    """nginx has the answer: two requests make one question."""

    def asked_once() -> bool:
        assert door.ask(path, headers=AUTH).status == 200
        before = decisions(door)
        return door.ask(path, headers=AUTH).status == 200 and decisions(door) == before

    eventually(f"{path} is remembered", asked_once, within_s=60)


def _stranger() -> dict[str, str]:
    return {"Authorization": f"token={jwt.sign('stranger', None, front_door.KEY)}"}


def test_what_is_known_goes_on_while_marathon_is_away(made: FrontDoor, tmp_path: Path) -> None:
    """A decision service that begins anew and finds no Marathon knows no apps: what nginx was told before is better."""
    world = made.world
    world.state.away = True
    try:
        _remembered(made, "/service/web/")
        old = decider(made)
        old.kill()
        eventually("another one", lambda: _is_another(made, old), within_s=60)
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert made.ask("/service/web/", headers=AUTH).status == 200, made.log.read_text()[-3000:]
            time.sleep(0.2)
        stranger = made.ask("/service/web/", headers=_stranger() | {"DCOS-Forwarded": "true"})
        assert (stranger.status, stranger.body) == (503, b"503 Service Unavailable: invalid Marathon svcapps cache\n")
    finally:
        world.state.away = False


def test_one_that_is_refused_stays_refused(door: FrontDoor) -> None:
    assert door.process is not None
    bad = {"Authorization": f"token={front_door.BAD_TOKEN}"}
    assert door.ask("/service/web/", headers=bad).status == 401
    old = decider(door)
    old.kill()
    for _ in range(20):
        assert door.ask("/service/web/", headers=bad).status == 401
    eventually("another one", lambda: _is_another(door, old), within_s=60)


async def test_a_reload_ends_no_stream_and_no_request(door: FrontDoor) -> None:
    assert door.process is not None
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            statuses.append(door.ask("/service/web/", headers=AUTH).status)

    asker = threading.Thread(target=ask)
    before = {one.pid for one in psutil.Process(door.nginx_pid()).children()}
    url = f"http://127.0.0.1:{door.port}/service/web/ws"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=AUTH) as link:
        asker.start()
        try:
            for _ in range(3):
                workers = {one.pid for one in psutil.Process(door.nginx_pid()).children()}
                os.kill(door.process.pid, signal.SIGHUP)
                await asyncio.to_thread(
                    eventually, "new workers", lambda old=workers: _workers(door) - old != set(), within_s=60
                )
                await link.send_str("still there")
                assert await link.receive_str(timeout=60) == "you said still there"
        finally:
            done.set()
            asker.join(60)
    assert set(statuses) == {200}
    eventually("the old workers end with their last stream", lambda: not before & _workers(door), within_s=60)


def _workers(door: FrontDoor) -> set[int]:
    return {one.pid for one in psutil.Process(door.nginx_pid()).children()}


def test_a_bad_configuration_changes_nothing(door: FrontDoor) -> None:
    assert door.process is not None
    folder = door.folder / "var/lib/dcos/adminrouter"
    good, workers = (folder / "server.crt").read_text(), _workers(door)
    (folder / "server.crt").write_text("no certificate\n")
    try:
        os.kill(door.process.pid, signal.SIGHUP)
        eventually("it says so", lambda: "not_reloaded" in door.log.read_text(errors="replace"), within_s=60)
    finally:
        (folder / "server.crt").write_text(good)
    assert door.ask("/service/web/", headers=AUTH).status == 200
    assert workers & _workers(door)
