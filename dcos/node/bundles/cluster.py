"""A bundle of the cluster: every node makes its part, then one zip holds all of them, ``<ip>_<role>/...``.

A node that does not answer, or does not come to an end, is named in the bundle's errors; the others are in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dcos.node.bundles.nodes import NodeAway, Nodes
from dcos.node.bundles.store import Store
from dcos.node.core.bundle import OVER, Bundle, Status, part_of
from dcos.node.core.report import ROLE_NAMES, Target

_AT_ONCE: Final = 20
_LOOK_S: Final = 1.0
_LONGEST_S: Final = 1800.0
_TRIES: Final = 10
_PIECE: Final = 1 << 20


class ClusterMaker:
    def __init__(self, store: Store, nodes: Nodes) -> None:
        self._store = store
        self._nodes = nodes

    async def make(self, bundle: Bundle, targets: Sequence[Target]) -> list[str]:
        """Errors: OSError."""
        folder = self._store.folder / bundle.id / "parts"
        folder.mkdir(mode=0o700)
        slots = asyncio.Semaphore(_AT_ONCE)

        async def part(target: Target) -> str:
            async with slots:
                try:
                    async with asyncio.timeout(_LONGEST_S):
                        return await self._part(bundle.id, target, folder / _name(target))
                except TimeoutError:
                    return f"{target.ip}: not done within {_LONGEST_S / 60:.0f} minutes"
                except NodeAway as error:
                    return f"{target.ip}: {error}"
                finally:
                    # its part is of no use any more, there or not
                    with contextlib.suppress(NodeAway):
                        await self._nodes.remove(target, part_of(bundle.id))

        errors = [error for error in await asyncio.gather(*map(part, targets)) if error]
        await asyncio.to_thread(_together, folder, self._store.file(bundle.id), errors)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        return errors

    async def _part(self, id: str, target: Target, path: Path) -> str:
        """What is missing, in words; nothing: it is there.   Errors: NodeAway."""
        part = await self._nodes.begin(target, part_of(id))
        silent = 0
        while part.status not in OVER:
            await asyncio.sleep(_LOOK_S)
            try:
                part = await self._nodes.get(target, part.id)
                silent = 0
            except NodeAway:
                silent += 1
                if silent >= _TRIES:
                    raise
        if part.status is not Status.DONE:
            return f"{target.ip}: {part.status} {'; '.join(part.errors)}".strip()
        await self._nodes.save(target, part.id, path)
        return ""


def _name(target: Target) -> str:
    return f"{target.ip.replace(':', '-')}_{ROLE_NAMES[target.role]}"


def _together(folder: Path, out: Path, errors: Sequence[str]) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        reports = ""
        for path in sorted(folder.iterdir()):
            try:
                with zipfile.ZipFile(path) as part:
                    for one in part.infolist():
                        named = zipfile.ZipInfo(f"{path.name}/{one.filename}", one.date_time)
                        named.compress_type = zipfile.ZIP_DEFLATED
                        with part.open(one) as source, archive.open(named, "w") as target:
                            while piece := source.read(_PIECE):
                                target.write(piece)
                    reports += "".join(
                        f"{path.name}: {line}\n" for line in part.read("summaryErrorsReport.txt").decode().splitlines()
                    )
            except (zipfile.BadZipFile, KeyError) as error:
                reports += f"{path.name}: {error}\n"
        archive.writestr("summaryErrorsReport.txt", "".join(f"{one}\n" for one in errors) + reports)
        archive.writestr("summaryReport.txt", "".join(f"{one.filename}\n" for one in archive.infolist()))
