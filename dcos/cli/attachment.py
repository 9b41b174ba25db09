"""This terminal (or these pipes) joined to a process in a container.

Three threads at most: one prints, one sends, one reads the keys. The escape sequence, Ctrl-P Ctrl-Q unless
DCOS_TASK_ESCAPE_SEQUENCE names another, leaves.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import socket
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from typing import Any, Final

from dcos.cli.output import fail
from dcos.client.adminrouter.containers import HEARTBEAT_S, Containers, Output, heartbeat, resized, shut, typed
from dcos.client.adminrouter.failures import ClientError

Json = dict[str, Any]
ESCAPE: Final = b"\x10\x11"
ESCAPE_VARIABLE: Final = "DCOS_TASK_ESCAPE_SEQUENCE"


def escape_keys(text: str | None) -> bytes:
    """Of ``ctrl-p,ctrl-q`` or single characters with commas between.   Errors: ClickException."""
    if not text:
        return ESCAPE
    keys = b""
    for one in text.split(","):
        letter = one.strip().lower().removeprefix("ctrl-")
        if one.strip().lower() != letter and len(letter) == 1 and "a" <= letter <= "z":
            keys += bytes([ord(letter) - ord("a") + 1])
        elif len(one) == 1 and one.isascii():
            keys += one.encode()
        else:
            fail(
                f"{ESCAPE_VARIABLE}: '{one}' is no key: single characters and ctrl-a to ctrl-z are, with commas between"
            )
    return keys


class Escape:
    """Looks for the escape sequence in what is typed."""

    def __init__(self, sequence: bytes = ESCAPE) -> None:
        self._sequence = sequence
        self._held = b""
        self.found = False

    def pass_on(self, data: bytes) -> bytes:
        """What may go on; a beginning of the sequence is held back until it is sure that it is none."""
        data = self._held + data
        self._held = b""
        place = data.find(self._sequence)
        if place >= 0:
            self.found = True
            return data[:place]
        for length in range(len(self._sequence) - 1, 0, -1):
            if data.endswith(self._sequence[:length]):
                self._held = data[-length:]
                return data[:-length]
        return data


def window() -> Json:
    """The message with this terminal's size."""
    size = shutil.get_terminal_size()
    return resized(size.lines, size.columns)


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Give every key to the other side. Restores the terminal."""
    before = termios.tcgetattr(descriptor)
    try:
        # what was typed ahead is not thrown away
        tty.setraw(descriptor, termios.TCSADRAIN)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Attachment:
    """``keys``: send what is typed; ``on_terminal``: the other side has a terminal, which follows this one's size."""

    def __init__(
        self,
        containers: Containers,
        container_id: Json,
        output: Output,
        *,
        keys: bool,
        on_terminal: bool,
        escape: bytes = ESCAPE,
    ) -> None:
        self._containers = containers
        self._container_id = container_id
        self._output = output
        self._keys = keys
        self._escape = escape
        self._on_terminal = on_terminal
        self._messages: queue.SimpleQueue[Json | None] = queue.SimpleQueue()
        self._opened: list[socket.socket] = []
        self._trouble: ClientError | None = None
        self._over = False
        self.detached = False

    def run(self) -> None:
        """Until the process ends or the user leaves.   Errors: ClientError."""
        if self._on_terminal:
            self._messages.put(window())
            signal.signal(signal.SIGWINCH, lambda *_: self._messages.put(window()))
        if self._keys or self._on_terminal:
            threading.Thread(target=self._send, name="send", daemon=True).start()
        if self._keys:
            threading.Thread(target=self._read, name="keys", daemon=True).start()
        try:
            with raw(sys.stdin.fileno()) if self._on_terminal and self._keys else contextlib.nullcontext():
                self._print()
        finally:
            self._over = True
            self._messages.put(None)
            if self._on_terminal:
                signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            for one in self._opened:
                shut(one)
        if self._trouble is not None:
            raise self._trouble

    def _print(self) -> None:
        try:
            for kind, data in self._output.chunks():
                stream = sys.stderr.buffer if kind == "STDERR" else sys.stdout.buffer
                stream.write(data)
                stream.flush()
        except ClientError:
            if not self.detached and self._trouble is None:
                raise

    def _send(self) -> None:
        try:
            self._containers.type(self._container_id, self._bodies(), self._opened)
        except ClientError as error:
            if not self._over:
                self._trouble = error
                self._output.close()

    def _bodies(self) -> Iterator[Json]:
        while True:
            try:
                message = self._messages.get(timeout=HEARTBEAT_S)
            except queue.Empty:
                message = heartbeat()
            if message is None:
                return
            yield message

    def _read(self) -> None:
        escape = Escape(self._escape)
        while not self._over:
            try:
                data = os.read(sys.stdin.fileno(), 65536)
            except OSError:
                data = b""
            if not data:
                if not self._on_terminal:
                    self._messages.put(typed(b""))
                    self._messages.put(None)
                return
            if self._on_terminal:
                data = escape.pass_on(data)
            if data:
                self._messages.put(typed(data))
            if escape.found:
                self.detached = True
                self._output.close()
                return
