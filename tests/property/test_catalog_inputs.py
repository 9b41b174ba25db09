"""Whatever a repository sends: it is read, or refused with the error that is meant for it, and nothing else happens."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dcos.catalog.archive import read_zip
from dcos.catalog.core import lint, mustache
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.options import defaults, merge, resolve
from dcos.catalog.core.trial import tried
from dcos.testing.packages import package
from dcos.wire.errors import WireError
from dcos.wire.universe import checked, decode_repository, of_folder, to_files, to_json

_GOOD = json.dumps({"packages": [to_json(package())]}).encode()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "default", "required", "enum", "minimum", "pattern", "$ref", "items", "additionalProperties",
     "patternProperties", "oneOf", "dependencies", "maxLength", "format", "a", "b"]
)  # fmt: skip
SCHEMAS = st.dictionaries(
    KEYWORDS,
    st.recursive(
        st.sampled_from(["string", "object", "integer", "#/properties/a", "^(a+)+$", "(", True, 1, -1, None, []]),
        lambda inner: st.dictionaries(KEYWORDS, inner, max_size=4) | st.lists(inner, max_size=2),
        max_leaves=12,
    ),
    max_size=5,
)


def _zipped() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in to_files(package()).items():
            out.writestr(f"repo/packages/D/demo/0/{name}", data)
    return made.getvalue()


_ZIP = _zipped()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A few bytes changed, perhaps cut."""
    raw = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)


@given(damaged(_GOOD) | st.binary(max_size=200))
def test_json_repositories(raw: bytes) -> None:
    try:
        packages, _ = decode_repository(raw)
    except WireError:
        return
    for one in packages:
        assert checked(one) is one


@given(damaged(_ZIP) | st.binary(max_size=200))
def test_zip_repositories(raw: bytes) -> None:
    try:
        found = read_zip(io.BytesIO(raw), "3.0.0", max_bytes=100_000)
    except WireError:
        return
    assert all(one.name == "demo" for one in found.packages)


@given(st.text(alphabet="{}#^/!>=&. \nab<%", max_size=40), st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_templates(template: str, context: dict[str, Any]) -> None:
    try:
        mustache.names(template)
        mustache.render(template, context)
    except mustache.TemplateError:
        return


@given(SCHEMAS, st.dictionaries(st.sampled_from(["a", "b"]), JSON))
def test_schemas(schema: dict[str, Any], options: dict[str, Any]) -> None:
    refused = None
    try:
        assert resolve(schema, options) == merge(defaults(schema), options)
    except CatalogError as error:
        refused = error
    if refused is not None:
        assert refused.type == "JsonSchemaMismatch"
        assert json.dumps(refused.body())


@given(SCHEMAS)
def test_trials_and_lint_of_any_schema(schema: dict[str, Any]) -> None:
    one = package(config=schema, template='{"id": "x{{a}}"}')
    tried(one)
    assert all(str(finding) for finding in lint.whole(one))


@given(JSON | st.fixed_dictionaries({"cli": JSON}) | st.fixed_dictionaries({"images": JSON, "assets": JSON}))
def test_resources(resource: Any) -> None:
    try:
        one = package(resource=resource) if isinstance(resource, dict) else package()
    except WireError:
        return
    assert all(str(finding) for finding in lint.whole(one))


@given(
    st.binary(max_size=60), st.sampled_from(["package.json", "config.json", "resource.json", "marathon.json.mustache"])
)
def test_folders(data: bytes, name: str) -> None:
    files = to_files(package()) | {name: data}
    assert all(str(finding) for finding in lint.folder("demo", "0", files))
    try:
        of_folder("demo", "0", files)
    except WireError:
        return


@given(st.text(min_size=1, max_size=20), st.lists(st.text(max_size=10), max_size=3))
def test_texts_survive_the_template(text: str, values: list[str]) -> None:
    template = '{"t": "{{t}}", "l": [{{#l}}{{.}},{{/l}} 0]}'
    assert json.loads(mustache.render(template, {"t": text, "l": values})) == {"t": text, "l": [*values, 0]}
