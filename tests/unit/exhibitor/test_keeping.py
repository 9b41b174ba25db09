from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.exhibitor.core.datafiles import Damaged, Log, Snapshot
from dcos.exhibitor.core.keeping import Whole, needed_logs, outdated, select, superfluous


def log(first: int, last: int) -> Log:
    return Log(first, last, last - first + 1, 100, False, 0)


def snapshot(zxid: int, newest: int = 0) -> Snapshot:
    return Snapshot(zxid, max(zxid, newest), 3, 0)


def test_the_newest_snapshot_with_its_logs() -> None:
    assert select({4: snapshot(4), 9: snapshot(9)}, {1: log(1, 6), 7: log(7, 12), 13: log(13, 20)}) == Whole(
        9, (7, 13), 20
    )


def test_a_damaged_snapshot_is_passed_over_while_the_logs_reach_back() -> None:
    logs = {1: log(1, 6), 7: log(7, 12)}
    assert select({4: snapshot(4), 9: Damaged("has the wrong checksum")}, logs) == Whole(4, (1, 7), 12)


def test_a_snapshot_newer_than_the_logs_is_not_whole() -> None:
    with pytest.raises(Damaged, match="changes up to zxid f, the logs end at c"):
        select({9: snapshot(9, newest=15)}, {7: log(7, 12)})


def test_a_missing_log_is_seen() -> None:
    with pytest.raises(Damaged, match="transactions 7 to c are missing"):
        select({4: snapshot(4)}, {1: log(1, 6), 13: log(13, 20)})


def test_a_snapshot_from_the_leader_bridges_what_the_logs_lack() -> None:
    assert select({12: snapshot(12)}, {1: log(1, 6), 13: log(13, 20)}) == Whole(12, (1, 13), 20)


def test_counters_begin_anew_with_an_epoch() -> None:
    second = (1 << 32) + 1
    assert select({4: snapshot(4)}, {1: log(1, 6), second: log(second, second + 3)}).last == second + 3


@pytest.mark.parametrize("logs", [{}, {1: log(1, 6)}])
def test_without_a_snapshot_there_is_nothing(logs: dict[int, Log | Damaged]) -> None:
    with pytest.raises(Damaged, match="there is no snapshot"):
        select({}, logs)


def test_a_damaged_log_is_named() -> None:
    with pytest.raises(Damaged, match=r"snapshot\.4: log\.1 is broken"):
        select({4: snapshot(4)}, {1: Damaged("is broken")})


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(1, 5))
def test_what_stays_is_all_that_kept_snapshots_need(snapshots: set[int], logs: set[int], keep: int) -> None:
    old, gone = superfluous(snapshots, logs, keep)
    stay = snapshots - set(old)
    assert len(stay) == min(len(snapshots), max(keep, 0)) or not old
    for zxid in stay:
        assert not set(needed_logs(zxid, logs)) & set(gone)
    if stay:
        assert not old or max(old) < min(stay)


def test_backups_go_by_age_but_the_newest_stays() -> None:
    backups = {"a": 0.0, "b": 50.0, "c": 60.0}
    assert outdated(backups, 100.0, 45.0) == ("a", "b")
    assert outdated(backups, 1e9, 1.0) == ("a", "b")
    assert outdated(backups, 1e9, 0.0) == ()
    assert outdated({}, 1e9, 1.0) == ()
