"""Which release this is, for programs that must start quickly: reading it from the installed package
takes longer than their work.

A test compares it with ``pyproject.toml``.
"""

from typing import Final

VERSION: Final = "3.0.0"
