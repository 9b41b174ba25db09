"""The agent on cgroup v2 alone: its tests once more, in a virtual machine with a kernel and a systemd of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from dcos.testing import vm, vm_guest

from . import systemd_node

reason = "this is one already" if vm_guest.is_here() else vm.why_not()
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(reason), reason=f"no virtual machine: {reason}"),
    pytest.mark.timeout(420),
]


@pytest.fixture(scope="module")
def machine() -> Iterator[vm.Machine]:
    with vm.booted(mounts=systemd_node.program_folders()) as made:
        yield made


def passes(machine: vm.Machine, *names: str) -> None:
    """Those tests of this folder pass in the machine, none of them skipped."""
    here = "tests/integration/agent"
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = machine.run(
        *words,
        *(f"{here}/{name}" for name in names),
        cwd=systemd_node.REPOSITORY,
        env={"PYTHONDONTWRITEBYTECODE": "1"},
        timeout_s=400,
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
    passes(machine, "test_images.py::test_out_of_memory_in_an_image")
