"""The dcos command line and a cluster of stateful fakes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.cli.main import main
from dcos.testing.adminrouter import FakeAdminRouter, running
from tests.unit.cli.results import Dcos, Result


@pytest.fixture
def dcos(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Dcos:
    """Run one command; ``stdin`` is what it reads."""
    for name in ("DCOS_CLUSTER", "DCOS_PASSWORD", "DCOS_USERNAME", "DCOS_TIMEOUT", "DCOS_SSL_VERIFY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DCOS_DIR", str(tmp_path / "dcos"))

    def run(*words: str, stdin: str = "") -> Result:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = main(words)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def fake() -> FakeAdminRouter:
    return FakeAdminRouter()


@pytest.fixture
def url(fake: FakeAdminRouter) -> Iterator[str]:
    with running(fake) as address:
        yield address


@pytest.fixture
def ready(dcos: Dcos, url: str, tmp_path: Path) -> Dcos:
    """As ``dcos``, with the fake cluster set up."""
    (tmp_path / "password").write_text("right password\n")
    done = dcos("cluster", "setup", url, "--username=admin", f"--password-file={tmp_path / 'password'}")
    assert done.code == 0, done.err
    return dcos
