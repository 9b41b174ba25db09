"""Programs that we did not write, for tests: each from the package index into a virtual environment of its own.

    folder = environment("marathon-0.13.0", lambda install: install.packages("marathon==0.13.0"))
    subprocess.run([folder / "bin/python", ...])

Made once, under a lock, below the temporary folder.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


class Installer:
    """What a recipe does in the new environment ``folder``.   Errors: CalledProcessError, TimeoutExpired."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def site_packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def run(self, *words: str | Path) -> None:
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=300)

    def pip(self, *words: str | Path) -> None:
        self.run(self.python, *_PIP, *words)

    def packages(self, *words: str | Path) -> None:
        self.pip("install", *words)

    def old_collections(self) -> None:
        """For programs of before Python 3.10: the program itself is not touched."""
        shutil.copy(Path(__file__).with_name("old_collections.py"), self.site_packages)
        (self.site_packages / "old_collections.pth").write_text("import old_collections\n")


def environment(name: str, recipe: Callable[[Installer], None]) -> Path:
    """The environment's folder; ``name`` tells the program and its version. Where it cannot be had the test is skipped."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(tempfile.gettempdir()) / f"dcos-tests-{name}-py{version}-{os.geteuid()}"
    done = folder / "done"
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            install = Installer(folder)
            try:
                install.run(sys.executable, "-m", "venv", folder)
                recipe(install)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                pytest.skip(f"{name} cannot be installed from the package index: {error}\n{error.stderr!r}")
            done.touch()
    return folder
