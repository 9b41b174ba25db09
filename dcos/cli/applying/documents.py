"""Documents that say what shall be: of JSON or YAML, several in a file.

What a document is about follows from ``kind`` (``app``, ``pod``, ``group``, ``job``, ``permission``), or from its members:
``containers`` is a pod's, ``run`` a job's, ``apps``, ``pods`` or ``groups`` a group's, ``resource`` a permission's; anything
else with an id is an app. A group stands for what is in it, and for its own members.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dcos.cli.output import fail
from dcos.wire import yaml_text

Json = dict[str, Any]
KINDS: Final = ("group", "app", "pod", "job", "permission")
"""In the order in which they are applied; what is removed, the other way round."""
SUFFIXES: Final = (".json", *yaml_text.SUFFIXES)
_TIMEOUT_S: Final = 60
_INSIDE: Final = ("apps", "pods", "groups")


@dataclass(frozen=True, slots=True)
class Document:
    """``name``: id of the app (with its slash), job or resource; ``where``: for errors."""

    kind: str
    name: str
    body: Json
    where: str


def load(sources: Sequence[str]) -> list[Document]:
    """Of files, folders (all JSON and YAML files in them), URLs, or standard input (``-``).   Errors: ClickException."""
    found = [one for source in sources for one in _of_source(source)]
    if not found:
        fail("the files say nothing")
    seen: dict[tuple[str, str], str] = {}
    for one in found:
        before = seen.get((one.kind, one.name))
        if before is not None:
            fail(f"{one.kind} {one.name} stands in {before} and in {one.where}")
        seen[one.kind, one.name] = one.where
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def _of_source(source: str) -> Iterator[Document]:
    if source != "-" and not source.startswith(("http://", "https://")) and Path(source).is_dir():
        for file in sorted(Path(source).iterdir()):
            if file.suffix in SUFFIXES:
                yield from _of_text(_text(str(file)), str(file))
        return
    yield from _of_text(_text(source), "standard input" if source == "-" else source)


def _text(source: str) -> bytes:
    try:
        if source == "-":
            return sys.stdin.read().encode()
        if source.startswith(("http://", "https://")):
            with urllib.request.urlopen(source, timeout=_TIMEOUT_S) as answer:
                return bytes(answer.read(yaml_text.MAX_BYTES + 1))
        return Path(source).read_bytes()
    except (OSError, urllib.error.URLError) as error:
        fail(f"cannot read {source}: {error}")


def _of_text(raw: bytes, where: str) -> Iterator[Document]:
    values = _values(raw, where)
    for number, value in enumerate(values, 1):
        place = where if len(values) == 1 else f"{where}, document {number}"
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                yield from documents_of(one, place)


def _values(raw: bytes, where: str) -> list[Any]:
    """JSON is YAML too, but its errors are better told as JSON's."""
    if raw.lstrip()[:1] in (b"{", b"["):
        try:
            return [json.loads(raw)]
        except ValueError as error:
            if not where.endswith(yaml_text.SUFFIXES):
                fail(f"{where} is not JSON: {error}")
    try:
        return yaml_text.documents(raw)
    except yaml_text.NotYaml as error:
        fail(f"{where} is not YAML: {error}")


def documents_of(value: Any, where: str) -> Iterator[Document]:
    """One value; a group and all in it."""
    if not isinstance(value, dict):
        fail(f"{where} must be an object, or a list of objects")
    body = dict(value)
    kind = body.pop("kind", None) or _kind(body)
    if kind not in KINDS:
        fail(f"{where}: nobody knows the kind '{kind}': {', '.join(KINDS)} are known")
    key = "resource" if kind == "permission" else "id"
    name = body.get(key)
    if not isinstance(name, str) or not name.strip("/"):
        fail(f"{where}: the {kind} must have {'a resource' if kind == 'permission' else 'an id'}, a text")
    if kind == "permission":
        _check_holders(body, where)
    if kind == "group":
        yield from _group(body, "/", where)
    elif kind in ("app", "pod"):
        yield Document(kind, absolute(name, "/"), body | {"id": absolute(name, "/")}, where)
    else:
        yield Document(kind, name, body, where)


def _check_holders(body: Json, where: str) -> None:
    """``users`` and ``groups``: who to an action or a list of them."""
    unknown = set(body) - {"resource", "description", "users", "groups"}
    if unknown:
        fail(f"{where}: a permission has no {', '.join(sorted(unknown))}")
    for name in ("users", "groups"):
        holders = body.get(name) or {}
        if not isinstance(holders, dict):
            fail(f"{where}: {name} must be an object: who to actions")
        for who, actions in holders.items():
            listed = [actions] if isinstance(actions, str) else actions
            if not isinstance(listed, list) or not listed or not all(isinstance(one, str) and one for one in listed):
                fail(f"{where}: {name}.{who} must be an action or a list of actions, such as full or [read]")


def _kind(body: Json) -> str:
    if "resource" in body:
        return "permission"
    if isinstance(body.get("containers"), list):
        return "pod"
    if isinstance(body.get("run"), dict):
        return "job"
    if any(name in body for name in _INSIDE):
        return "group"
    return "app"


def _group(body: Json, parent: str, where: str) -> Iterator[Document]:
    name = absolute(str(body.get("id", "")), parent)
    if name == parent:
        fail(f"{where}: a group in {parent} has no id")
    own = {key: value for key, value in body.items() if key not in _INSIDE and key not in ("id", "version")}
    yield Document("group", name, own | {"id": name}, where)
    for key, kind in (("apps", "app"), ("pods", "pod")):
        for one in _objects(body, key, name, where):
            inner = absolute(str(one.get("id", "")), name)
            yield Document(kind, inner, one | {"id": inner}, where)
    for one in _objects(body, "groups", name, where):
        yield from _group(one, name, where)


def _objects(body: Json, key: str, name: str, where: str) -> Iterable[Json]:
    found = body.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        fail(f"{where}: {key} of group {name} must be a list of objects")
    return found


def absolute(name: str, parent: str) -> str:
    """An id with a slash at its beginning; one without is below ``parent``."""
    return "/" + (name if name.startswith("/") else f"{parent}/{name}").strip("/")
