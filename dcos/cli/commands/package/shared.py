"""What several commands of ``dcos package`` need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dcos.cli.output import fail

Json = dict[str, Any]


def options_of(file: str | None) -> Json | None:
    if file is None:
        return None
    try:
        value = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"cannot read the options: {error}")
    except ValueError as error:
        fail(f"{file} is not JSON: {error}")
    if not isinstance(value, dict):
        fail(f"{file} must have a JSON object")
    return value


def has_cli(definition: Json) -> bool:
    return bool((definition.get("resource") or {}).get("cli"))
