"""What a command did, for tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """Cells of a table without its header."""
        return [re.split(r"\s{2,}", line.strip()) for line in self.out.splitlines()[1:]]


Dcos = Callable[..., Result]
