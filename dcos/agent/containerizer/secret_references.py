"""Secrets that a task names by reference: read just before its container is made, known to its container alone.

The plan that comes out holds values and lives in memory only. Checkpoints, states and messages keep the references.
Source: Mesos isolators environment_secret, volume/secret and docker/runtime, with DC/OS's secret resolver.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.core.events import Plan
from dcos.model import secret_paths
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    EnvironmentVariableType,
    Image,
    Secret,
    SecretType,
    SecretValue,
    Volume,
    VolumeSourceType,
)

Resolve = Callable[[Secret], Awaitable[Secret]]


class Store(Protocol):
    async def read(self, path: str) -> bytes:
        """Errors: LaunchError."""
        ...


async def filled(plan: Plan, store: Store | None) -> Plan:
    """``plan`` with values in the place of references.   Errors: LaunchError."""
    command, container = await resolved(plan.command, plan.container, plan.space, store)
    return dataclasses.replace(plan, command=command, container=container)


async def resolved(
    command: CommandInfo, container: ContainerInfo | None, space: str, store: Store | None
) -> tuple[CommandInfo, ContainerInfo | None]:
    """Both with values in the place of references. ``space``: whose path decides what may be read.   Errors: LaunchError."""
    known: dict[str, Secret] = {}

    async def resolve(secret: Secret) -> Secret:
        if secret.reference is None:
            return secret
        name = secret.reference.name
        if name not in known:
            known[name] = await _read(name, space, store)
        return known[name]

    return await _command(command, resolve), await _container(container, resolve)


async def _read(name: str, space: str, store: Store | None) -> Secret:
    try:
        if not secret_paths.readable(name, space):
            where = f"a task of {space!r}" if space else f"a task without a label {secret_paths.SPACE_LABEL}"
            raise LaunchError(f"secret {name!r}: {where} may not read it")
        if store is None:
            raise LaunchError(f"secret {name!r}: this agent has no --service_account_credential to read secrets with")
        data = await store.read(secret_paths.check(name))
    except ValueError as error:
        raise LaunchError(f"secret {name!r}: {error}") from error
    return Secret(type=SecretType.VALUE, value=SecretValue(data=data))


async def _command(command: CommandInfo, resolve: Resolve) -> CommandInfo:
    if command.environment is None or all(one.secret is None for one in command.environment.variables):
        return command
    variables = []
    for variable in command.environment.variables:
        if variable.type is EnvironmentVariableType.SECRET and variable.secret is not None:
            variable = msgspec.structs.replace(variable, secret=await resolve(variable.secret))
        variables.append(variable)
    environment = msgspec.structs.replace(command.environment, variables=tuple(variables))
    return msgspec.structs.replace(command, environment=environment)


async def _container(container: ContainerInfo | None, resolve: Resolve) -> ContainerInfo | None:
    if container is None:
        return None
    volumes = tuple([await _volume(one, resolve) for one in container.volumes])
    mesos = container.mesos
    if mesos is not None and mesos.image is not None:
        mesos = msgspec.structs.replace(mesos, image=await _image(mesos.image, resolve))
    return msgspec.structs.replace(container, volumes=volumes, mesos=mesos)


async def _volume(volume: Volume, resolve: Resolve) -> Volume:
    source = volume.source
    if source is None or source.type is not VolumeSourceType.SECRET or source.secret is None:
        return volume
    return msgspec.structs.replace(volume, source=msgspec.structs.replace(source, secret=await resolve(source.secret)))


async def _image(image: Image, resolve: Resolve) -> Image:
    docker = image.docker
    if docker is None or docker.config is None:
        return image
    return msgspec.structs.replace(image, docker=msgspec.structs.replace(docker, config=await resolve(docker.config)))
