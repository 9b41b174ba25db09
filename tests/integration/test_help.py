"""Every console script runs by hand and says what it can do."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

OF_PEOPLE = ("dcos", "dcos-install")
OF_CHECKS = ("dcos-check-runner", "dcos-checks")
"""What these end with is the status of a check: a wrong word is 4 and 3."""


@pytest.mark.integration
@pytest.mark.parametrize("script", SCRIPTS)
def test_help_documents_every_flag(script: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name(script)), "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("usage:")
    assert len(done.stdout.splitlines()) >= 5


@pytest.mark.integration
@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in OF_PEOPLE + OF_CHECKS])
def test_unknown_flags_are_refused(script: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name(script)), "--no_such_flag=1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "no_such_flag: unknown flag" in done.stderr
