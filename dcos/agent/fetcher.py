"""The fetcher: brings a task's URIs into its sandbox, as the task's user, one after the other.

Downloads are curl's (other schemes than http and ftp: the hadoop client's), archives tar's and unzip's, run as the user
with the sandbox as their folder: what an archive contains can only touch what the user may touch. Files wanted with
``cache`` are downloaded once into ``--fetcher_cache_dir``.

Source: Mesos docs/fetcher.md and its fetcher's rules for names, archives and errors.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.script import user_words
from dcos.model.v1.types import CommandInfoURI
from dcos.runtime.process import ProcessError, run

_TAR = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")
_FETCH_S = 24 * 3600.0
_SCHEMES = ("http", "https", "ftp", "ftps")
_ENVIRONMENT = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "ftp_proxy", "JAVA_HOME", "HADOOP_CONF_DIR")


class FetchError(LaunchError):
    """A URI could not be fetched: says which and why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One URI, understood."""

    scheme: str
    """Empty for a local path."""
    location: str
    name: str
    """Relative path in the sandbox."""


def understand(uri: CommandInfoURI, frameworks_home: str | None) -> Wanted:
    """Errors: FetchError for what upstream refuses too."""
    value = uri.value
    if any(one in value for one in ("\\", "'", "\0")):
        raise FetchError(f"URI {value!r}: must not contain backslash, single quote or NUL")
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "", value
    location = value
    if scheme in ("", "file"):
        location = rest.removeprefix("localhost") if scheme == "file" else rest
        if not location.startswith("/"):
            if scheme == "file" or not frameworks_home:
                raise FetchError(f"URI {value!r}: a relative path needs --frameworks_home")
            location = str(Path(frameworks_home) / location)
        scheme = ""
    elif "/" not in rest:
        raise FetchError(f"URI {value!r}: has no path")
    return Wanted(scheme, location, _name(uri, value))


def _name(uri: CommandInfoURI, value: str) -> str:
    if uri.output_file is not None:
        path = Path(uri.output_file)
        if not uri.output_file or path.is_absolute() or ".." in path.parts:
            raise FetchError(f"URI {value!r}: output_file {uri.output_file!r} must be a path inside the sandbox")
        return uri.output_file
    name = value.rsplit("/", 1)[-1]
    if name in ("", ".", ".."):
        raise FetchError(f"URI {value!r}: has no file name")
    return name


class Fetcher:
    """One for all containers of an agent. ``now`` gives the time for the cache's ageing."""

    def __init__(
        self,
        *,
        cache_dir: Path,
        cache_bytes: int,
        frameworks_home: str | None,
        stall_s: float,
        now: Callable[[], float],
        hadoop_home: str | None = None,
    ) -> None:
        self._cache_dir = cache_dir
        self.cache_bytes = cache_bytes
        self._frameworks_home = frameworks_home
        self._stall_s = stall_s
        self._hadoop_home = hadoop_home
        self._now = now
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of what is being fetched: who holds one, or waits for it, keeps it."""
        self._in_use: Counter[Path] = Counter()
        self.succeeded = 0
        self.failed = 0

    async def fetch(self, uris: tuple[CommandInfoURI, ...], sandbox: Path, user: str | None) -> None:
        """All of ``uris``.   Errors: FetchError at the first that fails."""
        if not uris:
            return
        try:
            for uri in uris:
                await self._fetch_one(uri, sandbox, user)
        except BaseException:
            self.failed += 1
            raise
        self.succeeded += 1

    @property
    def under_way(self) -> int:
        """Files that are being fetched into the cache, or looked for in it."""
        return len(self._locks)

    def cache_used(self) -> int:
        """Bytes."""
        if not self._cache_dir.is_dir():
            return 0
        return sum(one.stat().st_size for one in self._cache_dir.iterdir() if one.is_file())

    async def _fetch_one(self, uri: CommandInfoURI, sandbox: Path, user: str | None) -> None:
        wanted = understand(uri, self._frameworks_home)
        archive = uri.extract and not uri.executable and _is_archive(wanted.name)
        if uri.cache and wanted.scheme and await self._by_cache(wanted, sandbox, user, archive=archive):
            pass
        elif uri.cache and archive and not wanted.scheme:
            # what lies on this machine needs no copy to be read from
            await self._extract(Path(wanted.location), wanted.name, sandbox, user)
        else:
            await self._bring(wanted, sandbox, user)
            if archive:
                await self._extract(Path(wanted.name), wanted.name, sandbox, user)
        if uri.executable:
            await self._as_user(["chmod", "755", f"./{wanted.name}"], sandbox, user, wanted.location)

    async def _bring(self, wanted: Wanted, sandbox: Path, user: str | None) -> None:
        """Into the sandbox, as the user."""
        parent = str(Path(wanted.name).parent)
        if parent != ".":
            await self._as_user(["mkdir", "-p", f"./{parent}"], sandbox, user, wanted.location)
        if not wanted.scheme:
            await self._as_user(["cp", "-L", wanted.location, f"./{wanted.name}"], sandbox, user, wanted.location)
        else:
            await self._download(wanted, f"./{wanted.name}", sandbox, user)

    async def _download(self, wanted: Wanted, target: str, folder: Path, user: str | None) -> None:
        """By curl what curl knows, by the hadoop client everything else."""
        if wanted.scheme in _SCHEMES:
            await self._curl(wanted, target, folder, user)
            return
        hadoop = self._hadoop()
        if hadoop is None:
            raise FetchError(
                f"Failed to fetch {wanted.location!r}: scheme {wanted.scheme!r} needs the hadoop client (--hadoop_home)"
            )
        await self._as_user([hadoop, "fs", "-copyToLocal", wanted.location, target], folder, user, wanted.location)

    def _hadoop(self) -> str | None:
        if self._hadoop_home:
            path = Path(self._hadoop_home) / "bin/hadoop"
            return str(path) if path.exists() else None
        return shutil.which("hadoop")

    async def _curl(self, wanted: Wanted, target: str, folder: Path, user: str | None) -> None:
        stall = str(max(1, int(self._stall_s)))
        words = [
            *("curl", "--silent", "--show-error", "--location", "--globoff", "--max-redirs", "20"),
            *("--connect-timeout", stall, "--speed-time", stall, "--speed-limit", "1"),
            *("--proto", "=http,https,ftp,ftps", "--write-out", "%{http_code}"),
            *("--output", target, "--", wanted.location),
        ]
        out = await self._as_user(words, folder, user, wanted.location)
        code = out.decode(errors="replace").strip()[-3:]
        good = ("200",) if wanted.scheme.startswith("http") else ("226", "250", "000")
        if code not in good:
            raise FetchError(f"Failed to fetch {wanted.location!r}: answered {code}")

    async def _extract(self, archive: Path, name: str, sandbox: Path, user: str | None) -> None:
        source = str(archive) if archive.is_absolute() else f"./{archive}"
        lower = name.lower()
        if lower.endswith(_TAR):
            words = ["tar", "-C", str(sandbox), "-xf", source]
        elif lower.endswith(".zip"):
            words = ["unzip", "-o", "-q", "-d", str(sandbox), source]
        else:
            target = f"./{name[: -len('.gz')]}"
            words = ["/bin/sh", "-c", 'gzip -dc "$1" >"$2"', "sh", source, target]
        if shutil.which(words[0]) is None and words[0] == "unzip":
            words = ["python3", "-m", "zipfile", "-e", source, str(sandbox)]
        await self._as_user(words, sandbox, user, name)

    async def _as_user(self, words: list[str], folder: Path, user: str | None, what: str) -> bytes:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
        try:
            done = await run([*user_words(user), *words], timeout_s=_FETCH_S, env=environment, cwd=folder, check=True)
        except (ProcessError, TimeoutError) as error:
            raise FetchError(f"Failed to fetch {what!r}: {error}") from error
        return done.stdout

    # ---- cache -------------------------------------------------------------------------------------------------------

    async def _by_cache(self, wanted: Wanted, sandbox: Path, user: str | None, *, archive: bool) -> bool:
        """From the kept file, fetched if need be. False: nothing came of that, and it is fetched directly.

        What the cache cannot hold is handed on all the same: as if it had been fetched into the sandbox.
        """
        key = hashlib.sha256(f"{user or ''}@{wanted.location}".encode()).hexdigest()
        kept, partial = self._cache_dir / key, self._cache_dir / f".{key}"
        async with self._locks.setdefault(key, asyncio.Lock()):
            if kept.exists():
                os.utime(kept, (self._now(), self._now()))
            else:
                try:
                    self._cache_dir.mkdir(parents=True, exist_ok=True, mode=0o711)
                    partial.unlink(missing_ok=True)
                    await self._download(wanted, str(partial), self._cache_dir, None)
                    partial.chmod(0o644)
                    if self._make_room(partial.stat().st_size):
                        partial.replace(kept)
                except (FetchError, OSError):
                    return False
            if not kept.exists():
                try:
                    await self._put(partial, wanted.name, sandbox, user)
                finally:
                    partial.unlink(missing_ok=True)
                if archive:
                    await self._extract(Path(wanted.name), wanted.name, sandbox, user)
                return True
            self._in_use[kept] += 1
        try:
            if archive:
                await self._extract(kept, wanted.name, sandbox, user)
            else:
                await self._put(kept, wanted.name, sandbox, user)
        finally:
            self._in_use -= Counter({kept: 1})
        return True

    def _make_room(self, size: int) -> bool:
        """Drop the longest unused until ``size`` more bytes fit."""
        if size > self.cache_bytes:
            return False
        files = sorted(
            (one for one in self._cache_dir.iterdir() if one.is_file() and not one.name.startswith(".")),
            key=lambda one: one.stat().st_mtime,
        )
        used = sum(one.stat().st_size for one in files)
        for one in files:
            if used + size <= self.cache_bytes:
                break
            if not self._in_use[one]:
                used -= one.stat().st_size
                one.unlink()
        return used + size <= self.cache_bytes

    async def _put(self, kept: Path, name: str, sandbox: Path, user: str | None) -> None:
        parent = str(Path(name).parent)
        if parent != ".":
            await self._as_user(["mkdir", "-p", f"./{parent}"], sandbox, user, name)
        await self._as_user(["cp", str(kept), f"./{name}"], sandbox, user, name)


def _is_archive(name: str) -> bool:
    lower = name.lower()
    return lower.endswith((*_TAR, ".zip", ".gz"))
