"""The web interface: built from ``gui/`` by npm, once per content. Nodes need no Node.js; who makes the package does.

    <cache>/gui/modules-<key>/node_modules     what the lock names, kept per lock
    <cache>/gui/site-<key>/                    index.html and assets/, beside each asset its ``.gz``, as nginx serves them

Nothing is written into the checkout. Programs that packages would run when they are installed are not run.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dcos.install.command import CommandFailed, run
from dcos.install.locking import locked

FOLDER = "gui"
MADE = ("node_modules", "dist")
"""What programs put into the folder when somebody works there by hand; no part of the source."""
KEPT = 4
"""Finished sites and sets of modules that stay in the cache."""


class NoNpm(CommandFailed):
    """npm is not on this machine."""

    def __init__(self) -> None:
        super().__init__(
            ["npm", "ci"],
            None,
            "the web interface (gui/) is built by npm, which is not on this machine: apt-get install npm",
        )


def source_files(checkout: Path) -> list[Path]:
    """Every file the site is made from, sorted, relative to the checkout."""
    top = checkout / FOLDER
    return sorted(
        path.relative_to(checkout)
        for path in top.rglob("*")
        if path.is_file() and not set(path.relative_to(top).parts[:1]) & {*MADE, "test"}
    )


def build(checkout: Path, cache: Path, say: Callable[[str], None] = lambda _: None) -> Path:
    """The site's folder for the sources as they are now.   Errors: NoNpm; CommandFailed with what npm said."""
    digest = hashlib.sha256()
    for path in source_files(checkout):
        digest.update(f"{path} {hashlib.sha256((checkout / path).read_bytes()).hexdigest()}\n".encode())
    site = cache / "gui" / f"site-{digest.hexdigest()[:16]}"
    with locked(cache / "gui.lock"):
        if not site.is_dir():
            say("building the web interface")
            with _workshop(checkout, cache) as work:
                run(["npm", "run", "build"], cwd=work)
                made = work / "dist"
                _compress(made)
                for path in (made, *made.rglob("*")):  # whatever the umask is, nginx's workers read it
                    path.chmod(0o755 if path.is_dir() else 0o644)
                made.rename(site)
            _forget_old(cache / "gui", "site-*")
        os.utime(site)
    return site


def check(checkout: Path, cache: Path) -> int:
    """Types and tests of the sources, shown as they run; the first exit code that is not 0.   Errors: as ``build``."""
    with locked(cache / "gui.lock"), _workshop(checkout, cache) as work:
        for script in ("types", "test"):
            code = subprocess.run(["npm", "run", "--silent", script], cwd=work, check=False).returncode
            if code:
                return code
    return 0


def modules(checkout: Path, cache: Path) -> Path:
    """The folder of the packages that the lock names.   Errors: as ``build``."""
    with locked(cache / "gui.lock"):
        return _modules(checkout, cache) / "node_modules"


@contextmanager
def _workshop(checkout: Path, cache: Path) -> Iterator[Path]:
    """A copy of the sources with what they need beside them, removed at the end."""
    found = _modules(checkout, cache)
    work = cache / "gui" / f"work-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        shutil.copytree(checkout / FOLDER, work, ignore=shutil.ignore_patterns(*MADE))
        (work / "node_modules").symlink_to(found / "node_modules")
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _modules(checkout: Path, cache: Path) -> Path:
    if shutil.which("npm") is None:
        raise NoNpm
    names = ("package.json", "package-lock.json", ".npmrc")
    key = hashlib.sha256(b"".join((checkout / FOLDER / name).read_bytes() for name in names)).hexdigest()[:16]
    target = cache / "gui" / f"modules-{key}"
    if not target.is_dir():
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in names:
            shutil.copy(checkout / FOLDER / name, partial / name)
        try:
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=partial)
        except CommandFailed:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(target)
        _forget_old(target.parent, "modules-*")
    os.utime(target)
    return target


def _compress(site: Path) -> None:
    """A ``.gz`` beside each text below ``assets/``, always the same bytes."""
    for path in (site / "assets").iterdir():
        if path.suffix in (".js", ".css", ".svg"):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def _forget_old(folder: Path, pattern: str) -> None:
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    for path in found[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
