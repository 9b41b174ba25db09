"""Settings whose values are not just read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcos.marathon.config import Config
from dcos.runtime.settings import SettingsError, load

NEEDED = ["--master=zk://z:2181/mesos", "--zk=zk://z:2181/marathon"]


def settings(*flags: str, **environ: str) -> Config:
    return load(Config, [*NEEDED, *flags], environ, prefix="MARATHON_")


def test_the_secret_of_the_principal_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("first\n", encoding="utf-8")
    config = settings(f"--mesos_authentication_secret_file={file}")
    assert config.mesos_secret == "first"
    file.write_text("word-two", encoding="utf-8")
    assert config.mesos_secret == "word-two"
    assert "word-two" not in repr(config)
    given = settings(f"--mesos_authentication_secret_file={file}", MARATHON_MESOS_AUTHENTICATION_SECRET="given")
    assert given.mesos_secret == "given"
    assert settings().mesos_secret is None


def test_a_file_that_cannot_be_read_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="mesos_authentication_secret_file"):
        settings(f"--mesos_authentication_secret_file={tmp_path / 'none'}")
