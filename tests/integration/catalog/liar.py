"""A repository server that lies: what it answers is a function of the socket."""

from __future__ import annotations

import gzip
import io
import json
import socketserver
import threading
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from dcos.testing.packages import package
from dcos.wire.universe import to_files, to_json

Answer = Callable[[Any], None]
"""Writes the whole answer to a connection whose request was read."""
V5 = "application/vnd.dcos.universe.repo+json;charset=utf-8;version=v5"
ZIP = "application/zip"
MB = 1024**2


@contextmanager
def lying(answers: dict[str, Answer]) -> Iterator[str]:
    """Its URL; ``answers`` by path."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        timeout = 30

        def handle(self) -> None:
            path = self.rfile.readline(65536).split()[1].decode()
            while self.rfile.readline(65536).strip():
                pass
            with suppress(OSError):
                answers[path.strip("/")](Connection(self.wfile, over))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


class Connection:
    """``over`` is set when the test ends."""

    def __init__(self, out: Any, over: threading.Event) -> None:
        self._out = out
        self.over = over

    def send(self, data: bytes) -> None:
        self._out.write(data)

    def head(self, *lines: str, status: str = "200 OK") -> None:
        self.send("\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode())


def body(data: bytes, *lines: str, kind: str = V5, length: int | None = None) -> Answer:
    """``length``: what Content-Length says, where not the truth."""

    def answer(to: Connection) -> None:
        to.head(f"Content-Type: {kind}", f"Content-Length: {len(data) if length is None else length}", *lines)
        to.send(data)

    return answer


def endless(to: Connection) -> None:
    to.head(f"Content-Type: {V5}")
    to.send(b'{"packages":["')
    while not to.over.is_set():
        to.send(b"a" * MB)


def slow(to: Connection) -> None:
    to.head(f"Content-Type: {V5}", "Content-Length: 1000")
    while not to.over.wait(0.1):
        to.send(b" ")


def silent(to: Connection) -> None:
    to.over.wait(60)


def redirect(location: str) -> Answer:
    def answer(to: Connection) -> None:
        to.head(*([f"Location: {location}"] if location else []), "Content-Length: 0", status="302 Found")

    return answer


def failing(to: Connection) -> None:
    to.head("Content-Length: 0", status="503 Out of order")


def garbage(to: Connection) -> None:
    to.send(b"\x00\xff not HTTP at all\r\n\r\n")


def bomb() -> bytes:
    """A gigabyte of blanks in a megabyte of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    blank = b" " * MB
    return b"".join([packer.compress(blank) for _ in range(1024)]) + packer.flush()


def repository(*packages: Any) -> bytes:
    return json.dumps({"packages": list(packages)}).encode()


GOOD = to_json(package("good", "1.0"))


def archive(*more: tuple[str | zipfile.ZipInfo, bytes], good: bool = True) -> bytes:
    """A zip repository with the package ``good`` and ``more`` entries."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        if good:
            for name, data in to_files(package("good", "1.0")).items():
                out.writestr(f"repo/packages/G/good/0/{name}", data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a name that is there twice
            for entry, data in more:
                out.writestr(entry, data)
    return made.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry, target.encode()


def blanks(name: str, number: int) -> tuple[str, bytes]:
    """A file that packs to almost nothing."""
    return name, b" " * number


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data)
