"""What is raised when bytes from outside are not what they should be."""

from __future__ import annotations


class WireError(ValueError):
    """Bad bytes.   ``path`` names the field, ``rule`` what it breaks."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path}: {rule}" if path else rule)
        self.path = path
        self.rule = rule
