"""Our ``dcos`` as a program, set up with a cluster whose service is the test's own."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from yarl import URL

from dcos.cli.main import main
from dcos.testing.adminrouter import FakeAdminRouter, running

Dcos = Callable[..., Awaitable[tuple[int, str, str]]]
"""Words and ``stdin`` in; exit status, stdout and stderr out."""


@asynccontextmanager
async def program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path, setting: str, url: URL
) -> AsyncIterator[Dcos]:
    """``setting`` of its configuration points to ``url``."""
    monkeypatch.setenv("DCOS_DIR", str(folder / "dcos"))
    (folder / "password").write_text("right password\n")

    async def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        code = await asyncio.to_thread(main, words)
        said = capsys.readouterr()
        return code, said.out, said.err

    with running(FakeAdminRouter()) as cluster:
        await run("cluster", "setup", cluster, "--username=admin", f"--password-file={folder / 'password'}")
        await run("config", "set", setting, str(url).rstrip("/"))
        yield run
