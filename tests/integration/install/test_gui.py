"""The web interface is built by npm as it comes with the package: small, with nothing inside its page, alike each time."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest

from dcos.install import bundle, gui

ROOT = Path(__file__).parents[3]
BUDGET = 200_000
"""Bytes of the first load, compressed."""

pytestmark = [pytest.mark.integration, pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on PATH")]


@pytest.fixture(scope="module")
def site() -> Path:
    return gui.build(ROOT, bundle.cache_folder())


def test_the_first_load_is_within_its_budget(site: Path) -> None:
    first = [path for path in site.rglob("*") if path.is_file() and path.suffix != ".gz"]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in first) < BUDGET


def test_every_asset_is_named_by_its_content_and_lies_compressed_beside(site: Path) -> None:
    assets = [path for path in (site / "assets").iterdir() if path.suffix != ".gz"]
    assert {path.suffix for path in assets} == {".js", ".css", ".svg"}
    for path in assets:
        assert re.fullmatch(r"[a-z]+-[\w-]{8}\.\w+", path.name)
        assert gzip.decompress(path.with_name(f"{path.name}.gz").read_bytes()) == path.read_bytes()


def test_the_page_has_no_script_and_no_style_within_and_names_no_other_host(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "<style" not in text
    assert re.findall(r"<script[^>]*>(.*?)</script>", text, re.S) == [""]
    assert "://" not in text


def test_what_is_not_source_does_not_count(tmp_path: Path) -> None:
    folder = tmp_path / "gui"
    for name in ("package.json", "src/a.ts", "node_modules/b/c.js", "dist/index.html", "test/d.test.ts"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    assert gui.source_files(tmp_path) == [Path("gui/package.json"), Path("gui/src/a.ts")]


def test_the_lock_names_versions_and_hashes_and_no_registry() -> None:
    text = (ROOT / "gui/package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity"') > 20


def test_without_npm_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(gui.NoNpm, match="is not on this machine: apt-get install npm"):
        gui.build(ROOT, tmp_path / "cache")
