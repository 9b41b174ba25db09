"""Settings whose values are not just read."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize("service", ["marathon", "metronome"])
def test_what_checks_tokens_is_not_loaded_unasked(service: str) -> None:
    """It takes 8 MB and some time."""
    program = (
        f"import sys, dcos.{service}.service; print([one for one in ('cryptography', 'jwt') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
