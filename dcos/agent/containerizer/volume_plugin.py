"""Docker's volume plugins, asked directly: volumes of type DOCKER_VOLUME for tasks that no Docker Engine runs.

A plugin is found as the Engine finds it: ``<driver>.sock`` below ``/run/docker/plugins``, or the address in ``<driver>.spec``
of ``/etc/docker/plugins`` or ``/usr/lib/docker/plugins``.   Source: Docker volume plugin protocol; Mesos docker/volume isolator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dcos.agent.containerizer.base import ContainerError

_SOCKETS = Path("/run/docker/plugins")
_SPECS = (Path("/etc/docker/plugins"), Path("/usr/lib/docker/plugins"))
_CALL_S = 60.0
_TYPE = "application/vnd.docker.plugins.v1.2+json"


class VolumeError(ContainerError):
    """A driver refused or cannot be reached: names it, in its words."""


async def mount(driver: str, name: str, options: Mapping[str, str], container_id: str) -> Path:
    """The folder of a volume, made if there is none of that name.   Errors: VolumeError."""
    await _ask(driver, "Create", {"Name": name, "Opts": dict(options)})
    told = await _ask(driver, "Mount", {"Name": name, "ID": container_id})
    path = Path(str(told.get("Mountpoint") or ""))
    if not path.is_absolute() or not path.exists():
        raise VolumeError(f"volume {name!r} of driver {driver!r}: it is not mounted at {str(path)!r}")
    return path


async def unmount(driver: str, name: str, container_id: str) -> None:
    """Errors: VolumeError."""
    await _ask(driver, "Unmount", {"Name": name, "ID": container_id})


def address(driver: str) -> str:
    """``unix:///path`` or ``tcp://host:port``.   Errors: VolumeError."""
    if not driver or "/" in driver or driver in (".", ".."):
        raise VolumeError(f"volume driver {driver!r}: not the name of a plugin")
    for socket in (_SOCKETS / f"{driver}.sock", _SOCKETS / driver / f"{driver}.sock"):
        if socket.is_socket():
            return f"unix://{socket}"
    for folder in _SPECS:
        for spec in (folder / f"{driver}.spec", folder / driver / f"{driver}.spec"):
            try:
                return spec.read_text().strip()
            except OSError:
                continue
    raise VolumeError(f"volume driver {driver!r}: no such plugin on this machine ({_SOCKETS}/{driver}.sock)")


async def _ask(driver: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Errors: VolumeError."""
    failed = f"volume {body['Name']!r} of driver {driver!r}: {what}"
    where = address(driver)
    connector: aiohttp.BaseConnector
    if where.startswith("unix://"):
        connector, url = aiohttp.UnixConnector(where.removeprefix("unix://")), "http://plugin"
    else:
        connector, url = aiohttp.TCPConnector(), where.replace("tcp://", "http://", 1).rstrip("/")
    try:
        async with (
            asyncio.timeout(_CALL_S),
            aiohttp.ClientSession(connector=connector) as session,
            session.post(
                f"{url}/VolumeDriver.{what}", data=msgspec.json.encode(body), headers={"Content-Type": _TYPE}
            ) as answer,
        ):
            raw = await answer.read()
    except TimeoutError:
        raise VolumeError(f"{failed}: no answer within {_CALL_S:g} s") from None
    except (aiohttp.ClientError, OSError) as error:
        raise VolumeError(f"{failed}: {error}") from error
    try:
        told = msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise VolumeError(f"{failed}: its answer is no JSON object: {error}") from None
    if told.get("Err"):
        raise VolumeError(f"{failed}: {told['Err']}")
    return told
