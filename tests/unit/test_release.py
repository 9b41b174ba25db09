"""The release that programs tell without asking the installed package."""

import tomllib
from pathlib import Path

from dcos.release import VERSION

ROOT = Path(__file__).parents[2]


def test_it_is_the_one_of_the_package() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
