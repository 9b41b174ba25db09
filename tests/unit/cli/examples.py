"""The console examples of docs/guides/cli-examples.md, run one after the other on a cluster of stateful fakes.

A block ``console`` has lines ``$ command``, each followed by what it prints (stderr after stdout) and, where it does not end
with 0, by ``[exit status n]``. A block ``yaml`` or ``json`` with a file's name behind it is that file, for the commands that come
after it. What differs from run to run (the fake's address, new ids) is written in one way. ``python -m tests.unit.cli.examples``
writes the outputs of today into the page.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from dcos.cli.main import main
from dcos.testing.adminrouter import FakeAdminRouter, running

PAGE = Path(__file__).parents[3] / "docs/guides/cli-examples.md"
ADDRESS = "http://10.0.0.1"
NEW_ID = "5b2c6d3e-0f5e-4c9a-9d6f-2d3f0a1b2c3d"
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b")
_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """``begin`` and ``end``: of its content in the page."""

    kind: str
    name: str
    content: str
    begin: int
    end: int

    @property
    def commands(self) -> list[str]:
        return [line[2:] for line in self.content.splitlines() if line.startswith("$ ")]


def blocks(page: str) -> Iterator[Block]:
    for match in _BLOCK.finditer(page):
        yield Block(match[1], match[2].strip(), match[3], match.start(3), match.end(3))


class Shell:
    """A folder, a configuration and a cluster of their own."""

    def __init__(self, folder: Path, url: str, fake: FakeAdminRouter) -> None:
        self._folder = folder
        self._url = url
        self.fake = fake

    def write(self, name: str, content: str) -> None:
        (self._folder / name).write_text(content)

    def run(self, command: str) -> str:
        """What a block shows below the command."""
        words = shlex.split(command.replace(ADDRESS, self._url).replace(NEW_ID, self._newest()))
        assert words[0] == "dcos", command
        out, err = io.StringIO(), io.StringIO()
        environ = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "DCOS_PASSWORD": "right password"}
        here = os.getcwd()
        os.chdir(self._folder)
        try:
            with (
                mock.patch.dict(os.environ, environ, clear=True),
                mock.patch("sys.stdin", io.StringIO("")),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                status = main(words[1:])
        finally:
            os.chdir(here)
        shown = out.getvalue() + err.getvalue()
        if shown and not shown.endswith("\n"):
            shown += "\n"
        return self._plain(shown) + (f"[exit status {status}]\n" if status else "")

    def _newest(self) -> str:
        known = list(self.fake.operations.bundles)
        return known[-1] if known else NEW_ID

    def _plain(self, text: str) -> str:
        text = (
            text.replace(self._url, ADDRESS)
            .replace(str(self._folder.resolve()), "/home/me")
            .replace(str(self._folder), "/home/me")
        )
        return _UUID.sub(lambda match: match[0] if match[0] == self.fake.cluster_id else NEW_ID, text)


@contextlib.contextmanager
def shell() -> Iterator[Shell]:
    fake = FakeAdminRouter()
    fake.marathon.groups = {"dev"}
    fake.unit_trouble = {("10.0.0.3", "dcos-net.service"): "exited with status 1"}
    fake.files = {
        "/sandbox/shop_web.0/stdout": b"listening on port 8080\nGET / 200\n",
        "/sandbox/shop_web.0/stderr": b"cache is cold\n",
        "/sandbox/shop_web.1/stdout": b"listening on port 8080\n",
    }
    with tempfile.TemporaryDirectory(prefix="dcos-examples-") as folder, running(fake) as url:
        yield Shell(Path(folder), url, fake)


def outcome(page: str) -> Iterator[tuple[Block, str]]:
    """Each console block, and what its content should be."""
    with shell() as one:
        for block in blocks(page):
            if block.kind == "console":
                yield block, "".join(f"$ {command}\n{one.run(command)}" for command in block.commands)
            elif block.name:
                one.write(block.name, block.content)


def written(page: str) -> str:
    """The page with the outputs of today."""
    made, at = "", 0
    for block, content in outcome(page):
        made += page[at : block.begin] + content
        at = block.end
    return made + page[at:]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
