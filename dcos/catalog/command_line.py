"""The package ``dcos-core-cli``: what upstream's ``dcos`` program asks a new cluster for, and has no service commands without.

Its file is our own command line as a plugin, made by the program beside us (``dcos.install.core_plugin``) each time this service
starts, so that it is always of this release. It is kept in memory and given out by ``/package/resource``; other clusters'
catalogs are not offered the package, for they have their own.   Source: dcos-cli pkg/setup.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from dcos.runtime.log import Logger
from dcos.wire.universe import Package, checked

NAME: Final = "dcos-core-cli"
URL: Final = f"http://127.0.0.1:7070/universe/{NAME}.zip"
"""A name only: nothing listens for it."""
PROGRAM: Final = "dcos.install.core_plugin"
MAKING_S: Final = 120.0


async def made(log: Logger) -> bytes | None:
    """The plugin's archive; None, with a line in the log, where it cannot be made."""
    with tempfile.TemporaryDirectory(prefix="dcos-cosmos-") as folder:
        file = Path(folder) / "plugin.zip"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", PROGRAM, str(file), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(MAKING_S):
                _, said = await child.communicate()
        except TimeoutError:
            said = b"it took too long"
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode != 0 or not file.is_file():
            log.warning("command_line_not_offered", reason=said.decode(errors="replace")[-500:])
            return None
        return file.read_bytes()


def package(archive: bytes, version: str) -> Package:
    """``version``: of the cluster."""
    binary = {
        "kind": "zip",
        "url": URL,
        "contentHash": [{"algo": "sha256", "value": hashlib.sha256(archive).hexdigest()}],
    }
    described: dict[str, Any] = {
        "packagingVersion": "4.0",
        "name": NAME,
        "version": version,
        "releaseVersion": 0,
        "maintainer": "dcos",
        "description": "The cluster's commands for the dcos program: nodes, services, tasks, Marathon, jobs and more. "
        "Needs Python 3.11 or later where it runs.",
        "tags": ["cli"],
        "selected": True,
        "framework": False,
        "licenses": [{"name": "Apache License Version 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "resource": {"cli": {"binaries": {system: {"x86-64": binary} for system in ("linux", "darwin")}}},
    }
    return checked(msgspec.convert(described, Package))
