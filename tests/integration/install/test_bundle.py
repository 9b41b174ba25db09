"""The bundle: the same inputs give the same bytes, wherever, whenever and by whomever it is made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.install import bundle

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]


@pytest.fixture
def umask() -> Iterator[None]:
    """Whatever a test sets is taken back."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def libraries(_: Path, cache: Path, say: object) -> Path:
    """Instead of what the index has, one library as pip leaves it; its files are older or newer each time."""
    target = cache / "libraries/some"
    (target / "animal").mkdir(parents=True)
    (target / "animal/__init__.py").write_text("NAMES = {'cat', 'dog', 'emu', 'fox'}\nHAS = 'cat' in {'cat', 'dog'}\n")
    (target / "animal/data.bin").write_bytes(bytes(range(256)))
    bundle._compile(target, "/opt/mesosphere/lib")
    return target


def checkout(at: Path) -> Path:
    for path in bundle.source_files(ROOT):
        (at / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, at / path)
    return at


def test_two_builds_are_equal_to_the_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, umask: None) -> None:
    if shutil.which("xz") is None or shutil.which("tar") is None:
        pytest.skip("no xz or tar")
    monkeypatch.setattr(bundle, "_libraries", libraries)
    source = checkout(tmp_path / "one")
    shutil.copytree(source, tmp_path / "far/away/another")
    first = bundle.build(source, tmp_path / "cache1")
    monkeypatch.setenv("PYTHONHASHSEED", "17")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    os.umask(0o077)
    second = bundle.build(tmp_path / "far/away/another", tmp_path / "cache2")
    assert (first.id, first.sha256, first.path.read_bytes()) == (second.id, second.sha256, second.path.read_bytes())
    assert first.path != second.path


def test_another_line_is_another_bundle(tmp_path: Path) -> None:
    source = checkout(tmp_path / "one")
    before = bundle.content_id(source)
    assert bundle.content_id(source) == before
    with (source / "dcos/install/bundle.py").open("a") as file:
        file.write("# more\n")
    assert bundle.content_id(source) != before
