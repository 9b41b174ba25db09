"""Failed tests are tried once more, alone; what that proves and what not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dcos.dev import again

FEW = {f"t.py::{name}": "failed" for name in "abcde"}


@pytest.mark.parametrize(
    ("code", "outcomes", "repeated"),
    [
        (0, {"t.py::a": "passed"}, []),
        (1, {"t.py::a": "passed", "t.py::b[x::y]": "failed", "t.py::c": "skipped"}, ["t.py::b[x::y]"]),
        (1, FEW, list(FEW)),
        (1, {**FEW, "t.py::f": "failed"}, []),
        (1, {"t.py": "failed", "t.py::a": "passed"}, []),
        (2, {"t.py::a": "failed"}, []),
        (1, {}, []),
    ],
    ids=["all-well", "one", "as-many-as-may-be", "too-many", "a-file-that-is-broken", "interrupted", "nothing-known"],
)
def test_what_is_tried_again(code: int, outcomes: dict[str, str], repeated: list[str]) -> None:
    assert again.to_repeat(code, outcomes) == repeated


@pytest.mark.parametrize(
    ("alone", "passed", "lines"),
    [
        ({"a": "passed", "b": "passed"}, True, ["== x: passed only alone: a, b"]),
        ({"a": "failed", "b": "passed"}, False, ["== x: passed only alone: b", "== x: FAILED again: a"]),
        ({"a": "skipped", "b": "xfailed"}, False, ["== x: FAILED again: a, b"]),
        ({}, False, ["== x: FAILED again: a, b"]),
    ],
    ids=["both-pass", "one-fails", "skipped-is-not-passed", "none-ran"],
)
def test_what_it_proves(alone: dict[str, str], passed: bool, lines: list[str]) -> None:
    assert again.verdict("x", ["a", "b"], alone) == (passed, lines)


TESTS = """
import pytest
from pathlib import Path

def test_good():
    pass

@pytest.mark.parametrize("which", ["a::b", "c d"])
def test_once(which):
    mark = Path(f"{which}.mark")
    if not mark.exists():
        mark.touch()
        raise AssertionError("a busy machine")

@pytest.fixture
def bad():
    yield
    assert not Path("broken").exists()

def test_bad(bad):
    pass

@pytest.mark.skip
def test_not_here():
    pass
"""


@pytest.mark.parametrize(("beside", "broken"), [(("-n", "2"), False), ((), True)], ids=["passes-alone", "is-broken"])
def test_both_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str], beside: tuple[str, ...], broken: bool) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    if broken:
        (tmp_path / "broken").touch()
    passed = again.run("some", ("-q", "-p", "no:cacheprovider"), ("test_some.py",), beside=beside, cwd=tmp_path)
    lines = capfd.readouterr().out.splitlines()
    once = "test_some.py::test_once[a::b], test_some.py::test_once[c d]"
    assert passed is not broken
    assert f"== some: passed only alone: {once}" in lines
    assert ("== some: FAILED again: test_some.py::test_bad" in lines) is broken
    counts = "1 failed, 3 passed, 1 skipped" if broken else "4 passed, 1 skipped"
    assert re.fullmatch(rf"{counts} in \d+\.\d\ds", lines[-1]), lines[-1]
