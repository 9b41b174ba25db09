"""Whether a package renders: with its defaults, with every option set, and whether it refuses options that are wrong.

For who writes packages and for who takes over a catalog: what would fail at an install fails here. Options are made up from the
schema: the other value of a boolean, the last of an enum, a number beside the default, a text that its pattern takes. What it
wants and nobody can guess is a finding, not a failure of the package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dcos.catalog.core import options
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.options import fits, merge, report
from dcos.catalog.core.render import render
from dcos.wire.universe import Json, Package

TEXTS: Final = (
    "value", "a1", "1", "1.0", "/value", "http://example.com/value", "host.example.com:80", "10.0.0.1", "10.0.0.0/8",
    "1m", "1mb", "1M", "100%", "true", "a@example.com", "12345678", "a/b", "a/b:1", "ABC", "[]", "{}", "* * * * *",
)  # fmt: skip
"""Tried where a text has a rule and no default that keeps it."""
_ROUNDS: Final = 12
_NOTHING: Final = object()


@dataclass(slots=True)
class Trial:
    """What came of one version. Empty texts mean: good."""

    package: Package
    has_app: bool = True
    defaults: str = ""
    """Why it does not render with its defaults."""
    filled: str = ""
    """Where the defaults do not suffice: why it does not render with what they lack filled in, either."""
    needs: tuple[str, ...] = ()
    """Pointers of options that must be given."""
    every: str = ""
    """Why it does not render with every option set."""
    refused: int = 0
    """Wrong options that were refused."""
    taken: tuple[str, ...] = field(default=())
    """Pointers of options whose wrong values were not refused."""

    @property
    def is_good(self) -> bool:
        """It can be installed, with options where it needs some, and with every option."""
        return not self.every and (not self.defaults or not self.filled)


def tried(package: Package) -> Trial:
    trial = Trial(package)
    if package.template is None:
        trial.has_app = False
        return trial
    try:
        _try_all(trial, package)
    except CatalogError as error:  # of a schema that no option can be made up from
        trial.defaults = trial.filled = trial.every = f"{error.type}: {error.message}"
    return trial


def _try_all(trial: Trial, package: Package) -> None:
    given: Json = {}
    trial.defaults = _why_not(package, given)
    if trial.defaults:
        given, trial.needs = _filled(package)
        trial.filled = _why_not(package, given)
    if package.config is None:
        return
    trial.every = _why_not(package, merge(given, every_option(package.config)))
    if not trial.filled:
        _try_wrong(trial, package, given)


def _why_not(package: Package, given: Json) -> str:
    try:
        app = render(package, "", given, None)
    except CatalogError as error:
        details = [f"{one['instance']['pointer'] or '/'}: {one['message']}" for one in _errors(error)]
        return f"{error.type}: {'; '.join(details) or error.message}"
    if not isinstance(app.get("id"), str) or not app["id"].strip("/"):
        return "the app has no id"
    return ""


def _errors(error: CatalogError) -> list[Json]:
    found = (error.data or {}).get("errors", [])
    return [one for one in found if isinstance(one, dict) and "instance" in one]


# ---- options made up from the schema ---------------------------------------------------------------------------------


def every_option(schema: Mapping[str, Any]) -> Json:
    """Each option with a value, another than the default where that is easy to say."""
    found = _every(schema, schema)
    return found if isinstance(found, dict) else {}


def _every(root: Mapping[str, Any], rule: Mapping[str, Any]) -> Any:
    properties = rule.get("properties")
    if isinstance(properties, Mapping):
        made = {
            name: value
            for name, inner in properties.items()
            if isinstance(inner, Mapping) and (value := _every(root, inner)) is not _NOTHING
        }
        default = rule.get("default")
        return merge(default, made) if isinstance(default, Mapping) else made
    return next((value for value in _candidates(root, rule) if fits(root, rule, value)), _NOTHING)


def _candidates(root: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterator[Any]:
    """Best first."""
    default = rule.get("default")
    if isinstance(rule.get("enum"), list):
        yield from (value for value in reversed(rule["enum"]) if value != default)
        yield from rule["enum"]
        return
    kinds = rule.get("type")
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        match kind:
            case "boolean":
                yield default is not True
            case "integer" | "number":
                known = default if isinstance(default, int | float) and not isinstance(default, bool) else None
                yield from _numbers(rule, known)
            case "string" | None:
                yield from ([default] if isinstance(default, str) and default else [])
                yield from TEXTS
                yield "a" * max(1, int(rule.get("minLength", 1)))
            case "array":
                yield from ([default] if isinstance(default, list) and default else [])
                items = rule.get("items")
                element = _every(root, items) if isinstance(items, Mapping) else "value"
                yield [element] * max(1, int(rule.get("minItems", 1))) if element is not _NOTHING else []
                yield []
            case "object":
                yield from ([default] if isinstance(default, dict) and default else [])
                yield {}
            case _:
                pass
    if "default" in rule:
        yield default


def _numbers(rule: Mapping[str, Any], default: float | None) -> Iterator[Any]:
    if default is not None:
        yield default + 1
        yield default - 1
    for bound in ("minimum", "maximum"):
        if isinstance(value := rule.get(bound), int | float):
            yield value
            yield value + 1
            yield value - 1
    yield 1


def _filled(package: Package) -> tuple[Json, tuple[str, ...]]:
    """Options that the defaults lack, as the refusals ask for them; their pointers."""
    given: Json = {}
    needs: list[str] = []
    schema = package.config or {}
    for _ in range(_ROUNDS):
        wrong = report(schema, merge(options.defaults(schema), given))
        if not wrong:
            break
        for one in wrong:
            path = [*_path(one["instance"]["pointer"])]
            for name in one.get("missing", [None]):
                whole = [*path, name] if name is not None else path
                rule = _rule_at(schema, whole)
                value = _every(schema, rule) if rule is not None else _NOTHING
                if value is _NOTHING or not whole:
                    continue
                _put(given, whole, value)
                pointer = "/" + "/".join(whole)
                if pointer not in needs:
                    needs.append(pointer)
    return given, tuple(needs)


def _path(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _rule_at(schema: Mapping[str, Any], path: list[str]) -> Mapping[str, Any] | None:
    rule: Any = schema
    for part in path:
        properties = rule.get("properties") if isinstance(rule, Mapping) else None
        rule = properties.get(part) if isinstance(properties, Mapping) else None
    return rule if isinstance(rule, Mapping) else None


def _put(given: Json, path: list[str], value: Any) -> None:
    for part in path[:-1]:
        inner = given.get(part)
        if not isinstance(inner, dict):
            inner = given[part] = {}
        given = inner
    given[path[-1]] = value


# ---- options that are wrong ------------------------------------------------------------------------------------------

_WRONG: Final[Mapping[str, Any]] = {
    "string": 5, "integer": "five", "number": "five", "boolean": "yes", "array": "list", "object": "object",
}  # fmt: skip


def _try_wrong(trial: Trial, package: Package, given: Json) -> None:
    taken = []
    for path, rule in _leaves(package.config or {}, []):
        wrong: Json = {}
        _put(wrong, path, _WRONG[rule["type"]])
        if _why_not(package, merge(given, wrong)).startswith("JsonSchemaMismatch"):
            trial.refused += 1
        else:
            taken.append("/" + "/".join(path))
    trial.taken = tuple(taken)


def _leaves(schema: Mapping[str, Any], path: list[str]) -> Iterator[tuple[list[str], Mapping[str, Any]]]:
    """Options that have one type, with their paths."""
    properties = schema.get("properties")
    for name, rule in properties.items() if isinstance(properties, Mapping) else ():
        if not isinstance(rule, Mapping):
            continue
        if isinstance(rule.get("properties"), Mapping):
            yield from _leaves(rule, [*path, name])
        elif rule.get("type") in _WRONG:
            yield [*path, name], rule
