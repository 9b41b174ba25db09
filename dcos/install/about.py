"""Which version this is."""

from __future__ import annotations

from importlib.metadata import version as _installed


def version() -> str:
    return _installed("dcos")
