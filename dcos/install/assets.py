"""Files that are no Python: unit templates, installer scripts, example configuration.

In a checkout they lie at its top; in an installed bundle below ``share/dcos`` of the package, where ``bundle.py`` puts them.
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDERS = ("units", "installer", "config")
SHARE = "share/dcos"


def root() -> Path:
    """The folder that holds ``units/``, ``installer/`` and ``config/``."""
    installed = Path(sys.prefix) / SHARE
    return installed if installed.is_dir() else checkout()


def checkout() -> Path:
    """Top of the source tree (meaningful only when the program runs from one)."""
    return Path(__file__).resolve().parents[2]
