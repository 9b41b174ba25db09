"""Joins two terminals: ours, which people look at, and the one that runc makes for a program in its container.

Ours is raw meanwhile, so that what is typed means something there alone; its size is the other's too.
"""

import array
import contextlib
import fcntl
import os
import select
import signal
import socket
import termios
import tty
from types import TracebackType

SOCKET = "console"
"""In the working folder: where runc hands the master of the container's terminal over."""
_CHUNK = 65536


class Relay:
    """While it is entered. Children are waited for by ``until`` alone."""

    def __init__(self) -> None:
        self._master = -1
        self._typed = b""
        self._typing = True
        self._ends: dict[int, int] = {}
        self._before = termios.tcgetattr(0)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(SOCKET)
        self._door.listen(1)
        self._news, tell = os.pipe()
        os.set_blocking(self._news, False)
        os.set_blocking(tell, False)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGWINCH, lambda number, frame: self._fit())

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, self._before)

    def until(self, pid: int) -> int:
        """Relay until this child has ended; its status of wait(2)."""
        while True:
            self._reap()
            if pid in self._ends:
                while self._master >= 0 and self._ready(self._master):
                    self._show()
                return self._ends[pid]
            self._turn()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self._ends[ended[0]] = ended[1]

    def _turn(self) -> None:
        wanted = select.poll()
        wanted.register(self._news, select.POLLIN)
        if self._door.fileno() >= 0:
            wanted.register(self._door, select.POLLIN)
        if self._master >= 0:
            wanted.register(self._master, select.POLLIN | (select.POLLOUT if self._typed else 0))
            if self._typing and not self._typed:
                wanted.register(0, select.POLLIN)
        for one, what in wanted.poll():
            if one == self._news:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._news, _CHUNK)
            elif one == 0:
                self._type()
            elif one == self._door.fileno():
                self._take()
            elif one == self._master:
                self._carry(what)

    def _carry(self, what: int) -> None:
        if what & select.POLLOUT:
            self._pass_on()
        if what & ~select.POLLOUT:
            self._show()

    def _take(self) -> None:
        """The container's terminal is there."""
        with self._door.accept()[0] as runc:
            _, control, _, _ = runc.recvmsg(256, socket.CMSG_SPACE(4))
        for level, kind, data in control:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._master = array.array("i", data[:4])[0]
                os.set_blocking(self._master, False)
                self._fit()
                tty.setraw(0, termios.TCSANOW)
        self._door.close()
        os.unlink(SOCKET)

    def _fit(self) -> None:
        with contextlib.suppress(OSError):
            if self._master >= 0:
                fcntl.ioctl(self._master, termios.TIOCSWINSZ, fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))

    def _type(self) -> None:
        try:
            self._typed = os.read(0, _CHUNK)
        except OSError:
            self._typed = b""
        self._typing = bool(self._typed)
        self._pass_on()

    def _pass_on(self) -> None:
        """As much as the container takes now."""
        try:
            self._typed = self._typed[os.write(self._master, self._typed) :]
        except BlockingIOError:
            return
        except OSError:
            self._typed = b""

    def _show(self) -> None:
        try:
            shown = os.read(self._master, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            shown = b""
        if not shown:
            # nobody has it open any more
            os.close(self._master)
            self._master, self._typing, self._typed = -1, False, b""
            return
        with contextlib.suppress(OSError):
            while shown:
                shown = shown[os.write(1, shown) :]

    @staticmethod
    def _ready(descriptor: int) -> bool:
        look = select.poll()
        look.register(descriptor, select.POLLIN)
        return bool(look.poll(0))
