"""``dcos-exhibitor backup make|list|check|restore|verify|clean``: ZooKeeper's data on this master, as one file and back.

Runs as root or as dcos-exhibitor's user. ``restore`` wants dcos-exhibitor stopped, on all masters, and the same backup on
each. ``make`` and ``clean`` are what dcos-exhibitor runs itself by the clock, in a process of their own: reading much data
neither holds it up nor stays in its memory.

Exit codes: 0 done, 1 the data or the backup is damaged or a file cannot be used, 3 dcos-exhibitor or ZooKeeper runs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dcos.exhibitor import archive
from dcos.exhibitor.archive import Folders
from dcos.exhibitor.core.datafiles import Damaged
from dcos.exhibitor.server import running_pid
from dcos.exhibitor.state_folder import Taken, held
from dcos.model.layout import Layout
from dcos.runtime.clock import SystemClock

EXIT_DAMAGED = 1
EXIT_RUNNING = 3
_NICE = 10


def folders_below(state: Path) -> Folders:
    return Folders(state / "zookeeper/snapshot", state / "zookeeper/transactions")


def main(argv: Sequence[str]) -> int:
    given = _parser().parse_args(argv)
    state = Layout.from_environ(os.environ).state / "exhibitor"
    try:
        print(json.dumps(_COMMANDS[given.command](given, state)))
    except (Damaged, OSError) as error:
        print(f"dcos-exhibitor backup {given.command}: {error}", file=sys.stderr)
        return EXIT_DAMAGED
    except Taken as error:
        print(f"dcos-exhibitor backup {given.command}: {error}", file=sys.stderr)
        return EXIT_RUNNING
    return 0


def _make(given: argparse.Namespace, state: Path) -> object:
    os.nice(_NICE)
    into, now = _backups(given, state), SystemClock().now()
    made = archive.make(folders_below(state), into, now=now)
    if made is not None and os.geteuid() == 0:
        owner = state.stat()  # what root makes, dcos-exhibitor prunes
        for path in (into, into / made.name):
            os.chown(path, owner.st_uid, owner.st_gid)
    gone = archive.prune(into, now=now, max_age_s=given.max_age)
    return {"made": None if made is None else asdict(made), "deleted": list(gone)}


def _list(given: argparse.Namespace, state: Path) -> object:
    return [asdict(one) for one in archive.listed(_backups(given, state))]


def _check(given: argparse.Namespace, state: Path) -> object:
    return asdict(archive.check(given.file))


def _verify(given: argparse.Namespace, state: Path) -> object:
    return asdict(archive.check_data(folders_below(state)))


def _restore(given: argparse.Namespace, state: Path) -> object:
    with held(state):
        pid = running_pid(state / "zookeeper.pid")
        if pid is not None:
            raise Taken(f"ZooKeeper (pid {pid}) still runs on {state}")
        whole, aside = archive.restore(given.file, folders_below(state), now=SystemClock().now())
    return {**asdict(whole), "before": [str(path) for path in aside]}


def _clean(given: argparse.Namespace, state: Path) -> object:
    os.nice(_NICE)
    return {"deleted": list(archive.clean(folders_below(state), given.keep))}


_COMMANDS = {"make": _make, "list": _list, "check": _check, "verify": _verify, "restore": _restore, "clean": _clean}


def _backups(given: argparse.Namespace, state: Path) -> Path:
    return given.folder if given.folder is not None else state / "backups"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dcos-exhibitor backup", description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("make", "make a backup now"), ("list", "list backups, newest first")):
        one = commands.add_parser(name, help=text)
        one.add_argument("--folder", type=Path, help="of backups (default: backups in the state folder)")
        if name == "make":
            one.add_argument(
                "--max_age", type=float, default=0.0, help="seconds; older ones go, never the newest; 0: none"
            )
    for name, text in (
        ("check", "read a backup whole, with all checksums"),
        ("restore", "put a backup in the place of ZooKeeper's data; dcos-exhibitor must be stopped"),
    ):
        commands.add_parser(name, help=text).add_argument("file", type=Path)
    commands.add_parser("verify", help="read this master's ZooKeeper data whole, with all checksums")
    clean = commands.add_parser("clean", help="delete snapshots and logs that are no longer needed")
    clean.add_argument("--keep", type=_whole_number, default=3, help="whole snapshots that stay (default: 3)")
    return parser


def _whole_number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
