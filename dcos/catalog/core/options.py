"""A package's options: defaults from its schema, what the user gave laid over them, the check against the schema.

Source: cosmos PackageDefinitionRenderer (defaults, merge), com.github.fge json-schema-validator (shape and words of the report).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import re2
from jsonschema import Draft4Validator, ValidationError, validators
from jsonschema.exceptions import UnknownType
from referencing import Registry
from referencing.exceptions import Unresolvable

from dcos.catalog.core import ecma
from dcos.catalog.core.errors import options_mismatch, options_not_allowed, schema_unusable

Json = dict[str, Any]


def defaults(schema: Mapping[str, Any] | None) -> Json:
    """The ``default`` of each property, groups as nested objects; a property's own default hides those inside it."""
    found: Json = {}
    properties = (schema or {}).get("properties")
    if not isinstance(properties, Mapping):
        return found
    for name, property_ in properties.items():
        if not isinstance(property_, Mapping):
            continue
        if "default" in property_:
            found[name] = property_["default"]
        elif inner := defaults(property_):
            found[name] = inner
    return found


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """Objects are merged in depth; any other value of ``above`` replaces, null and lists too."""
    merged = dict(below)
    for key, value in above.items():
        known = merged.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(known, value) if both else value  # type: ignore[arg-type]
    return merged


def resolve(schema: Mapping[str, Any] | None, given: Mapping[str, Any] | None) -> Json:
    """Defaults with ``given`` over them, checked.   Errors: OptionsNotAllowed, JsonSchemaMismatch."""
    options = merge(defaults(schema), given or {})
    if not options:
        return options
    if schema is None:
        raise options_not_allowed()
    errors = report(schema, options)
    if errors:
        raise options_mismatch(errors)
    return options


def report(schema: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[Json, ...]:
    """What is wrong with complete ``options``.   Errors: JsonSchemaMismatch where the schema itself is not usable."""
    with _usable_schema():
        return check(schema, options)


def fits(root: Mapping[str, Any], rule: Mapping[str, Any], value: Any) -> bool:
    """Whether one value keeps its ``rule``, a part of ``root``.   Errors: as ``report``."""
    with _usable_schema():
        return bool(_Validator(dict(root), registry=_NOTHING_REMOTE).evolve(schema=rule).is_valid(value))


@contextmanager
def _usable_schema() -> Iterator[None]:
    """A schema comes from outside, and the library takes it for a good one. All its patterns share one budget."""
    before = _budget.set(ecma.Budget())
    try:
        yield
    except ecma.TooHard as error:
        raise schema_unusable(str(error)) from None
    except RecursionError:
        raise schema_unusable("it refers to itself without end") from None
    except Unresolvable as error:
        raise schema_unusable(f"it refers to what cannot be found: {error}") from None
    except (UnknownType, TypeError, ValueError, AttributeError, LookupError) as error:
        raise schema_unusable(f"it is not draft 4: {error}".splitlines()[0][:300]) from None
    finally:
        _budget.reset(before)


# ---- the check -------------------------------------------------------------------------------------------------------


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_RE2 = re2.Options()
_RE2.log_errors = False
_RE2.max_mem = 8 * 1024**2
_budget: Final[ContextVar[ecma.Budget | None]] = ContextVar("budget", default=None)


def matches(pattern: str, text: str) -> bool:
    """Patterns are ECMA 262 and come from outside: RE2, whose time grows with the text only, where it can read them.

    What it cannot read, such as looking ahead or behind, goes to ``ecma``, whose work is counted. A pattern that neither reads
    refuses nothing.   Errors: ecma.TooHard.
    """
    try:
        return re2.compile(pattern, _RE2).search(text) is not None  # type: ignore[no-untyped-call]  # as its overrides are
    except re2.error:
        pass
    try:
        return ecma.found(pattern, text, _budget.get())
    except ecma.Unreadable:
        return True


def _required(_validator: Any, required: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """All missing names in one error; draft 3's ``required: true`` is not draft 4 and means nothing."""
    if not isinstance(instance, dict) or not isinstance(required, list):
        return
    if any(name not in instance for name in required):
        yield ValidationError("required")


def _pattern_properties(validator: Any, rules: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, rule in rules.items():
        for name, value in instance.items():
            if matches(pattern, name):
                yield from validator.descend(value, rule, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    unwanted = _additional(instance, schema)
    if isinstance(rule, dict):
        for name in unwanted:
            yield from validator.descend(instance[name], rule, path=name)
    elif rule is False and unwanted:
        yield ValidationError("additional properties")


def _additional(instance: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """Names that the schema does not speak of."""
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    return sorted(name for name in instance if name not in known and not any(matches(one, name) for one in patterns))


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # the library's stubs leave it bare
    Draft4Validator,
    {
        "pattern": _pattern,
        "required": _required,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    },
)
_NOTHING_REMOTE: Registry[Any] = Registry()


def check(schema: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[Json, ...]:
    """One report entry for each broken rule, in the order of the options."""
    validator = _Validator(dict(schema), registry=_NOTHING_REMOTE)
    errors = sorted(validator.iter_errors(dict(options)), key=lambda error: list(map(str, error.absolute_path)))
    return tuple(_entry(error) for error in errors)


def _entry(error: ValidationError) -> Json:
    keyword = str(error.validator)
    words, details = _describe(error)
    entry: Json = {
        "level": "error",
        "schema": {"loadingURI": "#", "pointer": _pointer(list(error.absolute_schema_path)[:-1])},
        "instance": {"pointer": _pointer(error.absolute_path)},
        "domain": "validation",
        "keyword": keyword,
        "message": words,
    }
    return entry | details


def _pointer(path: Iterable[str | int]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _describe(error: ValidationError) -> tuple[str, Json]:
    """The validator library's words for a broken rule, and the fields it adds to the entry."""
    value: Any = error.instance
    rule: Any = error.validator_value
    match error.validator:
        case "type":
            allowed = sorted([rule] if isinstance(rule, str) else rule)
            found = _kind(value)
            return (
                f"instance type ({found}) does not match any allowed primitive type (allowed: {_list(allowed)})",
                {"found": found, "expected": allowed},
            )
        case "required":
            required = sorted(rule)
            absent = [name for name in required if name not in value]
            return f"object has missing required properties ({_list(absent)})", {
                "required": required,
                "missing": absent,
            }
        case "minimum":
            words = f"numeric instance is lower than the required minimum (minimum: {rule}, found: {value})"
            return words, {"minimum": rule, "found": value}
        case "maximum":
            words = f"numeric instance is greater than the required maximum (maximum: {rule}, found: {value})"
            return words, {"maximum": rule, "found": value}
        case "enum":
            words = f"instance value ({_text(value)}) not found in enum (possible values: {_list(_items(rule))})"
            return words, {"value": value, "enum": rule}
        case "pattern":
            words = f'ECMA 262 regex "{rule}" does not match input string "{value}"'
            return words, {"regex": rule, "string": value}
        case "additionalProperties":
            unwanted = _additional(value, error.schema if isinstance(error.schema, Mapping) else {})
            words = f"object instance has properties which are not allowed by the schema: {_list(unwanted)}"
            return words, {"unwanted": unwanted}
        case "minLength":
            words = f"string {_text(value)} is too short (length: {len(value)}, required minimum: {rule})"
            return words, {"value": value, "found": len(value), "minLength": rule}
        case "maxLength":
            words = f"string {_text(value)} is too long (length: {len(value)}, maximum allowed: {rule})"
            return words, {"value": value, "found": len(value), "maxLength": rule}
        case "minItems":
            words = f"array is too short: must have at least {rule} elements but instance has {len(value)} elements"
            return words, {"minItems": rule, "found": len(value)}
        case "maxItems":
            words = f"array is too long: must have at most {rule} elements but instance has {len(value)} elements"
            return words, {"maxItems": rule, "found": len(value)}
        case _:
            return error.message, {}


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def _items(rule: Any) -> Sequence[Any]:
    return rule if isinstance(rule, list) else [rule]


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _list(values: Sequence[Any]) -> str:
    return "[" + ",".join(_text(value) for value in values) + "]"
