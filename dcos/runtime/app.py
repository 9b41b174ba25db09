"""The shell that every service runs in: settings, logs, one task group, readiness, a clean end.

Exit codes: 0 asked to stop; 1 unknown trouble (systemd restarts); 2 bad settings; others are a service's own table
(``Exit`` raised by it).
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, NoReturn, TypeVar

import uvloop

from dcos.model.layout import Layout
from dcos.runtime import log, notify, tls
from dcos.runtime.clock import Clock, SystemClock
from dcos.runtime.settings import load_or_exit

C = TypeVar("C")
_BAD_SETTINGS = 2


class Exit(Exception):
    """A service ends itself for a known reason: ``code`` is its exit status, ``reason`` is logged."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class App(Generic[C]):
    """What a service's ``run`` gets: its settings and the world."""

    def __init__(
        self,
        name: str,
        config: C,
        tasks: asyncio.TaskGroup,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.log = log.get_logger(name)
        self.clock: Clock = clock or SystemClock()
        self.rng = rng or random.Random()
        self.layout = layout or Layout.from_environ(os.environ)
        self._tasks = tasks
        self.stopping = asyncio.Event()
        self._ready = False

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run beside ``run``; if it fails, the process ends."""
        return self._tasks.create_task(work, name=name)

    def ready(self, status: str = "serving") -> None:
        """Tell systemd, once, that requests are answered from now on."""
        if not self._ready:
            self._ready = True
            notify.notify(f"READY=1\nSTATUS={status}")
            self.log.info("ready", status=status)
        else:
            self.status(status)

    def status(self, text: str) -> None:
        """The line that ``systemctl status`` shows."""
        notify.notify(f"STATUS={text}")

    def stop(self) -> None:
        """Ask the process to end with exit code 0: ``run`` and what it spawned are cancelled, once, and may clean up."""
        self.stopping.set()


async def serve(name: str, config: C, run: Callable[[App[C]], Awaitable[None]]) -> int:
    """Run until ``run`` returns, fails, or the process is asked to stop.   Returns the exit code.

    What the environment says of TLS (``tls.py``) holds before ``run`` begins.
    """
    logger = log.get_logger(name)
    loop = asyncio.get_running_loop()
    code = 0
    try:
        async with asyncio.TaskGroup() as tasks:
            app = App(name, config, tasks)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, app.stop)
            main_task = tasks.create_task(_secured(app, run), name=name)

            async def end() -> None:
                await app.stopping.wait()
                notify.notify("STOPPING=1")
                raise _Stop

            tasks.create_task(end(), name="stop")
            await main_task
            raise _Stop
    except* _Stop:
        logger.info("stopped")
    except* Exit as group:
        ending = _first(group)
        code = ending.code
        logger.warning("exit", code=code, reason=ending.reason)
    except* Exception:
        logger.exception("failed")
        code = 1
    return code


class _Stop(Exception):
    """Unwinds the task group: a signal came, or ``run`` returned."""


async def _secured(app: App[C], run: Callable[[App[C]], Awaitable[None]]) -> None:
    """Errors: Exit."""
    try:
        identity = await tls.begin(os.environ)
    except ValueError as error:
        raise Exit(_BAD_SETTINGS, str(error)) from error
    if identity is not None:
        app.spawn(tls.keep_fresh(identity), name="certificate")
    await run(app)


def _first(group: BaseExceptionGroup[Exit]) -> Exit:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def main(
    name: str,
    config: type[C],
    run: Callable[[App[C]], Awaitable[None]],
    *,
    prefix: str,
    argv: list[str] | None = None,
) -> int:
    """The console entry of a service: ``def main() -> int: return app.main("dcos-...", Config, run, prefix="...")``."""
    words = sys.argv[1:] if argv is None else argv
    settings = load_or_exit(config, words, os.environ, prefix=prefix, prog=name)
    log.configure(os.environ.get("DCOS_LOG_LEVEL", "INFO"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(name, settings, run))


def end(code: int) -> NoReturn:
    """End the process as it stands: to free a heap of a gigabyte object by object takes longer than everything else."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
