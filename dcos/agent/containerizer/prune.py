"""Which images of the store nobody needs, and their end (``PRUNE_IMAGES``).

An image stays while a container uses its files, while it is being fetched, or when the call excludes it.
Source: Mesos docs/operator-http-api.md (PRUNE_IMAGES), container image garbage collection.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dcos.runtime.files import write_atomic
from dcos.runtime.process import run

_GC_S = 300.0
_NAME = "org.opencontainers.image.ref.name"


def tag_of(reference: str) -> str:
    """What the store calls an image."""
    return hashlib.sha256(reference.encode()).hexdigest()[:40]


class Pruner:
    """Of the store below ``root``. ``lock`` is held by whoever changes its index."""

    def __init__(self, root: Path, lock: asyncio.Lock) -> None:
        self._layout = root / "oci"
        self._rootfs = root / "rootfs"
        self._doomed = root / "tmp"
        self._lock = lock

    async def prune(self, excluded: Iterable[str], used: Iterable[Path], busy: Iterable[str]) -> int:
        """``excluded`` and ``busy``: references and tags to keep; ``used``: files of running containers.

        Returns how many images went.   Errors: OSError, ProcessError, TimeoutError.
        """
        async with self._lock:
            keep_tags = {tag_of(one) for one in excluded} | set(busy)
            in_use = {path.relative_to(self._rootfs).parts[0] for path in used if path.is_relative_to(self._rootfs)}
            index = self._index()
            manifests = index.get("manifests", [])
            kept = [one for one in manifests if self._tag(one) in keep_tags or _folder(one["digest"]) in in_use]
            if len(kept) == len(manifests):
                return 0
            index["manifests"] = kept
            write_atomic(self._layout / "index.json", json.dumps(index).encode())
            folders = {_folder(one["digest"]) for one in kept} | in_use
            await asyncio.to_thread(self._remove, folders)
            await run(["umoci", "gc", "--layout", self._layout], timeout_s=_GC_S, check=True)
            return len(manifests) - len(kept)

    def _index(self) -> dict[str, list[dict[str, Any]]]:
        try:
            found: dict[str, list[dict[str, Any]]] = json.loads((self._layout / "index.json").read_bytes())
            return found
        except FileNotFoundError:
            return {}

    def _tag(self, manifest: dict[str, Any]) -> str:
        annotations = manifest.get("annotations")
        return str(annotations.get(_NAME, "")) if isinstance(annotations, dict) else ""

    def _remove(self, keep: set[str]) -> None:
        """Out of sight first, for an unpacked image is whole or not there."""
        self._doomed.mkdir(parents=True, exist_ok=True)
        for folder in list(self._rootfs.iterdir()) if self._rootfs.is_dir() else ():
            if folder.name not in keep:
                doomed = folder.rename(self._doomed / f"pruned-{folder.name}")
                shutil.rmtree(doomed, ignore_errors=True)


def _folder(digest: str) -> str:
    return digest.replace(":", "-")
