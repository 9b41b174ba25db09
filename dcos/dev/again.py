"""Tests that failed once more, alone: so a machine that had too much to do is told apart from a fault of the product.

    2 failed, 1184 passed in 713.32s
    == integration: once more, alone: tests/integration/a/test_b.py::test_c, ...
    == integration: passed only alone: tests/integration/a/test_b.py::test_c
    == integration: FAILED again: tests/integration/a/test_d.py::test_e

Every name in the last two lines is a fault to look into. docs/guides/tests.md says more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

MOST = 5
"""More failures than these are no accident."""
_TESTS_FAILED = 1
"""pytest's exit code where that is all that is wrong."""
Outcomes = Mapping[str, str]


def failed(outcomes: Outcomes) -> list[str]:
    return sorted(test for test, outcome in outcomes.items() if outcome == "failed")


def to_repeat(code: int, outcomes: Outcomes) -> list[str]:
    """What may be tried alone; nothing where that would prove nothing."""
    found = failed(outcomes)
    if code != _TESTS_FAILED or len(found) > MOST or not all("::" in test for test in found):
        return []
    return found


def verdict(name: str, repeated: Sequence[str], alone: Outcomes) -> tuple[bool, list[str]]:
    """Whether all of ``repeated`` passed alone, and the lines that say so. A test that does not run alone has not passed."""
    better = [test for test in repeated if alone.get(test) == "passed"]
    worse = [test for test in repeated if test not in better]
    lines = []
    if better:
        lines.append(f"== {name}: passed only alone: {', '.join(better)}")
    if worse:
        lines.append(f"== {name}: FAILED again: {', '.join(worse)}")
    return not worse, lines


def closing(outcomes: Outcomes, seconds: float) -> str:
    """The line that pytest ends with, of both runs together."""
    counts = Counter(outcomes.values())
    parts = [f"{counts[one]} {one}" for one in ("failed", "passed", "skipped", "xfailed") if counts[one]]
    return f"{', '.join(parts)} in {seconds:.2f}s"


def run(name: str, words: Sequence[str], tests: Sequence[str], *, beside: Sequence[str] = (), cwd: Path) -> bool:
    """pytest with ``words`` and ``beside`` on ``tests``; what fails once more without ``beside``."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dcos-dev-") as folder:
        code, first = _pytest(Path(folder, "first"), (*words, *beside, *tests), cwd)
        repeated = to_repeat(code, first)
        if not repeated:
            return code == 0
        print(f"== {name}: once more, alone: {', '.join(repeated)}", flush=True)
        again, alone = _pytest(Path(folder, "alone"), (*words, *repeated), cwd)
    passed, lines = verdict(name, repeated, alone)
    print(*lines, closing({**first, **alone}, time.monotonic() - began), sep="\n", flush=True)
    return passed and again == 0


def _pytest(file: Path, words: Sequence[str], cwd: Path) -> tuple[int, dict[str, str]]:
    """The exit code, and what became of each test."""
    plugin = ("-p", "dcos.testing.outcomes", f"--outcomes={file}")
    code = subprocess.run((sys.executable, "-m", "pytest", *plugin, *words), cwd=cwd, check=False).returncode
    return code, json.loads(file.read_text()) if file.exists() else {}
