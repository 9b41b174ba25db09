"""The examples of the guide are apps that Marathon takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dcos.wire import yaml_text
from tests.unit.marathon.conftest import Running

GUIDE = (Path(__file__).parents[3] / "docs/guides/marathon.md").read_text(encoding="utf-8")
EXAMPLES = [
    (kind, text)
    for kind, text in re.findall(r"```(json|yaml)\n(.*?)```", GUIDE, re.DOTALL)
    if re.search(r'^\s*"?id"?:', text, re.MULTILINE)
]


def read(kind: str, text: str) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.json.decode(text) if kind == "json" else yaml_text.decode(text.encode())
    return value


@pytest.mark.parametrize(("kind", "text"), EXAMPLES, ids=[f"{number}" for number in range(len(EXAMPLES))])
async def test_an_example_is_taken(marathon: Running, kind: str, text: str) -> None:
    app = read(kind, text)
    made = await marathon.ask("POST", "/v2/apps", app, 201)
    assert set(app) <= set(made)
