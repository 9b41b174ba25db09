"""Command groups that are imported only when they are used: the program must start quickly."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is not imported yet: ``target`` is ``module:attribute``, ``help`` its line in the listing."""

    target: str
    help: str


class LazyGroup(click.Group):
    """A group whose commands come from a table of entries; the listing needs no import."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.entries = dict(entries)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*self.entries, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = super().get_command(ctx, cmd_name)
        if known is not None or cmd_name not in self.entries:
            return known
        module, _, attribute = self.entries[cmd_name].target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, self.entries[name].help) for name in sorted(self.entries)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
