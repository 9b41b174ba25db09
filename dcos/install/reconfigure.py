"""Another configuration on a node that is installed: the same programs, files made anew, services restarted that it concerns.

Whom a change concerns, the texts say: a service whose unit or environment file is another, or names a file that is. Tasks run on,
as they do whenever services restart. What fails is taken back, and nothing was restarted then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dcos.install import apply
from dcos.install.command import run
from dcos.install.tree import Input, Tree, plan
from dcos.model.layout import Layout
from dcos.registry import services_on


class Unfit(Exception):
    """This configuration cannot be put on this node: says why."""


def reconfigure(
    given: Input, layout: Layout, *, owners: bool = True, run: Callable[[Sequence[str]], object] = run
) -> tuple[str, ...]:
    """Make it so; gives the units that are restarted. ``owners`` as of ``apply``; ``run`` runs systemctl.

    Errors: Unfit, OSError, CommandFailed, after everything was taken back.
    """
    _check(given, layout)
    tree = plan(given, layout)
    before = {path: _text(path) for path in (*_seen(tree, layout), *(file.path for file in tree.files))}
    journal = apply.Journal()
    try:
        apply.apply(tree, journal, owners=owners)
        changed = {path for path, text in before.items() if _text(path) != text}
        run(["systemctl", "daemon-reload"])
    except BaseException:
        journal.undo()
        raise
    _drop_dangling(layout)
    concerned = tuple(_concerned(given, layout, changed))
    if concerned:
        run(["systemctl", "restart", "--no-block", *concerned])
    return concerned


def _check(given: Input, layout: Layout) -> None:
    """Errors: Unfit."""
    if not (layout.config / "roles" / given.role.value).exists():
        installed = ", ".join(sorted(path.name for path in (layout.config / "roles").glob("*"))) or "nothing"
        raise Unfit(f"this node is no {given.role}: installed is {installed}")
    if not (layout.opt / "packages" / given.release.package).is_dir():
        raise Unfit(
            f"the configuration is for {given.release.package}, which is not what is installed here: another configuration "
            "can be put on a node only by genconf of the release that installed it"
        )


def _seen(tree: Tree, layout: Layout) -> Iterator[Path]:
    """Files as services name them: below the links of ``etc``."""
    for link in tree.links:
        if link.path.is_relative_to(layout.etc) or link.path.is_relative_to(layout.bin):
            yield link.path


def _text(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


def _concerned(given: Input, layout: Layout, changed: set[Path]) -> Iterator[str]:
    """Units to restart, in the order of the table: what a timer starts begins at once."""
    folders = {path.parent for path in changed if path.is_relative_to(layout.etc)} - {layout.etc}
    names = "|".join(re.escape(str(path)) for path in sorted(changed | folders))
    named = re.compile(rf"(?<![\w./-])(?:{names})(?![\w./-])") if names else None
    for row in services_on(given.role):
        unit = layout.systemd / f"{row.name}.service"
        texts = [unit, layout.opt / "environment", *([layout.etc / row.env_file] if row.env_file else [])]
        words = " ".join(path.read_text() for path in texts if path.exists())
        if any(path in changed for path in texts) or (named is not None and named.search(words)):
            yield f"{row.name}.service"


def _drop_dangling(layout: Layout) -> None:
    """Links to what the new configuration does not have."""
    for folder in (layout.etc, layout.bin):
        for path in folder.rglob("*"):
            if path.is_symlink() and not path.exists() and "dcos-config" in os.readlink(path):
                path.unlink()
