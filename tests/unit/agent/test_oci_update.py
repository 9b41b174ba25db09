"""Limits of a container in an image that change: what runc's answer means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcos.agent.containerizer.base import ContainerError
from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.images import ImageStore
from dcos.agent.containerizer.oci import OciBackend
from dcos.agent.containerizer.privileges import PrivilegeRules

# As runc 1.1 does: it is asked with a file, complains in one line, and ends with 1.
RUNC = """#!/bin/sh
echo "$@" >"$0.asked"
[ -z "{complaint}" ] || {{ echo 'time="2026-01-02T03:04:05Z" level=error msg="{complaint}"' >&2; exit 1; }}
"""


@pytest.fixture
def box(tmp_path: Path) -> Box:
    mark = Mark(launcher="posix", backend="oci", sandbox=str(tmp_path), cpus=500, mem_bytes=2**25, mem_hard_bytes=2**26)
    made = Box(tmp_path / "containers", "c1", mark)
    made.save()
    return made


async def updated(box: Box, folder: Path, monkeypatch: pytest.MonkeyPatch, complaint: str) -> bool:
    runc = folder / "bin/runc"
    runc.parent.mkdir()
    runc.write_text(RUNC.format(complaint=complaint))
    runc.chmod(0o755)
    monkeypatch.setenv("PATH", f"{runc.parent}:/usr/bin:/bin")
    store = ImageStore(folder / "store", registry="https://registry.invalid", docker_config=None)
    backend = OciBackend(
        store,
        folder / "provisioner",
        folder,
        sandbox_directory="/mnt/mesos/sandbox",
        systemd=False,
        rules=PrivilegeRules(),
        cgroups_root="mesos",
    )
    return await backend.update(box)


@pytest.mark.parametrize("complaint", ["", "container not running"], ids=["running", "ended meanwhile"])
async def test_the_launcher_goes_on(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaint: str) -> None:
    """A container that has ended is not one without room: whoever waits for it tells how it ended."""
    assert await updated(box, tmp_path, monkeypatch, complaint) is False
    limits = box.directory / "limits.json"
    asked = ["--root", f"{tmp_path}/runc", "update", "--resources", f"{limits}", "c1"]
    assert (tmp_path / "bin/runc.asked").read_text().split() == asked
    assert json.loads(limits.read_bytes())["memory"] == {"limit": 2**26, "reservation": 2**25}


async def test_what_the_kernel_refuses_is_told(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complaint = "failed to write 67108864: device or resource busy"
    with pytest.raises(ContainerError, match=complaint):
        await updated(box, tmp_path, monkeypatch, complaint)
