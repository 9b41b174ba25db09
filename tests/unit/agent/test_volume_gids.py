"""Groups of shared volumes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dcos.agent.containerizer.base import LaunchError
from dcos.agent.volume_gids import VolumeGids, parse_range, range_text


@pytest.mark.parametrize("text", ["", "[1-2", "[0-5]", "[9-8]", "1-2", "[a-b]", "[1-4294967295]", "[1-2],[4-5]"])
def test_ranges_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="must be a range of group ids"):
        parse_range(text)


def test_a_range() -> None:
    assert parse_range(" [ 10 - 12 ] ") == range(10, 13)
    assert range_text(range(10, 13)) == "[10-12]"


def test_a_volume_keeps_its_group_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr("os.fchown", lambda folder, uid, gid: given.append(gid))
    volumes = [tmp_path / name for name in ("a", "b", "c")]
    for one in volumes:
        one.mkdir(mode=0o755)
    file = tmp_path / "meta/gids"
    gids = VolumeGids(range(70001, 70003), file)
    assert gids.allocate("VOLUME", volumes[:2]) == [70001, 70002]
    assert given == [70001, 70002]
    assert stat.S_IMODE(volumes[0].stat().st_mode) == 0o2775
    with pytest.raises(LaunchError, match="all 2 are taken"):
        gids.allocate("VOLUME", volumes[2:])
    again = VolumeGids(range(70001, 70003), file)
    assert again.allocate("VOLUME", volumes[1:2]) == [70002]
    assert (again.total, again.free) == (2, 0)
    volumes[0].rmdir()
    assert again.allocate("SANDBOX_PATH", volumes[2:]) == [70001]


def test_another_range_leaves_old_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fchown", lambda folder, uid, gid: None)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    VolumeGids(range(5, 9), tmp_path / "gids").allocate("VOLUME", [tmp_path / "a"])
    other = VolumeGids(range(70, 72), tmp_path / "gids")
    assert other.allocate("VOLUME", [tmp_path / "a", tmp_path / "b"]) == [5, 70]
    assert (other.total, other.free) == (2, 1)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(OSError, match="link"):
        VolumeGids(range(5, 9), tmp_path / "gids").allocate("SANDBOX_PATH", [tmp_path / "link"])
