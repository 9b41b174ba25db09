"""What is printed: data on stdout, everything meant for a person's eye only on stderr."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from dcos.cli.context import Context


def emit_json(value: Any) -> None:
    """Indented by 4, as upstream's ``--json``."""
    click.echo(json.dumps(value, indent=4, ensure_ascii=False))


def emit_lines(lines: Iterable[str]) -> None:
    """One a line, nothing for none."""
    for line in lines:
        click.echo(line)


def notice(text: str) -> None:
    """A remark that is not data."""
    click.echo(text, err=True)


class Refusal(click.ClickException):
    """An error, and what may help against it."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def fail(text: str, hint: str = "") -> NoReturn:
    """End with ``Error: text``, ``Hint: hint`` where there is one, and exit status 1."""
    raise Refusal(text, hint)


def emit_table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """Columns padded with spaces; those named in ``right`` are aligned there. A cell of several lines takes several rows."""
    emit_lines(table(header, rows, right=right))


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> list[str]:
    """The lines of ``emit_table``."""
    cells = [[cell(value).split("\n") for value in row] for row in rows]
    widths = [
        max([len(name), *(len(line) for row in cells for line in row[index])]) for index, name in enumerate(header)
    ]

    def line(parts: Sequence[str]) -> str:
        padded = [
            part.rjust(width) if name in right else part.ljust(width)
            for part, width, name in zip(parts, widths, header, strict=True)
        ]
        return "  ".join(padded).rstrip()

    lines = [line(header)]
    for row in cells:
        for number in range(max(len(one) for one in row)):
            lines.append(line([one[number] if number < len(one) else "" for one in row]))
    return lines


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def cut(text: str, width: int) -> str:
    """At most ``width`` characters of the first line, ``...`` where something was left out."""
    first = text.split("\n", 1)[0]
    return text if first == text and len(text) <= width else f"{first[: width - 3]}..."


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Around what goes on until somebody leaves it: that is no error, and ends with 130 as a shell would say."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        raise click.exceptions.Exit(130) from None


def shown_instead(ctx: click.Context, context: Context) -> bool:
    """Print the help of a group that lists when no command is given, where the deprecated forms are not wanted."""
    strict = bool(context.environ.get("DCOS_CLI_STRICT_DEPRECATIONS"))
    if strict:
        click.echo(ctx.get_help())
    return strict
