"""Where plugins come from: a file, a URL, or a package's CLI resource, whose sha256 must be right."""

from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import urlsplit

from dcos.cli.context import USER_AGENT, Context
from dcos.cli.output import fail
from dcos.cli.plugins.store import Plugin, PluginStore
from dcos.cli.progress import Bar

Json = dict[str, Any]
MAX_BYTES: Final = 512 << 20
_CHUNK: Final = 1 << 16
_MACHINES: Final = {"x86_64": "x86-64", "amd64": "x86-64", "aarch64": "arm64", "arm64": "arm64"}


def from_anywhere(context: Context, source: str, *, update: bool) -> Plugin:
    """``source``: a file or a URL. The plugin's name is its ``plugin.toml``'s, or the file's."""
    store = PluginStore(context.cluster)
    if not source.startswith(("http://", "https://")):
        file = Path(source)
        if not file.is_file():
            fail(f"{source} is no file")
        return store.add(file, name=_name_of(file.name), kind=None, update=update)
    with _fetched(context, source) as (file, _):
        return store.add(file, name=_name_of(urlsplit(source).path.rpartition("/")[2]), kind=None, update=update)


def _name_of(file_name: str) -> str:
    return file_name.removesuffix(".zip").removesuffix(".exe").removeprefix("dcos-")


def from_package(context: Context, definition: Json) -> Plugin:
    """The plugin of a package as Cosmos describes it; one that is there already is replaced."""
    name = str(definition["name"])
    binary = _binary(definition, name)
    wanted = next((one for one in binary.get("contentHash", []) if one.get("algo") == "sha256"), None)
    if wanted is None:
        fail(f"the CLI of package '{name}' has no sha256: it cannot be checked, so it is not installed")
    with _fetched(context, str(binary["url"])) as (file, digest):
        if digest != str(wanted.get("value", "")).lower():
            fail(
                f"the CLI of package '{name}' is not what the package says: sha256 is {digest}, not {wanted.get('value')}. "
                "Nothing was installed"
            )
        kind = str(binary.get("kind") or "executable")
        kept = {key: value for key, value in definition.items() if key in _KEPT}
        return PluginStore(context.cluster).add(file, name=name, kind=kind, update=True, package=kept)


_KEPT: Final = frozenset(
    {
        *("name", "version", "description", "maintainer", "packagingVersion", "tags", "selected", "framework"),
        *("website", "scm", "releaseVersion", "licenses", "minDcosReleaseVersion"),
    }
)


def _binary(definition: Json, name: str) -> Mapping[str, Any]:
    binaries = ((definition.get("resource") or {}).get("cli") or {}).get("binaries") or {}
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    found = (binaries.get(system) or {}).get(machine)
    if not isinstance(found, dict) or not found.get("url"):
        fail(f"the CLI of package '{name}' has no program for {system} on {machine}")
    return found


@contextmanager
def _fetched(context: Context, url: str) -> Iterator[tuple[Path, str]]:
    """The file at ``url`` and its sha256. The cluster's token goes to the cluster and nowhere else."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="dcos-plugin-") as folder:
        file = Path(folder) / (urlsplit(url).path.rpartition("/")[2] or "plugin")
        got = 0
        with file.open("wb") as written, Bar(f"Downloading {file.name}") as bar:
            for part in _parts(context, url):
                got += len(part)
                if got > MAX_BYTES:
                    fail(f"{url} has more than {MAX_BYTES >> 20} MiB")
                digest.update(part)
                written.write(part)
                bar.bytes(got)
        yield file, digest.hexdigest()


def _parts(context: Context, url: str) -> Iterator[bytes]:
    here, there = urlsplit(context.cluster.url), urlsplit(url)
    if (here.scheme, here.netloc) == (there.scheme, there.netloc):
        path = there.path + (f"?{there.query}" if there.query else "")
        yield from context.transport.stream(path)
        return
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})
    try:
        with urllib.request.urlopen(request, timeout=context.timeout_s) as answer:
            source: BinaryIO = answer
            while part := source.read(_CHUNK):
                yield part
    except (OSError, urllib.error.URLError) as error:
        fail(f"cannot fetch {url}: {error}")
