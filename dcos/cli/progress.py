"""How far long work is: on a terminal one line that changes, elsewhere a line for each thing that happened, on stderr."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

import click


class Bar:
    """``with Bar("Downloading x") as bar: bar.bytes(n)``. Silent where stderr is no terminal."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = ""
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        self.say("")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            click.echo(err=True)

    def bytes(self, count: int) -> None:
        self.say(f"{count / 2**20:.1f} MiB")

    def say(self, text: str) -> None:
        """Replace what the line says."""
        line = f"{self._title} {text}".rstrip()
        if self._live and line != self._shown:
            click.echo("\r" + line + " " * max(0, len(self._shown) - len(line)), err=True, nl=False)
            self._shown = line


class Steps:
    """What is waited for: ``say`` is shown whenever it differs from what was said last."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, text: str) -> None:
        if text != self._last:
            click.echo(text, err=True)
            self._last = text
