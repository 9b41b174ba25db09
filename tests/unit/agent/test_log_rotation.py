"""Rotation of files that somebody appends to."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dcos.agent.log_rotation import rotate


def test_small_files_stay(tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    path.write_bytes(b"x" * 100)
    assert not rotate(path, max_size=100, keep=2)
    assert [one.name for one in tmp_path.iterdir()] == ["stdout"]


def test_nothing_is_lost_and_the_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "stdout"
    with path.open("ab", buffering=0) as writer:
        for turn in range(4):
            writer.write(bytes([65 + turn]) * 10_000)
            assert rotate(path, max_size=5_000, keep=2)
        writer.write(b"end")
    kept = [(tmp_path / name).read_bytes() for name in ("stdout.2", "stdout.1", "stdout")]
    assert not (tmp_path / "stdout.3").exists()
    everything = b"".join(bytes([65 + turn]) * 10_000 for turn in range(4)) + b"end"
    assert everything.endswith(b"".join(kept))
    assert all(kept)


def test_a_writer_beside_it(tmp_path: Path) -> None:
    """Where blocks can be cut off a file's front, every line is found again, in order."""
    path = tmp_path / "stdout"
    path.touch()
    lines = 60_000
    started = threading.Event()

    def write() -> None:
        with path.open("ab", buffering=0) as out:
            for number in range(lines):
                out.write(b"%07d\n" % number)
                if number == 2_000:
                    started.set()

    thread = threading.Thread(target=write)
    thread.start()
    started.wait()
    turns = 0
    while thread.is_alive():
        turns += rotate(path, max_size=8192, keep=500)
    thread.join()
    files = sorted(tmp_path.glob("stdout.*"), key=lambda one: -int(one.suffix[1:]))
    text = b"".join(one.read_bytes() for one in [*files, path])
    if text != b"".join(b"%07d\n" % number for number in range(lines)):
        if _collapses(tmp_path):
            raise AssertionError(f"lines were lost in {turns} turns")
        pytest.skip("this file system cannot cut blocks off a file's front")


def _collapses(folder: Path) -> bool:
    probe = folder / "probe"
    probe.write_bytes(b"x" * 20_000)
    rotate(probe, max_size=1, keep=0)
    return probe.stat().st_size > 0


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"x" * 100)
    (tmp_path / "stdout").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic"):
        rotate(tmp_path / "stdout", max_size=10, keep=1)
    assert (tmp_path / "target").stat().st_size == 100
