"""A plain file server for ``genconf/serve``: reads only, lists nothing, one folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Files(SimpleHTTPRequestHandler):
    server_version = "dcos-install"
    sys_version = ""

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        if self.server.show_requests:  # type: ignore[attr-defined]
            super().log_message(format, *args)


class FileServer(ThreadingHTTPServer):
    daemon_threads = True
    show_requests = False


def make(folder: Path, address: str, port: int) -> FileServer:
    """A listening server; port 0 takes a free one. Errors: OSError."""
    return FileServer((address, port), partial(_Files, directory=str(folder)))


@contextmanager
def serving(folder: Path, address: str, port: int = 0) -> Iterator[int]:
    """Serve in the background for the length of the block; gives the port."""
    server = make(folder, address, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
