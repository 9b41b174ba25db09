"""Preflight: every failure with its remedy, on machines that are only described."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dcos.install import preflight
from dcos.install.preflight import Machine
from dcos.registry import NodeRole

ARGUMENTS = {"check_time": "true"}


@pytest.fixture
def good(tmp_path: Path) -> Machine:
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (tmp_path / "opt").mkdir()
    (tmp_path / "var/lib").mkdir(parents=True)
    for name in (
        "etc/ssl/certs/ca-certificates.crt",
        "usr/share/java/zookeeper.jar",
        "usr/lib/cni/bridge",
        "usr/lib/nginx/modules/ngx_http_lua_module.so",
    ):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    answers = {"systemctl": "systemd 252 (252.39)", "timedatectl": "yes", "systemd-detect-virt": "none"}
    return Machine(
        root=tmp_path,
        which=lambda name: None if name in ("docker", "getenforce") else f"/usr/bin/{name}",
        output=lambda argv: answers.get(argv[0]),
        port_is_free=lambda address, number, protocol: True,
        free_mb=lambda path: 5000,
    )


@pytest.mark.parametrize("role", list(NodeRole))
def test_a_good_machine_passes(good: Machine, role: NodeRole) -> None:
    assert preflight.check(role, ARGUMENTS, good) == []


def told(machine: Machine, role: NodeRole = NodeRole.MASTER) -> str:
    return "\n".join(map(str, preflight.check(role, ARGUMENTS, machine)))


def test_all_failures_at_once(good: Machine) -> None:
    bad = replace(
        good,
        is_root=False,
        which=lambda name: None if name in ("nginx", "java", "docker", "getenforce") else "/x",
        port_is_free=lambda address, number, protocol: number != 5050,
        free_mb=lambda path: 10,
    )
    text = told(bad)
    for words in (
        "not root",
        "no command nginx",
        "apt-get install nginx-light",
        "tcp port 5050 is in use",
        "10 MB free",
    ):
        assert words in text
    assert "apt-get install default-jre-headless nginx-light" in text.replace(
        "nginx-light default-jre-headless", "default-jre-headless nginx-light"
    )


def test_only_what_the_role_needs(good: Machine) -> None:
    bad = replace(good, which=lambda name: None if name in ("java", "runc", "docker", "getenforce") else "/x")
    assert "java" in told(bad, NodeRole.MASTER)
    assert "runc" not in told(bad, NodeRole.MASTER)
    assert "runc" in told(bad, NodeRole.AGENT)
    assert "java" not in told(bad, NodeRole.AGENT)


def test_leftovers(good: Machine) -> None:
    (good.root / "opt/mesosphere/etc").mkdir(parents=True)
    wants = good.root / "etc/systemd/system/dcos.target.wants"
    wants.mkdir(parents=True)
    assert "is not empty: an earlier installation" in told(good)
    assert "dcos.target.wants is left" in told(good)


def test_the_installers_own_staging_folder_is_no_leftover(good: Machine) -> None:
    (good.root / "opt/mesosphere/.staging.abc").mkdir(parents=True)
    assert told(good) == ""


@pytest.mark.parametrize(
    ("answer", "words"),
    [(None, "systemd does not answer"), ("systemd 240 (240)", "systemd is 240"), ("systemd 252", "")],
)
def test_systemd(good: Machine, answer: str | None, words: str) -> None:
    machine = replace(good, output=lambda argv: answer if argv[0] == "systemctl" else "")
    assert words in told(machine)


@pytest.mark.parametrize(
    ("answer", "words"), [(None, "does not answer"), ("18.09.1", "docker is 18.09"), ("26.1.0", "")]
)
def test_docker_is_optional(good: Machine, answer: str | None, words: str) -> None:
    machine = replace(
        good,
        which=lambda name: None if name == "getenforce" else "/x",
        output=lambda argv: answer if argv[0] == "docker" else good.output(argv),
    )
    findings = preflight.check(NodeRole.AGENT, ARGUMENTS, machine)
    assert not any(finding.fatal for finding in findings)
    assert words in told(machine, NodeRole.AGENT)


def test_an_unsynchronised_clock_is_a_warning(good: Machine) -> None:
    machine = replace(good, output=lambda argv: "no" if argv[0] == "timedatectl" else good.output(argv))
    (finding,) = preflight.check(NodeRole.AGENT, ARGUMENTS, machine)
    assert not finding.fatal
    assert preflight.check(NodeRole.AGENT, {"check_time": "false"}, machine) == []
