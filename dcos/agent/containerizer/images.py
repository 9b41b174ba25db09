"""Images: fetched by skopeo into one OCI layout (blobs shared by digest), unpacked once by umoci, shared read-only.

    <store>/oci/                     the layout; an image's tag there is the hash of its reference
    <store>/rootfs/<digest>/         the unpacked root of one manifest
    <store>/tmp/                     unfinished work, emptied at start

References: ``name[:tag]`` (from ``--docker_registry``), ``registry/name[:tag|@digest]``, ``oci:/dir[:tag]``,
``docker-archive:/file.tar``, ``file:///path`` or ``/path`` (a layout folder or an archive of ``docker save``).
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.prune import Pruner, tag_of
from dcos.runtime.files import write_atomic
from dcos.runtime.process import ProcessError, run
from dcos.runtime.timing import Timer

PULL_S = 3600.0
UNPACK_S = 1800.0
_DEFAULT_REGISTRIES = ("https://registry-1.docker.io", "https://docker.io", "")


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an image's config that says how to run it."""

    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""

    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.env if "=" in pair)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image that containers can be made of."""

    digest: str
    rootfs: Path
    config: ImageConfig


@dataclass(frozen=True, slots=True)
class Source:
    """What skopeo is told. ``options`` stand before the source."""

    location: str
    options: tuple[str, ...] = ()


def source_of(reference: str, registry: str) -> Source:
    """Errors: LaunchError for a reference that says nothing."""
    if not reference or reference.startswith("-") or any(c.isspace() or c == "\0" for c in reference):
        raise LaunchError(f"image {reference!r}: not a reference")
    for transport in ("oci:", "docker-archive:", "oci-archive:", "dir:"):
        if reference.startswith(transport):
            return Source(reference)
    if reference.startswith(("file://", "/")):
        return Source(_local(reference.removeprefix("file://")))
    if registry.startswith(("/", "file://")):
        # upstream's offline form: a folder of `docker save` archives
        name, _, tag = reference.partition(":")
        folder = Path(registry.removeprefix("file://"))
        for candidate in (folder / f"{name}:{tag or 'latest'}.tar", folder / f"{name}.tar"):
            if candidate.exists():
                return Source(f"docker-archive:{candidate}")
        raise LaunchError(f"image {reference!r}: no archive in {folder}")
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return Source(f"docker://{reference}")
    if registry in _DEFAULT_REGISTRIES:
        return Source(f"docker://{reference}")
    parts = urlsplit(registry if "://" in registry else f"https://{registry}")
    options = ("--src-tls-verify=false",) if parts.scheme == "http" else ()
    return Source(f"docker://{parts.netloc}{parts.path.rstrip('/')}/{reference}", options)


def _local(path: str) -> str:
    if Path(path).is_file():
        return f"docker-archive:{path}"
    return f"oci:{path}"


class ImageStore:
    """One store for all containers of an agent."""

    def __init__(self, root: Path, *, registry: str, docker_config: str | None) -> None:
        self._layout = root / "oci"
        self._rootfs = root / "rootfs"
        self._tmp = root / "tmp"
        self._registry = registry
        self._docker_config = docker_config
        self._pulls: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Who holds a lock, or waits for it, keeps it."""
        self._layout_lock = asyncio.Lock()
        self._unpacks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._busy: Counter[str] = Counter()
        """Tags of images that are being fetched or unpacked."""
        self.pulled = Timer()
        self._pruner = Pruner(root, self._layout_lock)

    def recover(self) -> None:
        """Throw away what a dead agent left unfinished."""
        shutil.rmtree(self._tmp, ignore_errors=True)

    async def get(self, reference: str, *, cached: bool = True, auth: bytes | None = None) -> Unpacked:
        """Fetch unless known, unpack unless done.   ``auth`` is a docker config.json. Errors: LaunchError."""
        for folder in (self._layout, self._rootfs, self._tmp):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tag = tag_of(reference)
        self._busy[tag] += 1
        try:
            pulling = self._pulls.setdefault(tag, asyncio.Lock())
            async with pulling:
                if not cached or self._digest(tag) is None:
                    with self.pulled.timed(asyncio.get_running_loop().time):
                        await self._fetch(reference, tag, auth)
            digest = self._digest(tag)
            if digest is None:
                raise LaunchError(f"image {reference!r}: skopeo left nothing in the store")
            config = self._config(digest)
            unpacking = self._unpacks.setdefault(digest, asyncio.Lock())
            async with unpacking:
                rootfs = await self._unpack(tag, digest)
        except (ProcessError, TimeoutError, OSError, ValueError, KeyError) as error:
            raise LaunchError(f"Failed to provision image {reference!r}: {error}") from error
        finally:
            self._busy -= Counter((tag,))
        return Unpacked(digest, rootfs, config)

    async def prune(self, excluded: Iterable[str], used: Iterable[Path]) -> int:
        """Remove images that no container uses; returns how many.   Errors: OSError, ProcessError, TimeoutError."""
        return await self._pruner.prune(excluded, used, self._busy)

    async def _fetch(self, reference: str, tag: str, auth: bytes | None) -> None:
        source = source_of(reference, self._registry)
        words: list[str | Path] = ["skopeo", "--insecure-policy", "--tmpdir", self._tmp, "copy", "--quiet"]
        words += source.options
        authfile: Path | None = None
        secret = auth or (self._docker_config.encode() if self._docker_config else None)
        if secret is not None:
            authfile = self._tmp / f"{tag}.auth"
            write_atomic(authfile, secret, mode=0o600)
            words += ["--authfile", authfile]
        try:
            # skopeo rewrites the layout's index: one at a time
            async with self._layout_lock:
                await run([*words, source.location, f"oci:{self._layout}:{tag}"], timeout_s=PULL_S, check=True)
        finally:
            if authfile is not None:
                authfile.unlink(missing_ok=True)

    def _digest(self, tag: str) -> str | None:
        """The manifest that ``tag`` names."""
        try:
            index = json.loads((self._layout / "index.json").read_bytes())
        except FileNotFoundError:
            return None
        for manifest in index.get("manifests", ()):
            if manifest.get("annotations", {}).get("org.opencontainers.image.ref.name") == tag:
                return str(manifest["digest"])
        return None

    def _config(self, digest: str) -> ImageConfig:
        manifest = self._blob(digest)
        config: Mapping[str, Any] = self._blob(str(manifest["config"]["digest"])).get("config") or {}
        return ImageConfig(
            entrypoint=tuple(config.get("Entrypoint") or ()),
            cmd=tuple(config.get("Cmd") or ()),
            env=tuple(config.get("Env") or ()),
            working_dir=str(config.get("WorkingDir") or ""),
            user=str(config.get("User") or ""),
        )

    def _blob(self, digest: str) -> dict[str, Any]:
        algorithm, _, name = digest.partition(":")
        value = json.loads((self._layout / "blobs" / algorithm / name).read_bytes())
        if not isinstance(value, dict):
            raise ValueError(f"blob {digest} is not an object")
        return value

    async def _unpack(self, tag: str, digest: str) -> Path:
        target = self._rootfs / digest.replace(":", "-")
        if target.is_dir():
            return target / "rootfs"
        bundle = self._tmp / digest.replace(":", "-")
        if bundle.exists():
            await asyncio.to_thread(shutil.rmtree, bundle)
        words: list[str | Path] = ["umoci", "unpack", "--image", f"{self._layout}:{tag}", bundle]
        if os.geteuid() != 0:
            words.insert(2, "--rootless")
        await run(words, timeout_s=UNPACK_S, check=True)
        (bundle / "config.json").unlink(missing_ok=True)
        bundle.replace(target)
        return target / "rootfs"
