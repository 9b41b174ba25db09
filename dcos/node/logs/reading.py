"""A way through the journal: from where a query begins, entry by entry. Blocking: call it in a thread."""

from __future__ import annotations

from pathlib import Path

from dcos.node.core.log_query import Query
from dcos.runtime.journal import BadCursor, Entry, Journal, JournalError

_AT_ONCE = 256
_BYTES_AT_ONCE = 256 * 1024


class Reading:
    """``skipped_forward`` and ``skipped_back`` are how many entries there were to skip.   Errors of everything: JournalError."""

    def __init__(self, folder: Path | None, query: Query) -> None:
        self._folder = folder
        self._query = query
        self._journal = _opened(folder, query)
        self._step = self._journal.back if query.reverse else self._journal.forward
        self._left = query.limit or None
        self._last: str | None = None
        self.skipped_forward = self.skipped_back = 0
        try:
            self._on_entry = self._begin()
            """Whether we stand on one that is to be read."""
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._journal.close()

    def _begin(self) -> bool:
        query, journal = self._query, self._journal
        if query.tail:
            journal.to_tail()
            ahead = 1 if query.reverse else 0
            moved = journal.back(query.back + ahead)
            self.skipped_back = max(0, moved - ahead)
            if not moved:  # nothing there yet: whatever comes is new
                journal.to_head()
            return moved > (query.back if query.reverse else 0)
        if query.cursor is None:
            journal.to_head()
        else:
            journal.to_cursor(query.cursor)
        moved = journal.forward(1 + query.forward)
        self.skipped_forward = max(0, moved - 1)
        on_entry = moved == 1 + query.forward
        if query.back:
            if query.cursor is not None and not moved:  # it lies behind everything there is
                journal.to_tail()
            self.skipped_back = journal.back(query.back)
            on_entry = on_entry or self.skipped_back > 0
        return on_entry

    def batch(self) -> list[Entry]:
        """The next ones, none at the end (of now: what comes later can be had later)."""
        found: list[Entry] = []
        size = 0
        while len(found) < _AT_ONCE and size < _BYTES_AT_ONCE and self._left != 0:
            if not self._on_entry and not self._step(1):
                break
            self._on_entry = False
            try:
                entry = self._journal.entry()
            except JournalError:  # this one is damaged; the next need not be
                continue
            found.append(entry)
            size += sum(map(len, entry.fields.values()))
            self._last = entry.cursor
            if self._left is not None:
                self._left -= 1
        return found

    def again(self) -> None:
        """Files came or went: open them anew, and stand where we stood."""
        fresh = _opened(self._folder, self._query)
        try:
            if self._last is None:
                fresh.to_head()
                on_entry = False
            else:
                fresh.to_cursor(self._last)
                # who was thrown away meanwhile is not there: then this is a newer one
                on_entry = fresh.forward(1) > 0 and not fresh.is_at(self._last)
        except BaseException:
            fresh.close()
            raise
        self._journal.close()
        self._journal, self._step, self._on_entry = fresh, fresh.forward, on_entry


def _opened(folder: Path | None, query: Query) -> Journal:
    journal = Journal(folder)
    try:
        for field, value in query.matches:
            journal.match(field, value)
            journal.also()
        if query.unit:
            journal.match("_SYSTEMD_UNIT", query.unit)
            journal.alternatively()
            journal.match("UNIT", query.unit)
    except BaseException:
        journal.close()
        raise
    return journal


def values(folder: Path | None, field: str, limit: int) -> list[str]:
    """Every value of a field, at most ``limit``.   Errors: JournalError."""
    found: list[str] = []
    with Journal(folder) as journal:
        for value in journal.unique(field):
            found.append(value)
            if len(found) >= limit:
                break
    return sorted(found)


__all__ = ["BadCursor", "Reading", "values"]
