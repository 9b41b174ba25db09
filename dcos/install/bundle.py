"""The bootstrap bundle: one relocatable package with every program and library a node needs, made once per content.

    packages/dcos--<version>_<id>/
        pyvenv.cfg, bin/python3 -> the node's own Python   (so it runs from wherever it is unpacked)
        bin/<console scripts>                              (first line names the final place)
        lib/python3.11/site-packages/                      (locked dependencies and ``dcos``, byte-compiled)
        share/dcos/{units,installer,config}
        share/dcos/gui                                     (the web interface, built by npm: ``gui.py``)

The id is a hash of everything it is made from: equal sources, equal lock, equal id, and the archive is not made again.
Libraries come as wheels, each checked against the lock's hashes. Files are sorted, owned by root, with one fixed time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.install import assets, gui
from dcos.install.command import CommandFailed, run
from dcos.install.locking import locked

FORMAT = "1"
PYTHON = (3, 11)
NODE_PYTHON = "/usr/bin/python3.11"
PREFIX = "/opt/mesosphere"
LEFT_OUT = ("*.pyx", "*.pxd", "*.pyi", "*.c", "*.h", "tests", "test", "__pycache__", "direct_url.json")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A finished archive."""

    id: str
    version: str
    path: Path
    sha256: str

    @property
    def package(self) -> str:
        """Folder name below ``packages/``."""
        return package_name(self.version, self.id)


def package_name(version: str, bundle_id: str) -> str:
    return f"dcos--{version}_{bundle_id[:12]}"


def cache_folder(environ: dict[str, str] | None = None) -> Path:
    """Where archives are kept between runs; ``DCOS_CACHE`` moves it."""
    variables = dict(os.environ) if environ is None else environ
    if chosen := variables.get("DCOS_CACHE"):
        return Path(chosen)
    return Path(variables.get("XDG_CACHE_HOME") or Path(variables.get("HOME", "/root")) / ".cache") / "dcos"


def source_files(checkout: Path) -> list[Path]:
    """Every file the bundle is made from, sorted, relative to the checkout."""
    found = [Path("pyproject.toml"), Path("requirements.txt"), *gui.source_files(checkout)]
    for folder in ("dcos", *assets.FOLDERS):
        for path in sorted((checkout / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                found.append(path.relative_to(checkout))
    return sorted(found)


def content_id(checkout: Path) -> str:
    """Hash of the format, the lock and every source file."""
    digest = hashlib.sha256(f"{FORMAT} {PYTHON}\n".encode())
    for path in source_files(checkout):
        whole = checkout / path
        digest.update(
            f"{path} {whole.stat().st_mode & 0o111:o} {hashlib.sha256(whole.read_bytes()).hexdigest()}\n".encode()
        )
    return digest.hexdigest()[:40]


def version_of(checkout: Path) -> str:
    return str(_project(checkout)["version"])


def scripts_of(checkout: Path) -> dict[str, str]:
    """Console scripts: name to ``module:function``."""
    return dict(_project(checkout)["scripts"])


def _project(checkout: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    return project


def build(checkout: Path, cache: Path, say: Callable[[str], None] = lambda _: None) -> Bundle:
    """The bundle for the sources as they are now. Errors: CommandFailed with what the failing program said."""
    version, scripts, bundle_id = version_of(checkout), scripts_of(checkout), content_id(checkout)
    folder = cache / "bundles"
    archive = folder / f"{bundle_id}.bootstrap.tar.xz"
    with locked(cache / "bundles.lock"):
        if not archive.exists():
            folder.mkdir(parents=True, exist_ok=True)
            site = gui.build(checkout, cache, say)
            libraries = _libraries(checkout, cache, say)
            say("packing the bundle")
            work = folder / f"{bundle_id}.partial"
            shutil.rmtree(work, ignore_errors=True)
            try:
                name = package_name(version, bundle_id)
                tree = work / "packages" / name
                _tree(checkout, libraries, tree, f"{PREFIX}/packages/{name}", scripts, version)
                shutil.copytree(site, tree / assets.SHARE / gui.FOLDER)
                _archive(work, archive)
            finally:
                shutil.rmtree(work, ignore_errors=True)
            _forget_old(folder, keep=6)
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        archive.touch()
    return Bundle(bundle_id, version, archive, digest)


def _libraries(checkout: Path, cache: Path, say: Callable[[str], None]) -> Path:
    """The locked dependencies unpacked and compiled; kept per lock, because they change rarely and take longest."""
    lock = checkout / "requirements.txt"
    key = hashlib.sha256(f"{FORMAT} {PYTHON} {LEFT_OUT}\n{lock.read_text()}".encode()).hexdigest()[:16]
    target = cache / "libraries" / key
    if target.is_dir():
        return target
    say("fetching the locked libraries")
    partial = target.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--no-compile"]
    command += ["--disable-pip-version-check", "--root-user-action=ignore", "--target", str(partial), "-r", str(lock)]
    command += ["--only-binary=:all:", "--python-version", ".".join(map(str, PYTHON)), "--implementation", "cp"]
    for generation in ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34"):
        command += ["--platform", f"{generation}_{os.uname().machine}"]
    try:
        run(command)
        shutil.rmtree(partial / "bin", ignore_errors=True)
        _prune(partial)
        _compile(partial, f"{PREFIX}/lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages")
    except CommandFailed:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    for old in target.parent.glob("*"):
        if old.is_dir() and old != partial:
            shutil.rmtree(old, ignore_errors=True)
    partial.rename(target)
    return target


def _prune(tree: Path) -> None:
    for pattern in LEFT_OUT:
        for path in list(tree.rglob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()


def _compile(tree: Path, shown_as: str) -> None:
    """Byte-compile for the node's Python when this one is the same; else the node does it when it installs."""
    if sys.version_info[:2] != PYTHON:
        return
    # One hash seed, or sets inside constants come out in another order each time.
    program = "import compileall, sys; "
    program += "sys.exit(not compileall.compile_dir(sys.argv[1], quiet=2, ddir=sys.argv[2], workers=0, "
    program += "invalidation_mode=compileall.py_compile.PycInvalidationMode.UNCHECKED_HASH))"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    # A library may carry a file for another Python that does not compile; it is not imported on this one either.
    subprocess.run([sys.executable, "-c", program, str(tree), shown_as], env=environment, check=False)


def _tree(checkout: Path, libraries: Path, target: Path, final: str, scripts: dict[str, str], version: str) -> None:
    packages = target / f"lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages"
    packages.parent.mkdir(parents=True)
    run(["cp", "-a", "--reflink=auto", str(libraries), str(packages)])
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(checkout / "dcos", packages / "dcos", ignore=ignore)
    for room in ("dev", "testing"):  # of no use on a node
        shutil.rmtree(packages / "dcos" / room)
    _compile(packages / "dcos", f"{final}/lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages/dcos")
    information = packages / f"dcos-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: dcos\nVersion: {version}\n")
    for folder in assets.FOLDERS:
        shutil.copytree(checkout / folder, target / assets.SHARE / folder, ignore=ignore)
    (target / "pyvenv.cfg").write_text(
        f"home = {Path(NODE_PYTHON).parent}\ninclude-system-site-packages = false\nversion = {PYTHON[0]}.{PYTHON[1]}\n"
    )
    (target / "bin").mkdir()
    for name in ("python3", "python"):
        (target / "bin" / name).symlink_to(NODE_PYTHON)
    for name, entry in sorted(scripts.items()):
        module, function = entry.split(":")
        script = target / "bin" / name
        script.write_text(
            f"#!{final}/bin/python3 -I\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
        )
        script.chmod(0o755)


def _archive(tree: Path, target: Path) -> None:
    partial = target.with_suffix(".partial")
    pack = ["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]
    pack += ["--mode=u+rwX,go+rX,go-w", "-C", str(tree), "-cf", "-", "packages"]
    try:
        with partial.open("wb") as out, subprocess.Popen(pack, stdout=subprocess.PIPE) as packer:
            # Level 0: the archive is a quarter larger than at level 6 and made ten times faster.
            code = subprocess.run(
                ["xz", "-0", "-T2", "--stdout"], stdin=packer.stdout, stdout=out, check=False
            ).returncode
        if code or packer.returncode:
            raise CommandFailed([*pack, "|", "xz"], code or packer.returncode, "")
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)


def _forget_old(folder: Path, keep: int) -> None:
    archives: Iterable[Path] = sorted(folder.glob("*.bootstrap.tar.xz"), key=lambda path: path.stat().st_mtime)
    for path in list(archives)[:-keep]:
        path.unlink()
