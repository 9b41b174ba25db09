"""Built-in checks over a node of files, a unit source in memory and small real servers."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dcos.model.checks import CRITICAL, OK, UNKNOWN, WARNING, Check
from dcos.model.layout import Layout
from dcos.node.checks import builtin
from dcos.node.checks.builtin import Here, look
from dcos.node.checks.config import Config, environment
from dcos.node.checks.running import ConfigError, NotThereError, Runner, chosen, read
from dcos.node.core.units import MISSING, UnitState, expected_units
from dcos.node.sources import SourceError
from dcos.registry import NodeRole
from dcos.runtime import http, tls
from dcos.runtime.clock import SystemClock
from dcos.testing.certificates import self_signed
from dcos.testing.ports import free_port

GOOD = UnitState(load_state="loaded", active_state="active", sub_state="running", pid=1)
BAD = UnitState(load_state="loaded", active_state="failed", sub_state="failed", exec_main_status=1)


class Units:
    """systemd in memory."""

    def __init__(self, role: NodeRole, **changes: UnitState) -> None:
        self.known = dict.fromkeys(expected_units(role), GOOD) | {
            f"{name.replace('_', '-')}.service": state for name, state in changes.items()
        }
        self.away = False

    async def states(self, units: Sequence[str]) -> dict[str, UnitState]:
        if self.away:
            raise SourceError("nobody knows")
        return {name: self.known.get(name, MISSING) for name in units}

    async def close(self) -> None:
        return None


def here(root: Path, units: Units | None = None, role: NodeRole = NodeRole.MASTER, **config: Any) -> Here:
    return Here(
        config=Config(**{"ip": "127.0.0.1", **config}),
        layout=Layout(root),
        role=role,
        units=units or Units(role),
        headers={"X-Who": "checks"},
        path="/usr/bin:/bin",
        clock=SystemClock(),
    )


async def test_components_leave_out_their_own_timer(tmp_path: Path) -> None:
    role = NodeRole.AGENT
    assert (await look(here(tmp_path, Units(role), role), ["components"]))[0] == OK
    itself = Units(role, dcos_checks_poststart=BAD)
    assert (await look(here(tmp_path, itself, role), ["components"]))[0] == OK
    status, text = await look(here(tmp_path, Units(role, dcos_net=BAD), role), ["components"])
    assert status == CRITICAL
    assert text.startswith("dcos-net.service: ")
    away = Units(role)
    away.away = True
    assert await look(here(tmp_path, away, role), ["components"]) == (UNKNOWN, "nobody knows")


async def test_programs_are_looked_for_where_checks_look(tmp_path: Path) -> None:
    assert (await look(here(tmp_path), ["executable", "sh"]))[0] == OK
    status, text = await look(here(tmp_path), ["executable", "no-such-program"])
    assert (status, text) == (CRITICAL, "no-such-program is nowhere in /usr/bin:/bin")


@pytest.mark.parametrize(
    ("state", "status"), [(MISSING, OK), (GOOD, OK), (BAD, WARNING)], ids=["absent", "runs", "failed"]
)
async def test_docker_is_optional(state: UnitState, status: int) -> None:
    role = NodeRole.AGENT
    assert (await look(here(Path("/"), Units(role, docker=state), role), ["docker"]))[0] == status


@pytest.mark.parametrize(
    ("text", "status"),
    [("echo 127.0.0.1", OK), ("echo 192.0.2.77", CRITICAL), ("echo nothing", CRITICAL), ("exit 3", CRITICAL)],
)
async def test_ip_detect(tmp_path: Path, text: str, status: int) -> None:
    script = tmp_path / "detect"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    assert (await look(here(tmp_path, ip=None, ip_discovery_command=script), ["ip"]))[0] == status


class Mesos:
    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.who: str | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.who = request.headers.get("X-Who")
        if request.path not in self.answers:
            return web.Response(status=503)
        return http.json_response(self.answers[request.path])

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        return app


async def test_services_are_asked(tmp_path: Path) -> None:
    mesos = Mesos({"/metrics/snapshot": {"slave/registered": 1.0, "registrar/log/recovered": 0.0}})
    async with http.listen(mesos.application(), host="127.0.0.1", port=0) as (_, port):
        node = here(tmp_path, mesos_master_port=port, agent_port=port, exhibitor_port=port)
        assert await look(node, ["mesos-metric", "agent", "slave/registered"]) == (OK, "slave/registered is 1")
        assert mesos.who == "checks"
        assert (await look(node, ["mesos-metric", "master", "registrar/log/recovered"]))[0] == CRITICAL
        assert (await look(node, ["mesos-metric", "master", "nothing"]))[0] == CRITICAL
        assert await look(node, ["zookeeper"]) == (
            CRITICAL,
            f"Exhibitor does not tell: http://127.0.0.1:{port}/exhibitor/v1/cluster/state: status 503",
        )
        for state, status in ((3, OK), (2, CRITICAL)):
            mesos.answers = {"/exhibitor/v1/cluster/state": {"state": state, "description": "as it is"}}
            assert await look(node, ["zookeeper"]) == (status, "ZooKeeper is as it is")


async def test_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path)
    layout.state.mkdir(parents=True)

    def disk(free_mb: int, whole_mb: int, files: tuple[int, int] = (500, 1000)) -> os.statvfs_result:
        blocks = 256
        told = (4096, 4096, whole_mb * blocks, free_mb * blocks, free_mb * blocks, files[1], files[0], files[0], 0, 255)
        return os.statvfs_result(told)

    for given, status in (
        (disk(50_000, 100_000), OK),
        (disk(9_000, 100_000), OK),
        (disk(4_000, 100_000), WARNING),
        (disk(400, 100_000), CRITICAL),
        (disk(50_000, 100_000, (5, 1000)), CRITICAL),
        (disk(50_000, 100_000, (0, 0)), OK),  # a file system that makes files as it needs them
    ):
        with monkeypatch.context() as patched:
            patched.setattr(builtin.os, "statvfs", lambda _, found=given: found)
            assert (await look(here(tmp_path), ["disk"]))[0] == status


async def test_without_tls_there_are_no_certificates_to_look_at(tmp_path: Path) -> None:
    assert await look(here(tmp_path), ["certificates"]) == (OK, "services of this cluster speak without TLS")


class _Clock:
    def __init__(self, ahead_s: float) -> None:
        self.ahead_s = ahead_s

    def now(self) -> float:
        return SystemClock().now() + self.ahead_s

    def monotonic(self) -> float:
        return SystemClock().monotonic()


@pytest.fixture
def identity(tmp_path: Path) -> Iterator[tls.Identity]:
    """This process as a service of the cluster; its certificate holds for a day still."""
    self_signed(tmp_path)
    crt, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    made = tls.Identity(tls.Settings(crt, key, crt))
    tls.become(made)
    yield made
    tls.become(None)


async def test_certificates_are_looked_at_as_clients_see_them(tmp_path: Path, identity: tls.Identity) -> None:
    other = tmp_path / "other"
    other.mkdir()
    self_signed(other)
    foreign = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    foreign.load_cert_chain(other / "tls.crt", other / "tls.key")
    nobody = free_port()
    for context, ahead_h, port, status, text in (
        (None, 0, 0, OK, "hours left"),
        (None, 23, 0, WARNING, "dcos-mesos-slave: 1 hours left"),
        (foreign, 0, 0, CRITICAL, "certificate verify failed"),
        (None, 0, nobody, OK, "no service shows one"),
    ):
        async with http.listen(web.Application(), host="127.0.0.1", port=0, tls=context) as (_, bound):
            role = NodeRole.AGENT
            node = replace(here(tmp_path, None, role, agent_port=port or bound), clock=_Clock(ahead_h * 3600 - 60))
            seen = await look(node, ["certificates"])
            assert seen[0] == status
            assert text in seen[1]


@pytest.mark.parametrize("word", ["clock", "names", "journald", "docker"])
async def test_what_belongs_to_the_machine_is_not_looked_at_from_a_folder(tmp_path: Path, word: str) -> None:
    assert (await look(here(tmp_path), [word]))[0] == OK


# ---- running


def runner(most: int = 4) -> Runner:
    async def within(words: Sequence[str], path: str) -> tuple[int, str]:
        return {"fine": (OK, path)}[words[0]]

    return Runner(Path("/bin/dcos-checks"), within, most=most)


def sh(text: str, timeout: str = "20s") -> Check:
    return Check("A check", ("/bin/sh", "-c", text), timeout)


async def test_statuses_are_exit_codes_and_the_worst_counts() -> None:
    found = await runner().run(
        {
            "good": sh("echo fine"),
            "warning": sh("echo so-so; echo more >&2; exit 1"),
            "own": Check("", ("/bin/dcos-checks", "fine"), "1s"),
        },
        {"PATH": "/somewhere"},
    )
    assert found == {
        "status": 1,
        "checks": {
            "good": {"status": 0, "output": "fine\n"},
            "warning": {"status": 1, "output": "so-so\nmore\n"},
            "own": {"status": 0, "output": "/somewhere"},
        },
    }


@pytest.mark.parametrize("text", ["exit 4", "exit 127", "kill -9 $$"])
async def test_any_other_end_is_unknown(text: str) -> None:
    assert (await runner().run({"a": sh(text)}, {}))["status"] == UNKNOWN


async def test_no_program_and_no_such_built_in_are_unknown() -> None:
    found = await runner().run(
        {"a": Check("", ("/no/such",), "1s"), "b": Check("", ("/bin/dcos-checks", "strange"), "1s")}, {}
    )
    assert "/no/such" in found["checks"]["a"]["output"]
    assert "strange" in found["checks"]["b"]["output"]
    assert found["status"] == UNKNOWN


async def test_variables_are_those_of_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING_SECRET", "x")
    found = await runner().run({"a": Check("", ("/usr/bin/env",), "20s")}, {"PATH": "/bin"})
    assert found["checks"]["a"]["output"] == "PATH=/bin\n"


async def test_who_is_late_ends_with_all_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    found = await runner().run({"a": sh(f"echo begun; sleep 1000 & echo $! > {mark}; wait", "2s")}, {"PATH": "/bin"})
    assert found["checks"]["a"]["status"] == UNKNOWN
    assert found["checks"]["a"]["output"].startswith("begun\ncommand /bin/sh -c ")
    left = Path(f"/proc/{mark.read_text().strip()}/stat")
    assert not left.exists() or left.read_text().rpartition(")")[2].split()[0] == "Z"


async def test_output_is_bounded() -> None:
    found = await runner().run({"a": sh("head -c 1000000 /dev/zero | tr '\\0' x")}, {"PATH": "/usr/bin:/bin"})
    assert len(found["checks"]["a"]["output"]) == 64 * 1024
    assert found["status"] == OK


def test_checks_are_read_and_chosen(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dcos-check-config\.json"):
        read(tmp_path, None)
    (tmp_path / "dcos-check-config.json").write_text('{"cluster_checks": 3}')
    with pytest.raises(ConfigError, match="cluster_checks: must be a map"):
        read(tmp_path, None)
    other = tmp_path / "other.json"
    other.write_text('{"check_env": {"PATH": "/bin"}}')
    (tmp_path / "dcos-check-runner.yaml").write_text(f"check-config: {other}\n")
    assert read(tmp_path, None).environment == {"PATH": "/bin"}
    (tmp_path / "dcos-check-runner.yaml").write_text("check-config: []\n")
    with pytest.raises(ConfigError, match="check-config: must be a path"):
        read(tmp_path, None)
    both = {"a": sh(""), "b": sh("")}
    assert list(chosen(both, [])) == ["a", "b"]
    assert list(chosen(both, ["b"])) == ["b"]
    with pytest.raises(NotThereError, match="no such check here: c; there are a, b"):
        chosen(both, ["a", "c"])


def test_programs_called_by_hand_have_the_services_variables(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.etc.mkdir(parents=True)
    (layout.opt / "environment").write_text("PATH=/theirs\nDCOS_VERSION=3\n")
    (layout.etc / "dcos-checks").write_text("LIBPROCESS_SSL_ENABLED=true\n")
    found = environment({"DCOS_ROOT": str(tmp_path), "PATH": "/mine"})
    assert found["PATH"] == "/mine"
    assert (found["DCOS_VERSION"], found["LIBPROCESS_SSL_ENABLED"]) == ("3", "true")
