"""journald's files, read by the node's own libsystemd: whatever format this node's journald writes, its library knows.

A ``Journal`` is one place in the journal, for one thread at a time; its calls read files, so an event loop calls them in a
thread. Following needs no inotify instance for each reader (a user has only 128): ``Watch`` has one, and tells everybody.
Source: sd_journal_open(3), sd_journal_next(3), sd_journal_seek_head(3), sd_journal_get_data(3), sd_journal_query_unique(3).
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_LIBRARY = "libsystemd.so.0"
_LOCAL_ONLY = 1
_INVALIDATE = 2
LONGEST_FIELD = 64 * 1024
"""Bytes of ``FIELD=value``; the rest is cut off."""

_Handle = c_void_p
_CALLS: dict[str, tuple[Any, ...]] = {
    "open": (POINTER(_Handle), c_int),
    "open_directory": (POINTER(_Handle), c_char_p, c_int),
    "set_data_threshold": (_Handle, c_size_t),
    "add_match": (_Handle, c_char_p, c_size_t),
    "add_conjunction": (_Handle,),
    "add_disjunction": (_Handle,),
    "seek_head": (_Handle,),
    "seek_tail": (_Handle,),
    "seek_cursor": (_Handle, c_char_p),
    "test_cursor": (_Handle, c_char_p),
    "next_skip": (_Handle, c_uint64),
    "previous_skip": (_Handle, c_uint64),
    "get_cursor": (_Handle, POINTER(c_void_p)),
    "get_realtime_usec": (_Handle, POINTER(c_uint64)),
    "get_monotonic_usec": (_Handle, POINTER(c_uint64), c_void_p),
    "restart_data": (_Handle,),
    "enumerate_available_data": (_Handle, POINTER(c_void_p), POINTER(c_size_t)),
    "query_unique": (_Handle, c_char_p),
    "restart_unique": (_Handle,),
    "enumerate_available_unique": (_Handle, POINTER(c_void_p), POINTER(c_size_t)),
    "wait": (_Handle, c_uint64),
}
_WITHOUT_RESULT = ("close", "restart_data", "restart_unique")


class JournalError(Exception):
    """The journal cannot be read; the text says why."""


class BadCursor(JournalError):
    """That text is no cursor."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. Times in microseconds: Unix, and since the boot that wrote it."""

    fields: dict[str, str]
    cursor: str
    realtime_us: int
    monotonic_us: int


@functools.cache
def _library() -> dict[str, Any]:
    """Errors: JournalError."""
    try:
        loaded = ctypes.CDLL(_LIBRARY)
        calls = {}
        for name, arguments in (*_CALLS.items(), ("close", (_Handle,))):
            call = loaded[f"sd_journal_{name}"]
            call.argtypes = arguments
            call.restype = None if name in _WITHOUT_RESULT else c_int
            calls[name] = call
    except (OSError, AttributeError) as error:
        raise JournalError(f"{_LIBRARY}: {error}") from error
    libc = ctypes.CDLL(None)
    calls["free"] = libc.free
    libc.free.argtypes, libc.free.restype = (c_void_p,), None
    return calls


class Journal:
    """``folder`` None: this machine's.   Errors of everything: JournalError."""

    def __init__(self, folder: Path | None = None) -> None:
        self._calls = _library()
        self._handle = _Handle()
        if folder is None:
            self._do("open", byref(self._handle), _LOCAL_ONLY)
        else:
            self._do("open_directory", byref(self._handle), os.fsencode(folder), 0)
        self._on("set_data_threshold", LONGEST_FIELD)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Twice is as good as once."""
        handle, self._handle = self._handle, _Handle()
        if handle:
            self._calls["close"](handle)

    def _do(self, name: str, *arguments: Any) -> int:
        result = int(self._calls[name](*arguments))
        if result < 0:
            raise JournalError(f"sd_journal_{name}: {os.strerror(-result)}")
        return result

    def _on(self, name: str, *arguments: Any) -> int:
        return self._do(name, self._handle, *arguments)

    # ---- what is looked at

    def match(self, field: str, value: str) -> None:
        """Only entries of this value; several of one field: any of them."""
        data = f"{field}={value}".encode()
        self._on("add_match", data, len(data))

    def also(self) -> None:
        """What was matched so far holds, and what comes now too."""
        self._on("add_conjunction")

    def alternatively(self) -> None:
        """What was matched since ``also`` holds, or what comes now."""
        self._on("add_disjunction")

    # ---- where

    def to_head(self) -> None:
        """Before the oldest entry."""
        self._on("seek_head")

    def to_tail(self) -> None:
        """Behind the newest entry."""
        self._on("seek_tail")

    def to_cursor(self, cursor: str) -> None:
        """Before the entry of that cursor, or where it would be.   Errors: BadCursor."""
        try:
            self._on("seek_cursor", cursor.encode())
        except JournalError as error:
            raise BadCursor(f"{cursor!r} is no cursor of a journal") from error

    def is_at(self, cursor: str) -> bool:
        """Whether this entry is the one of that cursor."""
        return self._on("test_cursor", cursor.encode()) > 0

    def forward(self, count: int = 1) -> int:
        """Onto the ``count``-th next entry, or the last there is; how many that were."""
        return self._on("next_skip", count) if count else 0

    def back(self, count: int = 1) -> int:
        """The same towards older entries."""
        return self._on("previous_skip", count) if count else 0

    # ---- what is there

    def entry(self) -> Entry:
        """The one that ``forward`` or ``back`` led to."""
        realtime, monotonic, text = c_uint64(), c_uint64(), c_void_p()
        boot = (ctypes.c_uint8 * 16)()
        self._on("get_realtime_usec", byref(realtime))
        self._on("get_monotonic_usec", byref(monotonic), byref(boot))
        self._on("get_cursor", byref(text))
        try:
            cursor = ctypes.string_at(text).decode()
        finally:
            self._calls["free"](text)
        fields: dict[str, str] = {}
        self._calls["restart_data"](self._handle)
        for data in self._values("enumerate_available_data"):
            name, _, value = data.partition(b"=")
            fields[name.decode(errors="replace")] = value.decode(errors="replace")
        return Entry(fields, cursor, realtime.value, monotonic.value)

    def unique(self, field: str) -> Iterator[str]:
        """Every value that the field has anywhere, whatever is matched."""
        self._on("query_unique", field.encode())
        self._calls["restart_unique"](self._handle)
        for data in self._values("enumerate_available_unique"):
            yield data.partition(b"=")[2].decode(errors="replace")

    def _values(self, call: str) -> Iterator[bytes]:
        data, size = c_void_p(), c_size_t()
        while self._on(call, byref(data), byref(size)) > 0:
            yield ctypes.string_at(data, min(size.value, LONGEST_FIELD))

    # ---- following

    def wait(self, timeout_s: float) -> tuple[bool, bool]:
        """(whether something came, whether files came or went), at the latest after ``timeout_s``."""
        result = self._on("wait", int(timeout_s * 1e6))
        return result > 0, result == _INVALIDATE


class Watch:
    """Tells everybody when the journal grew. ``generation`` counts how often its files changed: who reads then opens it anew."""

    _TURN_S = 0.5

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ending = threading.Event()
        self.generation = 0

    async def run(self) -> None:
        """For ever.   Errors: JournalError."""
        ended: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._follow, args=(ended,), name="journal", daemon=True).start()
        try:
            await asyncio.shield(ended)
        finally:
            self._ending.set()
            if not ended.done():
                await asyncio.wait({ended})

    def changed(self) -> Callable[[], Awaitable[object]]:
        """What waits until it grew after this call: take it, look once more, then wait."""
        return self._changed.wait

    def _follow(self, ended: asyncio.Future[None]) -> None:
        trouble: JournalError | None = None
        try:
            with Journal(self._folder) as journal:
                journal.to_tail()
                journal.back()
                while not self._ending.is_set():
                    came, files = journal.wait(self._TURN_S)
                    if came:
                        self._loop.call_soon_threadsafe(self._tell, files)
        except JournalError as error:
            trouble = error
        self._loop.call_soon_threadsafe(_end, ended, trouble)

    def _tell(self, files: bool) -> None:
        self.generation += files
        told, self._changed = self._changed, asyncio.Event()
        told.set()


def _end(ended: asyncio.Future[None], trouble: JournalError | None) -> None:
    if ended.done():
        return
    if trouble is None:
        ended.set_result(None)
    else:
        ended.set_exception(trouble)
