"""A package's options: defaults from its schema, what the user gave laid over them, the check against the schema.

Source: cosmos PackageDefinitionRenderer (defaults, merge), com.github.fge json-schema-validator (shape and words of the report).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft4Validator, ValidationError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable

from dcos.catalog.core.errors import CatalogError, options_mismatch, options_not_allowed

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
    errors = check(schema, options)
    if errors:
        raise options_mismatch(errors)
    return options


# ---- the check -------------------------------------------------------------------------------------------------------


def _pattern(_validator: Any, pattern: str, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """Patterns are ECMA 262; one that Python cannot read does not refuse anything."""
    if not isinstance(instance, str):
        return
    try:
        matches = re.search(pattern, instance) is not None
    except re.error:
        return
    if not matches:
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _required(_validator: Any, required: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    """All missing names in one error; draft 3's ``required: true`` is not draft 4 and means nothing."""
    if not isinstance(instance, dict) or not isinstance(required, list):
        return
    if any(name not in instance for name in required):
        yield ValidationError("required")


_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # the library's stubs leave it bare
    Draft4Validator, {"pattern": _pattern, "required": _required}
)
_NOTHING_REMOTE: Registry[Any] = Registry()


def check(schema: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[Json, ...]:
    """One report entry for each broken rule, in the order of the options."""
    validator = _Validator(dict(schema), registry=_NOTHING_REMOTE)
    try:
        errors = sorted(validator.iter_errors(dict(options)), key=lambda error: list(map(str, error.absolute_path)))
        return tuple(_entry(error) for error in errors)
    except Unresolvable as error:
        raise CatalogError(
            "JsonSchemaMismatch", f"The package's schema refers to what cannot be found: {error}"
        ) from None


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
            known = error.schema.get("properties", {}) if isinstance(error.schema, Mapping) else {}
            patterns = error.schema.get("patternProperties", {}) if isinstance(error.schema, Mapping) else {}
            unwanted = sorted(
                name for name in value if name not in known and not any(re.search(one, name) for one in patterns)
            )
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
