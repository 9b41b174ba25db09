"""Put a planned tree on a node, or leave the node as it was: every step notes how to take it back."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dcos.install.command import run
from dcos.install.tree import File, Folder, Link, Tree


@dataclass(slots=True)
class Journal:
    """What was done, newest last. ``undo`` takes it back in reverse and returns what could not be."""

    steps: list[tuple[str, Callable[[], object]]] = field(default_factory=list)

    def note(self, what: str, back: Callable[[], object]) -> None:
        self.steps.append((what, back))

    def undo(self) -> list[str]:
        left = []
        while self.steps:
            what, back = self.steps.pop()
            try:
                back()
            except Exception as trouble:  # everything else must still be taken back
                left.append(f"{what}: {trouble}")
        return left


def make_folder(path: Path, journal: Journal) -> None:
    """The folder and its missing parents."""
    for missing in reversed([part for part in (path, *path.parents) if not part.exists()]):
        missing.mkdir()
        journal.note(f"folder {missing}", missing.rmdir)


def make_users(names: tuple[str, ...], journal: Journal, make: Callable[[str], None] | None = None) -> None:
    """System users without home or shell, each with a group of its own name."""
    create = make or _useradd
    for name in names:
        try:
            pwd.getpwnam(name)
            grp.getgrnam(name)
        except KeyError:
            create(name)
            journal.note(f"user {name}", partial(run, ["userdel", name]))


def _useradd(name: str) -> None:
    run(
        [
            "useradd",
            "--system",
            "--user-group",
            "--no-create-home",
            "--home-dir=/nonexistent",
            "--shell=/usr/sbin/nologin",
            name,
        ]
    )


def apply(tree: Tree, journal: Journal, *, owners: bool = True) -> None:
    """Make users, folders, files and links. ``owners`` off: everything stays ours (nodes that are plain processes).

    Errors: OSError, CommandFailed; the caller undoes the journal.
    """
    if owners:
        make_users(tree.users, journal)
    for folder in tree.folders:
        _folder(folder, journal, owners)
    for file in tree.files:
        _file(file, journal, owners)
    for link in tree.links:
        _link(link, journal)


def _folder(folder: Folder, journal: Journal, owners: bool) -> None:
    fresh = not folder.path.exists()
    make_folder(folder.path, journal)
    if fresh or folder.owner != "root":
        folder.path.chmod(folder.mode)
        if owners and folder.owner != "root":
            shutil.chown(folder.path, folder.owner, folder.owner)


def _file(file: File, journal: Journal, owners: bool) -> None:
    make_folder(file.path.parent, journal)
    before = file.path.read_bytes() if file.path.is_file() and not file.path.is_symlink() else None
    temporary = file.path.with_name(f".{file.path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(file.text)
            os.fchmod(handle.fileno(), file.mode)
        if owners and file.owner != "root":
            shutil.chown(temporary, file.owner, file.owner)
        temporary.replace(file.path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if before is None:
        journal.note(f"file {file.path}", file.path.unlink)
    else:
        journal.note(f"file {file.path}", lambda: file.path.write_bytes(before))


def _link(link: Link, journal: Journal) -> None:
    make_folder(link.path.parent, journal)
    before = os.readlink(link.path) if link.path.is_symlink() else None
    if before == link.target:
        return
    if before is None and link.path.exists():
        link.path.unlink()
    _point(link.path, link.target)
    if before is None:
        journal.note(f"link {link.path}", link.path.unlink)
    else:
        journal.note(f"link {link.path}", partial(_point, link.path, before))


def _point(path: Path, target: str) -> None:
    """At once: services that run look there."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def move_in(staged: Path, target: Path, journal: Journal) -> None:
    """Move what was unpacked to its place on the same file system. Errors: OSError when something is there already."""
    make_folder(target.parent, journal)
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    staged.rename(target)
    journal.note(f"folder {target}", lambda: shutil.rmtree(target))
