"""Settings of a service: one frozen dataclass is the table, from which flags, environment and help follow.

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Config:
        port: int = setting(5050, "Port to listen on.")
        zk: str = setting(REQUIRED, "ZooKeeper URL, zk://host:port,.../path.")
        offer_timeout: float | None = setting(None, "...", parse=duration)

Sources, later ones win: default, ``<PREFIX><NAME>`` environment, command line. Forms: ``--name=value``, ``--name value``,
``--name`` and ``--no-name`` for booleans; a value ``file:///path`` is read from that file. Unknown flags are refused, unknown
variables ignored. ``--help`` shows every row, its default in the form that the flag takes; ``--version`` the release. All
mistakes are reported together.   Source: flag syntax of Mesos (stout flags) and Marathon (scallop).
"""

from __future__ import annotations

import dataclasses
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TypeVar

from dcos.model.durations import text as duration_text

C = TypeVar("C")
T = TypeVar("T")

REQUIRED: Final[Any] = object()
"""Default of a setting that must be given."""


class SettingsError(Exception):
    """Bad settings; ``problems`` has one ``name: rule`` line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class HelpWanted(Exception):
    """``--help`` or ``--version`` was given; ``text`` answers it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def setting(
    default: Any,
    help: str,
    *,
    parse: Callable[[str], Any] | None = None,
    secret: bool = False,
    metavar: str | None = None,
    environ: str | None = None,
    flags: tuple[str, ...] = (),
    shown: str | None = None,
    raw: bool = False,
    inert: bool = False,
    text: Callable[[Any], str] | None = None,
) -> Any:
    """One row. ``parse`` turns text into the value (derived from the annotation otherwise); a ``secret`` is never shown
    and cannot be given on the command line (processes' arguments are public): only by environment or ``file://``.
    ``environ`` is a full variable name beside the prefixed one; ``flags`` are further names without dashes; ``shown`` is the
    default as text, where it does not follow from the value; ``raw``: ``parse`` itself reads ``file://``; ``inert``: taken so
    that existing command lines work, without effect (see ``without_effect``); ``text`` turns a value into what ``flag_texts``
    shows, where ``str`` does not."""
    metadata = {
        "help": help,
        "parse": parse,
        "secret": secret,
        "metavar": metavar,
        "environ": environ,
        "flags": flags,
        "shown": shown,
        "raw": raw,
        "inert": inert,
        "text": text,
        "required": default is REQUIRED,
    }
    if default is REQUIRED:
        return dataclasses.field(default=typing.cast(Any, None), metadata=metadata)
    if isinstance(default, list | dict | set):
        raise TypeError("defaults are immutable: use a tuple")
    return dataclasses.field(default=default, metadata=metadata)


# ---- parsers: text to value, ValueError with the rule ----------------------------------------------------------------

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "sec": 1.0,
    "s": 1.0,
    "mins": 60.0,
    "min": 60.0,
    "hrs": 3600.0,
    "hr": 3600.0,
    "days": 86400.0,
    "day": 86400.0,
    "weeks": 604800.0,
    "week": 604800.0,
}


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("must be true or false")


def integer(text: str) -> int:
    try:
        return int(text, 10)
    except ValueError:
        raise ValueError("must be an integer") from None


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("must be a number") from None


def port(text: str) -> int:
    value = integer(text)
    if not 0 <= value <= 65535:
        raise ValueError("must be a port, 0 to 65535")
    return value


def duration(text: str) -> float:
    """``10secs``, ``1.5hrs``, ``2weeks`` to seconds.   Source: Mesos duration text form."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-z]+)\s*", text)
    if not match or match[2] not in _UNITS:
        raise ValueError("must be a number and a unit of ns, us, ms, secs, mins, hrs, days, weeks")
    return float(match[1]) * _UNITS[match[2]]


def milliseconds(text: str) -> float:
    """A plain count of milliseconds (Marathon's flags) to seconds."""
    return integer(text) / 1000.0


def whole_seconds(text: str) -> float:
    """A plain count of seconds."""
    return float(integer(text))


def comma_list(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def one_of(*allowed: str) -> Callable[[str], str]:
    """A parser that takes only these words."""

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return parse


def features(known: frozenset[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of comma separated names that takes only ``known`` ones."""

    def parse(text: str) -> tuple[str, ...]:
        names = comma_list(text)
        unknown = sorted(set(names) - known)
        if unknown:
            raise ValueError(f"unknown features {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        return names

    return parse


def path(text: str) -> Path:
    if not text:
        raise ValueError("must be a path")
    return Path(text)


def contents(text: str) -> str:
    """What a flag says, or the file that it names as ``file:///path`` or ``/path``.   Errors: ValueError, OSError."""
    name = text.removeprefix("file://")
    if not name.startswith("/"):
        return text
    return Path(name).read_text(encoding="utf-8")


_PARSERS: Mapping[type, Callable[[str], Any]] = {bool: boolean, int: integer, float: number, str: str, Path: path}


# ---- loading ---------------------------------------------------------------------------------------------------------


def load(config: type[C], argv: Sequence[str], environ: Mapping[str, str], *, prefix: str, prog: str = "") -> C:
    """Make a ``config`` from its table.   Errors: SettingsError, HelpWanted."""
    rows = {row.name: row for row in dataclasses.fields(config)}  # type: ignore[arg-type]
    kinds = typing.get_type_hints(config)
    names = {alias: row.name for row in rows.values() for alias in (row.name, *row.metadata["flags"])}
    problems: list[str] = []
    given: dict[str, Any] = {}

    def take(name: str, text: str, said: str) -> None:
        row = rows[name]
        parse = row.metadata["parse"] or _parser_of(kinds[name])
        try:
            if text.startswith("file://") and not row.metadata["raw"]:
                text = Path(text.removeprefix("file://")).read_text(encoding="utf-8").strip()
            given[name] = parse(text)
        except (ValueError, OSError) as error:
            problems.append(f"{said}: {error}")

    for row in rows.values():
        aliases = (*row.metadata["flags"], row.name)
        for variable in (*(prefix + alias.upper() for alias in aliases), row.metadata["environ"]):
            if variable and variable in environ:
                take(row.name, environ[variable], variable)

    words = list(argv)
    while words:
        word = words.pop(0)
        if word in ("--help", "-h"):
            raise HelpWanted(usage(config, prefix=prefix, prog=prog))
        if word == "--version":
            raise HelpWanted(f"{prog} {version('dcos')}")
        if not word.startswith("--") or word == "--":
            problems.append(f"{word}: unexpected argument, flags look like --name=value")
            continue
        flag, equals, value = word[2:].partition("=")
        flag = flag.replace("-", "_")
        name = names.get(flag)
        if name is None and flag.startswith("no_") and not equals:
            name = names.get(flag.removeprefix("no_"))
            if name and _is_boolean(kinds[name]):
                given[name] = False
                continue
            name = None
        if name is None:
            problems.append(f"--{flag}: unknown flag")
            continue
        if not equals:
            if _is_boolean(kinds[name]) and not (words and words[0].lower() in _TRUE | _FALSE):
                given[name] = True
                continue
            if not words:
                problems.append(f"--{flag}: needs a value")
                continue
            value = words.pop(0)
        if rows[name].metadata["secret"] and not value.startswith("file://"):
            problems.append(
                f"--{flag}: a secret is given by {prefix}{name.upper()} or file:///path, not as an argument"
            )
            continue
        take(name, value, f"--{flag}")

    problems += [
        f"--{row.name}: is required (or {prefix}{row.name.upper()} in the environment)"
        for row in rows.values()
        if row.metadata["required"] and row.name not in given and not any(f"{row.name}:" in p for p in problems)
    ]
    if problems:
        raise SettingsError(problems)
    return config(**given)


def flag_texts(config: Any) -> dict[str, str]:
    """All settings as texts, by name; unset and secret ones left out.   Source: the ``/flags`` of Mesos."""
    out = {}
    for row in sorted(dataclasses.fields(config), key=lambda one: one.name):
        value = getattr(config, row.name)
        if value is None or value == () or row.metadata["secret"]:
            continue
        if row.metadata["text"] is not None:
            out[row.name] = row.metadata["text"](value)
        elif isinstance(value, bool):
            out[row.name] = str(value).lower()
        elif row.metadata["parse"] is duration:
            out[row.name] = duration_text(value)
        else:
            out[row.name] = ",".join(value) if isinstance(value, tuple) else str(value)
    return out


def without_effect(config: Any) -> dict[str, str]:
    """Settings that were given another value than the default and do nothing here: name to why."""
    return {
        row.name: row.metadata["help"]
        for row in dataclasses.fields(config)
        if row.metadata["inert"] and getattr(config, row.name) != row.default
    }


def usage(config: type[Any], *, prefix: str, prog: str) -> str:
    """The ``--help`` text: every flag, what it is for, its default and its variable."""
    lines = [f"Usage: {prog} [--flag=value ...]", ""]
    for row in dataclasses.fields(config):
        meta = row.metadata
        default = "required" if meta["required"] else meta["shown"] or _shown(row.default, meta["parse"])
        kind = meta["metavar"] or ("[no-]" if isinstance(row.default, bool) else "VALUE")
        flag = f"  --[no-]{row.name}" if kind == "[no-]" else f"  --{row.name}={kind}"
        lines.append(flag)
        lines += textwrap.wrap(
            f"{meta['help']} (default: {default}; {prefix}{row.name.upper()})",
            100,
            initial_indent="      ",
            subsequent_indent="      ",
        )
    return "\n".join(lines)


def _shown(value: object, parse: Callable[[str], Any] | None) -> str:
    if value is None or value in ("", ()):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and parse is duration:
        return duration_text(value)
    if isinstance(value, float) and parse is milliseconds:
        return f"{value * 1000:g}"
    return ",".join(str(part) for part in value) if isinstance(value, tuple) else str(value)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(part for part in typing.get_args(kind) if part is not type(None))
    return (kind,)


def _is_boolean(kind: Any) -> bool:
    return _alternatives(kind) == (bool,)


def _parser_of(kind: Any) -> Callable[[str], Any]:
    first = _alternatives(kind)[0]
    if typing.get_origin(first) is tuple:
        return comma_list
    if first not in _PARSERS:
        raise TypeError(f"no parser for {kind}: give parse=")
    return _PARSERS[first]


def load_or_exit(config: type[C], argv: Sequence[str], environ: Mapping[str, str], *, prefix: str, prog: str) -> C:
    """As ``load``, for a console: prints help (exit 0) or all mistakes (exit 2)."""
    try:
        return load(config, argv, environ, prefix=prefix, prog=prog)
    except HelpWanted as wanted:
        print(wanted.text)
        raise SystemExit(0) from None
    except SettingsError as error:
        for problem in error.problems:
            print(f"{prog}: {problem}", file=sys.stderr)
        print(f"{prog}: see --help", file=sys.stderr)
        raise SystemExit(2) from None
