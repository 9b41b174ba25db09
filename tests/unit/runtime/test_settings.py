from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from dcos.model.durations import text as duration_text
from dcos.runtime.settings import (
    REQUIRED,
    HelpWanted,
    SettingsError,
    duration,
    load,
    milliseconds,
    setting,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: str = setting(REQUIRED, "ZooKeeper URL.")
    port: int = setting(5050, "Port.")
    offer_timeout: float | None = setting(None, "How long.", parse=duration)
    quiet: bool = setting(True, "Whether.")
    roles: tuple[str, ...] = setting((), "Which.")
    password: str = setting("", "Secret word.", secret=True)


def read(*argv: str, **environ: str) -> Config:
    return load(Config, argv, environ, prefix="MESOS_", prog="dcos-mesos-master")


@pytest.mark.parametrize(
    ("argv", "member", "value"),
    [
        (["--port=1"], "port", 1),
        (["--port", "2"], "port", 2),
        (["--quiet"], "quiet", True),
        (["--no-quiet"], "quiet", False),
        (["--no-quiet=false", "--quiet=false"], "quiet", False),
        (["--quiet", "false", "--port=3"], "quiet", False),
        (["--offer_timeout=2mins"], "offer_timeout", 120.0),
        (["--offer-timeout=1.5hrs"], "offer_timeout", 5400.0),
        (["--roles=a, b,"], "roles", ("a", "b")),
    ],
)
def test_forms_of_flags(argv: list[str], member: str, value: object) -> None:
    if argv[0] == "--no-quiet=false":
        with pytest.raises(SettingsError, match="no_quiet: unknown flag"):
            read("--zk=z", *argv)
        return
    assert getattr(read("--zk=z", *argv), member) == value


def test_later_sources_win_and_defaults_stay() -> None:
    config = read("--port=2", MESOS_PORT="1", MESOS_ZK="e", OTHER_PORT="9")
    assert (config.port, config.zk, config.quiet) == (2, "e", True)


def test_values_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("secret\n")
    assert read("--zk=z", f"--password=file://{tmp_path}/word").password == "secret"


def test_secrets_are_no_arguments() -> None:
    with pytest.raises(SettingsError, match="not as an argument") as caught:
        read("--zk=z", "--password=hunter2")
    assert "hunter2" not in str(caught.value)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read("--port=x", "--unknown=1", "stray", MESOS_OFFER_TIMEOUT="soon")
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "MESOS_OFFER_TIMEOUT", "--port", "--unknown", "stray", "--zk",
    ]  # fmt: skip


def test_help_names_every_flag() -> None:
    with pytest.raises(HelpWanted) as caught:
        read("--help")
    for word in ("--zk=", "--port=", "--[no-]quiet", "MESOS_OFFER_TIMEOUT", "required"):
        assert word in caught.value.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    wait: float = setting(120.0, "How long.", parse=duration)
    pause: float = setting(1.5, "In ms.", parse=milliseconds)
    sure: bool = setting(True, "Whether.")
    names: tuple[str, ...] = setting(("a", "b"), "Which.")
    word: str | None = setting(None, "Which.", secret=True)
    odd: tuple[int, ...] = setting((1, 2), "Which.", parse=lambda text: (1, 2), shown="1 2")


def test_help_shows_defaults_as_flags_take_them() -> None:
    with pytest.raises(HelpWanted) as caught:
        load(Shown, ["--help"], {}, prefix="X_", prog="x")
    defaults = re.findall(r"default: ([^;]*);", caught.value.text)
    assert defaults == ["2mins", "1500", "true", "a,b", "none", "1 2"]


@pytest.mark.parametrize("seconds", [0.5, 1.0, 90.0, 120.0, 3600.0, 86400.0, 1209600.0])
def test_a_duration_reads_back(seconds: float) -> None:
    assert duration(duration_text(seconds)) == seconds


def test_version() -> None:
    with pytest.raises(HelpWanted, match=r"^dcos-mesos-master \d+\.\d+\.\d+$"):
        read("--version")
