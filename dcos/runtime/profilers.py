"""``/profiler/*`` and ``/memory-profiler/*``: where a running process spends its time and its memory.

Time is taken by ``cProfile`` in the thread of the event loop, between start and stop; the answer to stop is a file for
``python -m pstats``. Memory is watched by ``tracemalloc`` from start on, for a while; it costs a few times what it watches.
Neither does anything until asked for, and both have to be enabled first: by ``LIBPROCESS_ENABLE_PROFILER=1`` in the
environment and by ``--memory_profiling``.

Source: libprocess' profiler and memory profiler (paths, texts, codes); upstream's files are those of gperftools and jemalloc.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import marshal
import tracemalloc
from collections.abc import Mapping

from aiohttp import web

from dcos.runtime.http_access import Handler
from dcos.runtime.mesos_http import json_body, text_response
from dcos.runtime.settings import duration

_LONGEST_S = 86400.0
_USUAL_S = 300.0
_FRAMES = 16
_SHOWN = 100
"""Places in code that a report of memory names."""


class TimeProfiler:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._enabled = environ.get("LIBPROCESS_ENABLE_PROFILER") == "1"
        self._running: cProfile.Profile | None = None

    async def start(self, _: web.Request) -> web.Response:
        if not self._enabled:
            return text_response(
                400,
                "The profiler is not enabled. To enable the profiler, libprocess must be started with "
                "LIBPROCESS_ENABLE_PROFILER=1 in the environment.\n",
            )
        if self._running is not None:
            return text_response(400, "Profiler already started.\n")
        profile = cProfile.Profile()
        try:
            profile.enable()
        except ValueError as error:
            return text_response(500, f"Failed to start profiler: {error}\n")
        self._running = profile
        return text_response(200, "Profiler started.\n")

    async def stop(self, _: web.Request) -> web.Response:
        if self._running is None:
            return text_response(400, "Profiler not running.\n")
        profile, self._running = self._running, None
        profile.disable()
        profile.create_stats()
        return web.Response(
            body=marshal.dumps(profile.stats),
            content_type="application/octet-stream",
            headers={"Content-Disposition": "attachment; filename=perftools.out"},
        )

    def handlers(self) -> dict[str, Handler]:
        return {"/profiler/start": self.start, "/profiler/stop": self.stop}


class MemoryProfiler:
    """Only there where it was asked for by flag."""

    def __init__(self) -> None:
        self._snapshot: tracemalloc.Snapshot | None = None
        self._until: asyncio.TimerHandle | None = None
        self._ends_at = 0.0

    async def start(self, request: web.Request) -> web.Response:
        """``duration``: 5mins where not given, at most a day."""
        text = request.query.get("duration")
        try:
            span = duration(text) if text is not None else _USUAL_S
        except ValueError as error:
            return text_response(400, f"Could not parse parameter 'duration': {error}.\n")
        if not 0 < span <= _LONGEST_S:
            return text_response(400, "Duration must be positive and at most 1days.\n")
        if tracemalloc.is_tracing():
            return text_response(409, "Heap profiling is already running.\n")
        self._snapshot = None
        tracemalloc.start(_FRAMES)
        loop = asyncio.get_running_loop()
        self._ends_at = loop.time() + span
        self._until = loop.call_later(span, self._end)
        return text_response(200, f"Successfully started heap profiling for {span:g} s.\n")

    async def stop(self, _: web.Request) -> web.Response:
        if not tracemalloc.is_tracing():
            return text_response(200, "Heap profiling not running.\n")
        self._end()
        return text_response(200, "Heap profiling stopped. Its result is at /memory-profiler/download/text.\n")

    def _end(self) -> None:
        if self._until is not None:
            self._until.cancel()
            self._until = None
        if tracemalloc.is_tracing():
            self._snapshot = tracemalloc.take_snapshot()
            tracemalloc.stop()

    async def text(self, _: web.Request) -> web.Response:
        """The places in code that hold most, with how they were reached."""
        taken = tracemalloc.take_snapshot() if tracemalloc.is_tracing() else self._snapshot
        if taken is None:
            return text_response(400, "No heap profile exists; see /memory-profiler/start.\n")
        lines = []
        for one in (await asyncio.to_thread(taken.statistics, "traceback"))[:_SHOWN]:
            lines += [f"{one.size} bytes in {one.count} blocks", *one.traceback.format(), ""]
        return text_response(200, "\n".join(lines))

    async def state(self, request: web.Request) -> web.Response:
        running = tracemalloc.is_tracing()
        left = max(0.0, self._ends_at - asyncio.get_running_loop().time()) if running else 0.0
        return json_body(request, {"profiling_active": running, "remaining_seconds": left, "jemalloc_detected": False})

    async def statistics(self, request: web.Request) -> web.Response:
        now, peak = tracemalloc.get_traced_memory()
        return json_body(
            request,
            {
                "traced_bytes": now,
                "traced_peak_bytes": peak,
                "profiler_bytes": tracemalloc.get_tracemalloc_memory(),
                "gc_objects": gc.get_count(),
                "gc": gc.get_stats(),
            },
        )

    def handlers(self) -> dict[str, Handler]:
        paths: dict[str, Handler] = {
            "start": self.start,
            "stop": self.stop,
            "download/text": self.text,
            "state": self.state,
            "statistics": self.statistics,
        }
        return {f"/memory-profiler/{path}": handler for path, handler in paths.items()}
