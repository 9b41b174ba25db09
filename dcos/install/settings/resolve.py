"""From the user's input to every argument: fill in defaults, run calculations, check rules, gather all mistakes."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dcos.install.settings.table import KEYS, UNSUPPORTED, Key


@dataclass(frozen=True, slots=True)
class Resolved:
    """All arguments as strings, or the reasons why there are none. ``errors`` and ``warnings`` are (key, message)."""

    arguments: Mapping[str, str]
    errors: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    secrets: frozenset[str] = frozenset()

    def readable(self) -> dict[str, str]:
        """The arguments without secrets."""
        return {key: value for key, value in sorted(self.arguments.items()) if key not in self.secrets}


def load(path: Path) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """The user's ``config.yaml``, and what is wrong with it as a file."""
    try:
        data = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        return {}, ((path.name, f"there is no file {path}"),)
    except (yaml.YAMLError, UnicodeDecodeError) as trouble:
        return {}, ((path.name, f"is not YAML: {' '.join(str(trouble).split())}"),)
    if data is None:
        return {}, ()
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        return {}, ((path.name, "must be a map of keys to values"),)
    return data, ()


def as_text(value: object) -> str:
    """A value as the string that every setting is. Errors: ValueError for what has no such form."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | str():
            return str(value)
        case list() | dict():
            try:
                return json.dumps(value)
            except TypeError as trouble:
                raise ValueError(f"holds something that is no JSON: {trouble}") from None
        case None:
            raise ValueError("has no value; leave the key out to get its default")
        case _:
            raise ValueError(f"must be text, a number, true or false, a list or a map, not {type(value).__name__}")


def needs(function: Callable[..., Any]) -> tuple[str, ...]:
    """Settings that a rule or calculation takes: the names of its parameters."""
    declared: Sequence[str] = getattr(function, "settings", ())
    return tuple(declared) or tuple(inspect.signature(function).parameters)


@dataclass(slots=True)
class _Resolver:
    keys: Mapping[str, Key]
    values: dict[str, str]
    failed: set[str] = field(default_factory=set)
    errors: list[tuple[str, str]] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def value(self, name: str) -> str | None:
        """The value of a setting; None when it has none because of a mistake already noted."""
        if name in self.values:
            return self.values[name]
        if name in self.failed:
            return None
        if name in self.running:
            raise RuntimeError(f"the table is circular: {' -> '.join([*self.running, name])}")
        key = self.keys[name]
        self.running.append(name)
        made: str | None = key.default
        if key.calculated is not None:
            made = self._call(key.calculated, name)
        elif made is None:
            self.errors.append((name, f"Must set {name}, no way to calculate value."))
        self.running.pop()
        if made is None:
            self.failed.add(name)
            return None
        self.values[name] = made
        return made

    def _call(self, function: Callable[..., str], name: str) -> str | None:
        given = {need: self.value(need) for need in needs(function)}
        if any(value is None or need in self.failed for need, value in given.items()):
            return None
        try:
            return function(**given)
        except ValueError as trouble:
            self.errors.append((name, str(trouble)))
            return None

    def check(self, name: str) -> None:
        for rule in self.keys[name].rules:
            given = {need: self.value(need) for need in needs(rule)}
            if any(value is None or need in self.failed for need, value in given.items()):
                continue
            try:
                rule(**given)
            except ValueError as trouble:
                self.errors.append((name, str(trouble)))
                self.failed.add(name)
                return


def _may_be_given(key: Key, user: Mapping[str, Any]) -> bool:
    return key.given_with is not None and user.get(key.given_with[0]) == key.given_with[1]


def resolve(
    user: Mapping[str, Any], config_dir: Path, keys: Sequence[Key] = KEYS, unsupported: Mapping[str, str] = UNSUPPORTED
) -> Resolved:
    """Every argument of the cluster from the user's keys; scripts are read from ``config_dir``."""
    table = {key.name: key for key in keys}
    errors: list[tuple[str, str]] = []
    warnings: list[tuple[str, str]] = []
    resolver = _Resolver(table, {"config_dir": str(config_dir)})
    for name, value in user.items():
        if name in unsupported:
            warnings.append((name, f"is not used: {unsupported[name]}"))
        elif name not in table:
            near = difflib.get_close_matches(name, table, 1)
            warnings.append(
                (name, "is not a known key and is not used" + (f"; did you mean {near[0]}?" if near else ""))
            )
        elif table[name].calculated is not None and not _may_be_given(table[name], user):
            resolver.failed.add(name)
            errors.append((name, "is calculated and cannot be set"))
        else:
            try:
                resolver.values[name] = as_text(value)
            except ValueError as trouble:
                resolver.failed.add(name)
                errors.append((name, str(trouble)))
    # Rules before calculations: a calculation may trust what it is made from.
    given_first = sorted(table, key=lambda name: table[name].calculated is not None)
    for name in given_first:
        if resolver.value(name) is not None:
            resolver.check(name)
    resolver.values.pop("config_dir")
    order = {name: number for number, name in enumerate(dict.fromkeys([*user, *table]))}
    errors = sorted([*errors, *resolver.errors], key=lambda error: order[error[0]])
    secrets = frozenset(key.name for key in keys if key.secret)
    return Resolved({} if errors else dict(resolver.values), tuple(errors), tuple(warnings), secrets)
