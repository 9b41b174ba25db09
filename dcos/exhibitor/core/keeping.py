"""Which data files make a whole backup, which may go, and which backups stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dcos.exhibitor.core.datafiles import Damaged, Log, Snapshot

_EPOCH_BITS = 32
"""A zxid is a leader's epoch and its counter below."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A snapshot and the logs that go on from it, oldest first, by the zxids in their names."""

    snapshot: int
    logs: tuple[int, ...]
    last: int
    """The zxid that the data goes up to."""


def needed_logs(snapshot: int, logs: Iterable[int]) -> tuple[int, ...]:
    """Of logs by the zxid in their names: the last one that begins at or before ``snapshot``, and all later ones."""
    ordered = sorted(logs)
    before = [zxid for zxid in ordered if zxid <= snapshot]
    return tuple((before[-1:]) + [zxid for zxid in ordered if zxid > snapshot])


def select(snapshots: Mapping[int, Snapshot | Damaged], logs: Mapping[int, Log | Damaged]) -> Whole:
    """The newest snapshot that is whole with whole logs behind it. Keys: zxids in the names.

    Errors: Damaged, with the reasons of all snapshots.
    """
    reasons = []
    for zxid in sorted(snapshots, reverse=True):
        found = snapshots[zxid]
        try:
            if isinstance(found, Damaged):
                raise found
            names = needed_logs(zxid, logs)
            return Whole(zxid, names, _last(found.zxid, found.newest, [(name, logs[name]) for name in names]))
        except Damaged as error:
            reasons.append(f"snapshot.{zxid:x}: {error}")
    raise Damaged("; ".join(reasons) or "there is no snapshot")


def _last(zxid: int, newest: int, logs: Sequence[tuple[int, Log | Damaged]]) -> int:
    """Counters go up by one within an epoch: what is missing between two logs of one is seen, between epochs it is not."""
    last = zxid
    for name, log in logs:
        if isinstance(log, Damaged):
            raise Damaged(f"log.{name:x} {log}")
        if name > last + 1 and name >> _EPOCH_BITS == last >> _EPOCH_BITS:
            raise Damaged(f"transactions {last + 1:x} to {name - 1:x} are missing before log.{name:x}")
        last = max(last, log.last)
    if last < newest:
        raise Damaged(f"it holds changes up to zxid {newest:x}, the logs end at {last:x}")
    return last


def superfluous(snapshots: Iterable[int], logs: Iterable[int], keep: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(snapshots, logs) that may be deleted when the newest ``keep`` whole ``snapshots`` stay with what they need.

    ``snapshots``: whole ones only; with fewer than ``keep`` nothing goes.
    """
    ordered = sorted(snapshots, reverse=True)
    if keep < 1 or len(ordered) < keep:
        return (), ()
    listed = tuple(logs)
    oldest = ordered[keep - 1]
    stay = set(needed_logs(oldest, listed))
    return tuple(sorted(ordered[keep:])), tuple(sorted(zxid for zxid in listed if zxid not in stay))


def outdated(backups: Mapping[str, float], now: float, max_age_s: float) -> tuple[str, ...]:
    """Names of backups, given with their times, older than ``max_age_s``. The newest always stays; 0 keeps all."""
    if not backups or max_age_s <= 0:
        return ()
    newest = max(backups, key=lambda name: (backups[name], name))
    return tuple(sorted(name for name, when in backups.items() if now - when > max_age_s and name != newest))
