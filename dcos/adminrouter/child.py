"""The decision service as a child: started, watched, started again.

Its listening socket for questions that wait is ours and outlives it. If it ends before it ever answered, there is no sense in
going on; later it is started again, at once and then ever more slowly. One that does not answer for long is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from dcos.adminrouter.asking import asked
from dcos.adminrouter.prepare import WAITING_FD
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_LOOK_S = 10.0
_SILENT_S = 30.0
"""A decision service that says nothing for so long is killed."""
_PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
"""Before it is started again; it begins anew once it has lived for a minute."""
_LIVED_S = 60.0
_STOP_S = 5.0


@contextlib.contextmanager
def waiting(path: Path, owner: tuple[int, int] | None) -> Iterator[socket.socket]:
    """The socket on which questions wait while nobody decides, for nginx (``owner``) alone."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        before = os.umask(0o177)
        try:
            listening.bind(str(path))
        finally:
            os.umask(before)
        if owner is not None:
            os.chown(path, *owner)
        listening.listen(1024)
        try:
            yield listening
        finally:
            path.unlink(missing_ok=True)


class Child:
    """``path``: where it will listen itself."""

    def __init__(self, path: Path, listening: socket.socket, *, clock: Clock, log: Logger) -> None:
        self._path = path
        self._listening = listening
        self._clock = clock
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False

    async def start(self) -> int | None:
        """Return when it answers: None, or the exit code with which it ended before."""
        self._path.unlink(missing_ok=True)
        process = await self._spawn()
        while process.returncode is None:
            if await asked(self._path, "/alive", timeout_s=1.0) is not None:
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await process.wait()
        return process.returncode

    async def keep(self) -> None:
        """Start it again whenever it ends, for ever."""
        tries = 0
        while not self._ending:
            assert self._process is not None
            begin = self._clock.monotonic()
            code = await self._watched(self._process)
            if self._ending:
                return
            tries = 0 if self._clock.monotonic() - begin > _LIVED_S else tries
            self._log.warning("decision_service_ended", code=code)
            await asyncio.sleep(_PAUSES_S[min(tries, len(_PAUSES_S) - 1)])
            tries += 1
            await self._spawn()

    async def end(self) -> None:
        self._ending = True
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        environment = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"}
        number = self._listening.fileno()
        self._process = await asyncio.create_subprocess_exec(
            *(
                "setpriv",
                "--pdeathsig",
                "TERM",
                "--",
                sys.executable,
                "-m",
                "dcos.adminrouter.decisions",
                *sys.argv[1:],
            ),
            stdin=asyncio.subprocess.DEVNULL,
            env={**environment, WAITING_FD: str(number)},
            pass_fds=(number,),
        )
        return self._process

    async def _watched(self, process: asyncio.subprocess.Process) -> int:
        """Wait for its end, and bring that about when it no longer answers."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    return await process.wait()
            if await asked(self._path, "/alive", timeout_s=_SILENT_S) is None and process.returncode is None:
                self._log.warning("decision_service_is_silent")
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGKILL)
