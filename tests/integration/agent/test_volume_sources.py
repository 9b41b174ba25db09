"""Volumes of tasks without docker: host paths, secrets, volumes of a driver; for commands and in images."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer import oci
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    HealthCheck,
    HealthCheckType,
    Image,
    ImageDocker,
    ImageType,
    Parameter,
    Parameters,
    Secret,
    SecretType,
    SecretValue,
    TaskInfo,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceDockerVolume,
    VolumeSourceHostPath,
    VolumeSourceType,
)

from .volume_plugin import VolumePlugin

Make = Callable[..., TaskInfo]
SOCKETS = Path("/run/docker/plugins")

why_not = oci.usable() or ("" if os.geteuid() == 0 else "only root")
pytestmark = pytest.mark.skipif(bool(why_not), reason=f"volumes cannot be mounted here: {why_not}")


@pytest.fixture
def host(folder: Path) -> Path:
    made = folder / "host"
    made.mkdir(mode=0o777)
    made.chmod(0o777)
    (made / "seen").write_text("from the host\n")
    return made


@pytest.fixture
def driver(unique: str) -> Iterator[tuple[str, VolumePlugin]]:
    """Its name, and itself."""
    name, there = f"dcos-test-{unique}", SOCKETS.is_dir()
    SOCKETS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dcos-volumes-") as place:
        Path(place).chmod(0o755)
        plugin = VolumePlugin(Path(place))
        with plugin.listening(SOCKETS / f"{name}.sock"):
            yield name, plugin
    if not there:
        SOCKETS.rmdir()


def volume(at: str, path: Path | str | None = None, *, mode: VolumeMode = VolumeMode.RW, **source: Any) -> Volume:
    if "type" in source:
        return Volume(mode=mode, container_path=at, source=VolumeSource(**source))
    return Volume(mode=mode, container_path=at, host_path=None if path is None else str(path))


def secret(at: str, text: bytes) -> Volume:
    value = Secret(type=SecretType.VALUE, value=SecretValue(data=text))
    return volume(at, mode=VolumeMode.RO, type=VolumeSourceType.SECRET, secret=value)


def driven(at: str, driver: str, name: str, **options: str) -> Volume:
    given = Parameters(parameter=tuple(Parameter(key=key, value=value) for key, value in options.items()))
    source = VolumeSourceDockerVolume(driver=driver, name=name, driver_options=given if options else None)
    return volume(at, type=VolumeSourceType.DOCKER_VOLUME, docker_volume=source)


def contained(*volumes: Volume, image: str | None = None) -> ContainerInfo:
    mesos = None
    if image is not None:
        mesos = ContainerInfoMesosInfo(image=Image(type=ImageType.DOCKER, docker=ImageDocker(name=image)))
    return ContainerInfo(type=ContainerInfoType.MESOS, mesos=mesos, volumes=volumes)


def mounts_of_host(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]


async def test_host_paths_of_a_command(running: Any, master: Any, make_task: Make, host: Path) -> None:
    """Seen in the sandbox, by the task and its checks alone; read-only ones cannot be written; with another user."""
    source = VolumeSourceHostPath(path=str(host))
    info = contained(
        volume("data/deep", host),
        volume("locked", host, mode=VolumeMode.RO),
        volume("again", type=VolumeSourceType.HOST_PATH, host_path=source),
        volume("one-file", host / "seen", mode=VolumeMode.RO),
    )
    value = """
        cat data/deep/seen again/seen one-file; touch locked/no || echo read-only; echo kept >data/deep/file
        while ! test -e data/deep/go; do sleep 0.1; done"""
    check = HealthCheck(
        type=HealthCheckType.COMMAND,
        command=CommandInfo(value="test -e locked/file"),
        delay_seconds=0,
        interval_seconds=0.2,
    )
    await master.run(make_task("t", CommandInfo(value=value, user="nobody"), container=info, health_check=check))
    await master.until(lambda: any(one.healthy for one in master.updates))
    sandbox = running.sandbox("t")
    assert (sandbox / "stdout").read_text() == "from the host\n" * 3 + "read-only\n"
    assert (host / "file").read_text() == "kept\n"
    assert list((sandbox / "locked").iterdir()) == []
    assert mounts_of_host(host) == []
    (host / "go").touch()
    await master.state("t", "TASK_FINISHED")


async def test_a_folder_of_the_sandbox_elsewhere(running: Any, master: Any, make_task: Make, image: str) -> None:
    """A relative host path lies in the sandbox."""
    info = contained(volume("/elsewhere", "mine"), image=image)
    await master.run(make_task("t", "echo here >/elsewhere/file", container=info))
    await master.state("t", "TASK_FINISHED")
    assert (running.sandbox("t") / "mine/file").read_text() == "here\n"


async def test_missing_host_paths_are_made_where_allowed(agent: Any, master: Any, make_task: Make, host: Path) -> None:
    await agent.start(f"--host_path_volume_force_creation=/nowhere:{host}")
    await master.registered()
    await master.run(make_task("made", "echo x >made/file", container=contained(volume("made", host / "a/b"))))
    await master.state("made", "TASK_FINISHED")
    assert (host / "a/b/file").read_text() == "x\n"
    outside = contained(volume("made", f"{host}/../other"))
    await master.run(make_task("outside", "true", container=outside))
    assert "does not exist" in (await master.state("outside", "TASK_FAILED")).message


@pytest.mark.parametrize("kind", ["command", "image"])
async def test_secrets(running: Any, master: Any, make_task: Make, image: str, kind: str) -> None:
    info = contained(secret("keys/token", b"s3cr3t\n"), image=image if kind == "image" else None)
    value = "cat keys/token; ls -l keys/token; echo no >keys/token || echo read-only"
    await master.run(make_task("t", CommandInfo(value=value, user="nobody"), container=info))
    await master.state("t", "TASK_FINISHED")
    lines = (running.sandbox("t") / "stdout").read_text().splitlines()
    assert (lines[0], lines[1][:10], lines[2]) == ("s3cr3t", "-r--------", "read-only")
    assert (running.sandbox("t") / "keys/token").read_bytes() == b""
    assert "s3cr3t" not in running.log()
    assert not any((running.runtime / "containers").iterdir())


@pytest.mark.parametrize("kind", ["command", "image"])
async def test_volumes_of_a_driver(
    agent: Any, master: Any, make_task: Make, image: str, driver: tuple[str, VolumePlugin], kind: str
) -> None:
    name, plugin = driver
    await agent.start("--docker_volume_chown")
    await master.registered()
    info = contained(driven("box", name, "box", size="5"), image=image if kind == "image" else None)
    command = CommandInfo(value="echo kept >box/file; sleep 1000", user="nobody")
    await master.run(make_task("t", command, container=info))
    last = await master.state("t", "TASK_RUNNING")
    container_id = last.container_status.container_id.value
    assert plugin.asked("VolumeDriver.Create") == [{"Name": "box", "Opts": {"size": "5"}}]
    assert plugin.asked("VolumeDriver.Mount") == [{"Name": "box", "ID": container_id}]
    # an agent that was killed still knows what to give back
    await agent.kill()
    await agent.start("--docker_volume_chown")
    await master.registered(2)
    assert plugin.asked("VolumeDriver.Unmount") == []
    await master.kill("t")
    await master.state("t", "TASK_KILLED")
    assert plugin.asked("VolumeDriver.Unmount") == [{"Name": "box", "ID": container_id}]
    assert (plugin.folder / "box/file").read_text() == "kept\n"
    assert plugin.asked("VolumeDriver.Remove") == []


@pytest.mark.parametrize("root", ["command", "image"])
async def test_the_files_of_an_image(running: Any, master: Any, make_task: Make, image: str, root: str) -> None:
    """Read-only its own, writable a copy."""
    files = Image(type=ImageType.DOCKER, docker=ImageDocker(name=image))
    volumes = [
        Volume(mode=VolumeMode.RO, container_path="ro", image=files),
        Volume(mode=VolumeMode.RW, container_path="rw", image=files),
    ]
    info = contained(*volumes, image=image if root == "image" else None)
    command = "cat ro/etc/marker rw/etc/marker; echo mine >rw/etc/marker; cat rw/etc/marker; echo no >ro/etc/marker"
    for name in ("first", "second"):
        await master.run(make_task(name, command, container=info))
        await master.state(name, "TASK_FAILED")
        assert (running.sandbox(name) / "stdout").read_text() == "inside\ninside\nmine\n"
        assert "Read-only file system" in (running.sandbox(name) / "stderr").read_text()
    assert not list((running.work / "provisioner").glob("*.volumes"))


async def test_volumes_that_cannot_be_had(
    running: Any, master: Any, make_task: Make, driver: tuple[str, VolumePlugin], host: Path
) -> None:
    name, plugin = driver
    cases = (
        (driven("box", name, "broken"), f"volume 'broken' of driver '{name}': Mount: this one is broken"),
        (driven("box", "nobody", "x"), "volume driver 'nobody': no such plugin"),
        (volume("rel", "rel"), "must not both be relative"),
        (volume("../out", host), "must not leave the sandbox"),
        (volume("/not/there", host), "an absolute container_path has to exist"),
        (volume("gone", host / "gone"), "does not exist"),
        (volume("none"), "neither host_path nor source"),
        (volume("csi", type=VolumeSourceType.CSI_VOLUME), "CSI_VOLUME is not supported"),
    )
    for number, (one, words) in enumerate(cases):
        await master.run(make_task(f"t{number}", "true", container=contained(one)))
        last = await master.state(f"t{number}", "TASK_FAILED")
        assert last.reason == "REASON_CONTAINER_LAUNCH_FAILED"
        assert words in last.message
    assert plugin.asked("VolumeDriver.Unmount") == []
