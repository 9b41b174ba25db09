"""Applying a tree, and taking all of it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcos.install import apply
from dcos.install.tree import File, Folder, Link, Tree


def snapshot(root: Path) -> dict[str, str]:
    found = {}
    for path in sorted(root.rglob("*")):
        kind = f"-> {path.readlink()}" if path.is_symlink() else "folder" if path.is_dir() else path.read_text()
        found[str(path.relative_to(root))] = f"{kind} {path.lstat().st_mode:o}"
    return found


def tree(root: Path, *more: File) -> Tree:
    return Tree(
        users=(),
        folders=(Folder(root / "a/b", 0o700),),
        files=(File(root / "a/b/one", "1", 0o600), File(root / "old", "new text"), *more),
        links=(Link(root / "a/link", "b/one"),),
        wanted=(),
    )


def test_a_tree_is_made(tmp_path: Path) -> None:
    apply.apply(tree(tmp_path), apply.Journal(), owners=False)
    assert (tmp_path / "a/link").read_text() == "1"
    assert (tmp_path / "a/b/one").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o700


def test_twice_is_once(tmp_path: Path) -> None:
    apply.apply(tree(tmp_path), apply.Journal(), owners=False)
    before = snapshot(tmp_path)
    apply.apply(tree(tmp_path), apply.Journal(), owners=False)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("steps", range(1, 6))
def test_a_failure_anywhere_leaves_what_was_there(tmp_path: Path, steps: int) -> None:
    (tmp_path / "old").write_text("old text")
    before = snapshot(tmp_path)
    files = [File(tmp_path / f"f{number}", "x") for number in range(steps - 1)]
    bad = File(tmp_path / "old/child", "a file stands where a folder must be")
    journal = apply.Journal()
    with pytest.raises(OSError, match="old"):
        apply.apply(tree(tmp_path, *files, bad), journal, owners=False)
    assert journal.undo() == []
    assert snapshot(tmp_path) == before


def test_moving_in_can_be_taken_back(tmp_path: Path) -> None:
    staged = tmp_path / "staging/package"
    staged.mkdir(parents=True)
    (staged / "file").write_text("x")
    journal = apply.Journal()
    target = tmp_path / "opt/packages/package"
    apply.move_in(staged, target, journal)
    assert (target / "file").read_text() == "x"
    journal.undo()
    assert not (tmp_path / "opt").exists()


def test_what_cannot_be_taken_back_is_told(tmp_path: Path) -> None:
    journal = apply.Journal()
    apply.make_folder(tmp_path / "a", journal)
    (tmp_path / "a/somebody-elses").touch()
    (left,) = journal.undo()
    assert str(tmp_path / "a") in left
