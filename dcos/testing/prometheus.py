"""A real Prometheus server on loopback (Debian's package ``prometheus``), for tests of what it scrapes and answers."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port


def why_not() -> str | None:
    return None if shutil.which("prometheus") else "no prometheus on PATH (Debian package prometheus)"


@dataclass
class Prometheus:
    url: str

    def ask(self, path: str, **query: str) -> Any:
        """The ``data`` of an answer of its API.   Errors: OSError."""
        with urllib.request.urlopen(
            f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=PATIENCE_S
        ) as answer:
            return json.loads(answer.read())["data"]

    def value(self, query: str) -> float:
        """The first value of an instant query; nan: there is none."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else math.nan


@contextmanager
def prometheus(folder: Path, scrape: list[dict[str, Any]]) -> Iterator[Prometheus]:
    """Running with these ``scrape_configs``, each second."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": scrape}
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    port = free_port()
    words = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("ab") as log:
        child = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    made = Prometheus(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                made.ask("status/config")
                break
            except OSError:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError((folder / "prometheus.log").read_text()) from None
                time.sleep(0.1)
        yield made
    finally:
        child.terminate()
        try:
            child.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
