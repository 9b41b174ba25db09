"""Debian's docker-registry with one user, ann, whose password is pull-me."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcos.testing.patience import PATIENCE_S

_HASH = "$2b$04$uZRJvZDJqm64tUOZQdgzn.UpQFXGz5OdPC5wQ6cY2fBFWKFn7mG.S"


class DockerRegistry:
    """``entered``: words before a command that bring it into the registry's network."""

    def __init__(self, folder: Path, address: str, entered: Sequence[str] = ()) -> None:
        folder.mkdir()
        self.address = address
        self.config: dict[str, Any] = {"auths": {address: {"auth": base64.b64encode(b"ann:pull-me").decode()}}}
        (folder / "users").write_text(f"ann:{_HASH}\n")
        settings = {
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
            "http": {"addr": address},
            "auth": {"htpasswd": {"realm": "test", "path": str(folder / "users")}},
        }
        (folder / "config.yml").write_text(json.dumps(settings))
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*entered, "docker-registry", "serve", str(folder / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + PATIENCE_S
        asked = [*entered, "curl", "--silent", f"http://{address}/v2/"]
        while subprocess.run(asked, capture_output=True).returncode != 0:
            assert self._process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
