"""Persistent volumes as folders."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.volumes import Placed, Volumes, link, relink
from dcos.model.v1.types import (
    Resource,
    ResourceDiskInfoSource,
    ResourceDiskInfoSourceMount,
    ResourceDiskInfoSourcePath,
    ResourceDiskInfoSourceType,
)
from tests.unit.master.operation_makers import res

VOLUME = res("disk:64", "a", "a/b", volume="v")


def on(volume: Resource, kind: str, root: str) -> Resource:
    source = ResourceDiskInfoSource(
        type=ResourceDiskInfoSourceType(kind),
        path=ResourceDiskInfoSourcePath(root=root) if kind == "PATH" else None,
        mount=ResourceDiskInfoSourceMount(root=root) if kind == "MOUNT" else None,
    )
    assert volume.disk is not None
    return msgspec.structs.replace(volume, disk=msgspec.structs.replace(volume.disk, source=source))


def test_where(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path)
    assert volumes.path(VOLUME) == tmp_path / "volumes/roles/a b/v"
    assert volumes.path(on(VOLUME, "PATH", "/disk1")) == Path("/disk1/volumes/roles/a b/v")
    assert volumes.path(on(VOLUME, "PATH", "disk1")) == tmp_path / "disk1/volumes/roles/a b/v"
    assert volumes.path(on(VOLUME, "MOUNT", "/mnt/d")) == Path("/mnt/d")
    with pytest.raises(ValueError, match="holds no files"):
        volumes.path(on(VOLUME, "BLOCK", ""))
    with pytest.raises(ValueError, match="no persistent volume"):
        volumes.path(res("disk:1"))


async def test_made_and_destroyed(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path)
    mount = tmp_path / "mount"
    (mount / "lost+found").mkdir(parents=True)
    for volume, folder in ((VOLUME, tmp_path / "volumes/roles/a b/v"), (on(VOLUME, "MOUNT", str(mount)), mount)):
        for _ in range(2):
            await volumes.change((volume,), (), "one")
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text("x")
        for _ in range(2):
            await volumes.change((), (volume,), "two")
        await volumes.change((volume,), (), "three")
        assert [one.name for one in folder.iterdir() if one.name != "lost+found"] == []
    assert list((tmp_path / "volumes/.destroyed").iterdir()) == []
    assert (mount / "lost+found").exists()


async def test_destroying_goes_on_after_a_crash(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path)
    left = tmp_path / "volumes/.destroyed/two-v"
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    await volumes.change((), (VOLUME,), "two")
    assert not left.exists()


async def test_shown_in_a_sandbox(tmp_path: Path) -> None:
    volumes = Volumes(tmp_path)
    sandbox = tmp_path / "sandbox"
    sandbox.mkdir()
    (sandbox / "mine").symlink_to("/tmp")
    nested = res("disk:64", "a", volume="w", path="deep/er")
    placed = await volumes.prepare((VOLUME, res("cpus:1"), nested), None)
    link(sandbox, placed)
    link(sandbox, placed)
    (sandbox / "data" / "file").write_text("x")
    assert (tmp_path / "volumes/roles/a b/v/file").read_text() == "x"
    assert (sandbox / "deep/er").resolve() == tmp_path / "volumes/roles/a/w"
    relink(sandbox, [])
    assert not (sandbox / "data").is_symlink()
    assert (sandbox / "mine").is_symlink(), "what a task linked itself stays"


@pytest.mark.parametrize("where", ["/abs", "../out", "a/../../out", ""])
def test_not_outside_of_the_sandbox(tmp_path: Path, where: str) -> None:
    with pytest.raises(LaunchError, match="must be a relative path"):
        link(tmp_path, [Placed(tmp_path / "v", where, False, False)])


def test_not_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/tmp")
    with pytest.raises(LaunchError, match="'out' is a link"):
        link(tmp_path, [Placed(tmp_path / "v", "out/data", False, False)])


def test_two_volumes_at_one_place(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="Two persistent volumes"):
        Volumes(tmp_path).placed((VOLUME, res("disk:1", "a", volume="w")))
