"""The agent on cgroup v2 alone: its tests once more, in a virtual machine with a kernel and a systemd of its own."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.testing import vm, vm_guest

from . import systemd_node

INSIDE_S = 1500
"""For one run of pytest in the machine: some of its tests may wait in vain, and what they say is to be seen."""
reason = "this is one already" if vm_guest.is_here() else vm.why_not()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(reason), reason=f"no virtual machine: {reason}"),
    pytest.mark.timeout(INSIDE_S + 200),
]


DOCKER = (
    *("dockerd", "docker", "docker-init", "docker-proxy", "docker-registry"),
    *("containerd", "containerd-shim-runc-v2"),
)


@pytest.fixture(scope="module")
def docker_programs() -> Iterator[Path]:
    """This machine's, in a folder of their own, for the node image has none."""
    with tempfile.TemporaryDirectory(prefix="dcos-docker-programs-", dir="/var/tmp") as folder:
        for name in DOCKER:
            if found := shutil.which(name):
                shutil.copy2(Path(found).resolve(), Path(folder, name))
        yield Path(folder)


@pytest.fixture(scope="module")
def machine(docker_programs: Path) -> Iterator[vm.Machine]:
    with vm.booted(mounts=[*systemd_node.program_folders(), docker_programs], memory_mb=3072) as made:
        yield made


def passes(machine: vm.Machine, *names: str, **env: str) -> None:
    """Those tests of this folder pass in the machine, none of them skipped."""
    here = "tests/integration/agent"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--timeout={INSIDE_S // 3}"]
    done = machine.run(
        *words,
        *(f"{here}/{name}" for name in names),
        cwd=systemd_node.REPOSITORY,
        env={"PYTHONDONTWRITEBYTECODE": "1", **env},
        timeout_s=INSIDE_S,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-4_000:]
    assert " skipped" not in done.stdout.splitlines()[-1]


def test_cgroup2_is_all_there_is(machine: vm.Machine) -> None:
    mounts = machine.run("grep", " cgroup", "/proc/mounts").stdout.splitlines()
    assert [line.split()[1:3] for line in mounts] == [["/sys/fs/cgroup", "cgroup2"]]
    controllers = machine.run("cat", "/sys/fs/cgroup/cgroup.controllers").stdout.split()
    assert {"cpu", "memory", "pids"} <= set(controllers)


def test_systemd_launcher(machine: vm.Machine) -> None:
    passes(machine, "test_systemd.py")


def test_runc_without_systemd(machine: vm.Machine) -> None:
    passes(machine, "test_images.py", "test_group_ipc.py")


def test_terminals(machine: vm.Machine) -> None:
    passes(machine, "test_nested_terminals.py")


def test_isolation(machine: vm.Machine) -> None:
    passes(machine, "test_isolation.py")


@pytest.fixture(scope="module")
def docker_machine(machine: vm.Machine, docker_programs: Path) -> vm.Machine:
    """The kernel has no tables of IPv4, so mapped ports are carried by docker-proxy; all else is as anywhere."""
    if missing := set(DOCKER) - {one.name for one in docker_programs.iterdir()}:
        pytest.skip(f"missing programs: {', '.join(sorted(missing))} (packages docker.io, docker-registry)")
    mounted = machine.run("mount", "--bind", docker_programs, "/usr/local/bin")
    assert mounted.returncode == 0, mounted.stderr
    return machine


def test_docker_engine(docker_machine: vm.Machine) -> None:
    passes(docker_machine, "test_docker.py")


def test_docker_engine_that_leaves_control_groups_to_systemd(docker_machine: vm.Machine) -> None:
    """Its driver on such machines, unless it is told otherwise."""
    tests = "out_of_memory", "out_of_memory_while_the_agent_is_away", "a_task_may_name_the_group_above"
    names = [f"test_docker.py::test_{one}" for one in (*tests, "numbers_of_the_control_group")]
    passes(docker_machine, *names, DCOS_TEST_DOCKER_CGROUP_DRIVER="systemd")
