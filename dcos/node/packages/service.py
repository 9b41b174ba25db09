"""dcos-pkgpanda-api's shell: the socket that systemd gives, or one of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from dcos.node.packages.api import application
from dcos.runtime import activation, http, unix_sockets
from dcos.runtime import app as runtime
from dcos.runtime.app import App
from dcos.runtime.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    socket: Path | None = setting(
        None, "Socket to listen at, where systemd gives none. Default: pkgpanda-api.sock in /run/dcos."
    )


async def run(app: App[Config]) -> None:
    async with contextlib.AsyncExitStack() as opened:
        doors = activation.inherited(os.environ)
        if not doors:
            path = app.config.socket or app.layout.run / "pkgpanda-api.sock"
            path.parent.mkdir(parents=True, exist_ok=True)
            doors = (unix_sockets.listening(path, mode=0o660),)
            opened.callback(path.unlink, missing_ok=True)
        (door,) = doors
        await opened.enter_async_context(http.listen_on(application(app.layout.opt), door))
        app.ready(f"serving on {door.getsockname()}")
        await asyncio.Event().wait()  # until cancelled


def main() -> int:
    return runtime.main("dcos-pkgpanda-api", Config, run, prefix="PKGPANDA_")
