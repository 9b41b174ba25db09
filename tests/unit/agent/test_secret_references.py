"""Secrets by reference in plans: resolved for those who may, each read once, never for others."""

from __future__ import annotations

import pytest

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.secret_references import filled
from dcos.agent.core.environment import command_variables
from dcos.agent.core.events import Limits, Plan
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    Environment,
    EnvironmentVariable,
    EnvironmentVariableType,
    Image,
    ImageDocker,
    ImageType,
    Secret,
    SecretReference,
    SecretType,
    SecretValue,
    Volume,
    VolumeMode,
    VolumeSource,
    VolumeSourceType,
)

_VALUES = {"top": b"T", "dev/key": b"K", "dev/config": b"{}"}


class FakeStore:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def read(self, path: str) -> bytes:
        self.asked.append(path)
        if path not in _VALUES:
            raise LaunchError(f"secret {path!r}: there is no such secret")
        return _VALUES[path]


def _reference(name: str) -> Secret:
    return Secret(type=SecretType.REFERENCE, reference=SecretReference(name=name))


def _plan(space: str, *names: str, volume: str | None = None, config: str | None = None) -> Plan:
    variables = tuple(
        EnvironmentVariable(name=f"V{number}", type=EnvironmentVariableType.SECRET, secret=_reference(name))
        for number, name in enumerate(names)
    )
    plain = EnvironmentVariable(name="PLAIN", value="p")
    volumes = ()
    if volume is not None:
        source = VolumeSource(type=VolumeSourceType.SECRET, secret=_reference(volume))
        volumes = (Volume(mode=VolumeMode.RO, container_path="key", source=source),)
    mesos = None
    if config is not None:
        image = Image(type=ImageType.DOCKER, docker=ImageDocker(name="busybox", config=_reference(config)))
        mesos = ContainerInfoMesosInfo(image=image)
    return Plan(
        container_id="c",
        framework_id="f",
        executor_id="e",
        run_id="r",
        task_id="t",
        command=CommandInfo(value="true", environment=Environment(variables=(plain, *variables))),
        limits=Limits(cpus=100, mem_bytes=0),
        container=ContainerInfo(type=ContainerInfoType.MESOS, volumes=volumes, mesos=mesos),
        space=space,
    )


async def test_variables_files_and_registry_credentials() -> None:
    store = FakeStore()
    given = _plan("/dev/db", "dev/key", "top", "/dev/key", volume="dev/key", config="dev/config")
    found = await filled(given, store)
    assert command_variables(found.command) == {"PLAIN": "p", "V0": "K", "V1": "T", "V2": "K"}
    assert found.container is not None
    (volume,) = found.container.volumes
    assert volume.source is not None
    assert volume.source.secret == Secret(type=SecretType.VALUE, value=SecretValue(data=b"K"))
    assert found.container.mesos is not None
    assert found.container.mesos.image is not None
    docker = found.container.mesos.image.docker
    assert docker is not None
    assert docker.config is not None
    assert docker.config.value == SecretValue(data=b"{}")
    assert sorted(store.asked) == ["dev/config", "dev/key", "dev/key", "top"], "each name is asked once"


@pytest.mark.parametrize(
    ("space", "name", "why"),
    [
        ("/prod/db", "dev/key", "a task of '/prod/db' may not read it"),
        ("", "dev/key", "a task without a label DCOS_SPACE may not read it"),
        ("/dev/db", "dev/none", "there is no such secret"),
        ("/dev/db", "dev/../top", "cannot be part of a secret's path"),
        ("/dev/db", "", "a secret's path has"),
    ],
)
async def test_who_may_not_is_told_why(space: str, name: str, why: str) -> None:
    store = FakeStore()
    for plan in (_plan(space, name), _plan(space, volume=name), _plan(space, config=name)):
        with pytest.raises(LaunchError, match=why):
            await filled(plan, store)
    assert set(store.asked) <= {"dev/none"}


async def test_an_agent_without_an_account() -> None:
    with pytest.raises(LaunchError, match="--service_account_credential"):
        await filled(_plan("", "top"), None)
    given = _plan("")
    assert (await filled(given, None)).command == given.command, "nothing is needed for nothing"
