"""dcos-docker-gc with a real Docker Engine of the tests' own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dcos.testing.patience import PATIENCE_S

from .docker_engine import IMAGE, DockerEngine, obstacle

pytestmark = [pytest.mark.integration, pytest.mark.skipif(bool(obstacle()), reason=obstacle())]

START = "import sys; from dcos.node.docker_gc import main; sys.exit(main())"


def collect(engine: DockerEngine, root: Path, **more: str) -> None:
    environ = {**os.environ, "DCOS_ROOT": str(root), "DOCKER_GC_DOCKER_SOCKET": str(engine.socket), **more}
    done = subprocess.run(
        [sys.executable, "-c", START], env=environ, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_second_run_takes_away_what_the_first_saw(engine: DockerEngine, tmp_path: Path) -> None:
    def listed(*words: str) -> set[str]:
        return set(engine.docker(*words).stdout.decode().split())

    def volumes() -> set[str]:
        return listed("volume", "ls", "--quiet")

    def images() -> set[str]:
        return listed("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")

    engine.docker("tag", IMAGE, "gc-test:kept")
    engine.docker("volume", "create", "gc-named")
    engine.docker("run", "--detach", "--name=gc-running", "--volume=/data", IMAGE, "sleep", "1000")
    before = volumes()
    try:
        engine.docker("run", "--name=gc-ended", "--volume=/data", IMAGE, "sh", "-c", ":")
        (anonymous,) = volumes() - before
        engine.docker("commit", "gc-running", "gc-test:unused")

        collect(engine, tmp_path, DOCKER_GC_ENABLED="false")
        collect(engine, tmp_path)
        assert {"gc-ended", "gc-running"} <= listed("ps", "--all", "--format", "{{.Names}}")
        assert anonymous in volumes()
        assert "gc-test:unused" in images()

        engine.docker("run", "--name=gc-later", IMAGE, "sh", "-c", ":")
        collect(engine, tmp_path)
        names = listed("ps", "--all", "--format", "{{.Names}}")
        assert "gc-ended" not in names
        assert {"gc-later", "gc-running"} <= names, "what ended since then stays"
        assert anonymous not in volumes(), "a container's volume without a name goes with it"
        assert {"gc-named", *before} <= volumes()
        assert "gc-test:unused" not in images()
        assert {IMAGE, "gc-test:kept"} <= images(), "images of containers stay, by all their names"
    finally:
        engine.docker("rm", "--force", "--volumes", "gc-running", "gc-later", "gc-ended", check=False)
        engine.docker("volume", "rm", "gc-named", check=False)
        engine.docker("rmi", "gc-test:kept", "gc-test:unused", check=False)
