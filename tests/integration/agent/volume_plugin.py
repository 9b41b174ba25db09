"""A Docker volume plugin of the tests' own: volumes are folders, and every call is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any


class VolumePlugin:
    """Volumes below ``folder``. ``calls``: (what was asked, its body) in order. A volume named ``broken`` cannot be mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._volumes: dict[str, Path] = {}

    def asked(self, what: str) -> list[dict[str, Any]]:
        return [body for name, body in self.calls if name == what]

    def answer(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        self.calls.append((what, body))
        name = str(body.get("Name", ""))
        path = self._volumes.get(name)
        known = {"Name": name, "Mountpoint": str(path)}
        match what:
            case "Plugin.Activate":
                return {"Implements": ["VolumeDriver"]}
            case "VolumeDriver.Capabilities":
                return {"Capabilities": {"Scope": "local"}}
            case "VolumeDriver.Create":
                self._volumes[name] = self.folder / name
                (self.folder / name).mkdir(exist_ok=True)
                return {"Err": ""}
            case "VolumeDriver.List":
                return {
                    "Volumes": [{"Name": one, "Mountpoint": str(at)} for one, at in self._volumes.items()],
                    "Err": "",
                }
            case _ if path is None:
                return {"Err": f"no volume {name}"}
            case "VolumeDriver.Mount" if name == "broken":
                return {"Err": "this one is broken"}
            case "VolumeDriver.Mount" | "VolumeDriver.Path":
                return {"Mountpoint": str(path), "Err": ""}
            case "VolumeDriver.Get":
                return {"Volume": known, "Err": ""}
            case "VolumeDriver.Remove":
                del self._volumes[name]
                return {"Err": ""}
            case _:
                return {"Err": ""}

    @contextmanager
    def listening(self, socket: Path) -> Iterator[None]:
        plugin = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                data = json.dumps(plugin.answer(self.path.lstrip("/"), json.loads(raw or b"{}"))).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.docker.plugins.v1.1+json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None: ...

            def address_string(self) -> str:
                return "unix"

        class Server(ThreadingMixIn, UnixStreamServer):
            daemon_threads = True

        with Server(str(socket), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                socket.unlink()
