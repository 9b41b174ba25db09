"""A catalog's folder: packages written into it, and all of it as one file for a plain web server."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from dcos.wire.universe import Package, to_files, to_json

PACKAGES: Final = Path("repo/packages")
FILES: Final = Path("files")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def package_folder(catalog: Path, package: Package) -> Path:
    return catalog / PACKAGES / package.name[0].upper() / package.name / str(package.release_version)


def write(catalog: Path, packages: Iterable[Package]) -> int:
    """Put ``packages`` into the catalog, in place of those with the same name and release; how many."""
    number = 0
    for package in packages:
        folder = package_folder(catalog, package)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, data in to_files(package).items():
            (folder / name).write_bytes(data)
        number += 1
    return number


def write_json(file: Path, packages: Iterable[Package]) -> None:
    """A repository's JSON, to be served as ``application/vnd.dcos.universe.repo+json;charset=utf-8;version=v5``."""
    file.write_bytes(msgspec.json.encode({"packages": [to_json(one) for one in packages]}))


def write_zip(file: Path, packages: Iterable[Package]) -> None:
    """A repository's archive, to be served as ``application/zip``; the same bytes for the same packages."""
    ordered = sorted(packages, key=lambda one: (one.name, one.release_version))
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "repo/meta/version.json", msgspec.json.encode({"version": "2.0.0"}))
        _add(archive, "repo/meta/index.json", msgspec.json.encode(_index(ordered)))
        for package in ordered:
            folder = package_folder(Path(), package)
            for name, data in sorted(to_files(package).items()):
                _add(archive, str(folder / name), data)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def _index(packages: Iterable[Package]) -> dict[str, object]:
    """What older readers look names up in: of each the highest release, and all versions.   ``packages`` by name and release."""
    newest: dict[str, Package] = {}
    versions: dict[str, dict[str, str]] = {}
    for one in packages:
        newest[one.name] = one
        versions.setdefault(one.name, {})[one.version] = str(one.release_version)
    entries = [
        {
            "name": one.name,
            "currentVersion": one.version,
            "description": one.description,
            "framework": bool(one.framework),
            "tags": list(one.tags),
            "selected": bool(one.selected),
            "versions": versions[one.name],
        }
        for one in newest.values()
    ]
    return {"version": "2.0.0", "packages": entries}
