"""The examples of the guides are apps and pods that Marathon takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dcos.wire import yaml_text
from tests.unit.marathon.conftest import Running

GUIDES = Path(__file__).parents[3] / "docs/guides"
EXAMPLES = [
    (where, kind, text)
    for where, guide in (("apps", "marathon.md"), ("pods", "pods.md"))
    for kind, text in re.findall(r"```(json|yaml)\n(.*?)```", (GUIDES / guide).read_text(encoding="utf-8"), re.DOTALL)
    if re.search(r'^\s*"?id"?:', text, re.MULTILINE)
]


def read(kind: str, text: str) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.json.decode(text) if kind == "json" else yaml_text.decode(text.encode())
    return value


@pytest.mark.parametrize(("where", "kind", "text"), EXAMPLES, ids=[f"{number}" for number in range(len(EXAMPLES))])
async def test_an_example_is_taken(marathon: Running, where: str, kind: str, text: str) -> None:
    wanted = read(kind, text)
    made = await marathon.ask("POST", f"/v2/{where}", wanted, 201)
    assert set(wanted) <= set(made)
