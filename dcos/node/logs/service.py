"""dcos-log's shell: the socket that systemd gives (or one of its own), the journal's watch, the two versions of the API."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

from aiohttp import web

from dcos.node.logs.config import Config, is_agent
from dcos.node.logs.finding import Finder
from dcos.node.logs.journal_api import JournalApi
from dcos.node.logs.sandboxes import Sandboxes
from dcos.node.logs.streams import Places
from dcos.node.logs.tasks_api import TasksApi
from dcos.runtime import activation, http, unix_sockets
from dcos.runtime import app as runtime
from dcos.runtime.app import App
from dcos.runtime.credentials import pair_of
from dcos.runtime.journal import Journal, JournalError, Watch
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import scheme


async def run(app: App[Config]) -> None:
    config = app.config
    places = Places(config.max_answers)
    async with contextlib.AsyncExitStack() as opened:
        session = await opened.enter_async_context(http.session(timeout_s=config.read_timeout))
        sandboxes = None
        if is_agent(config.role):
            # a download may take as long as its reader does
            endless = await opened.enter_async_context(http.session(timeout_s=None))
            ip = detect_ip(config.ip, config.ip_discovery_command)
            agent = f"{scheme()}://{f'[{ip}]' if ':' in ip else ip}:{config.agent_port}"
            sandboxes = Sandboxes(endless, agent, pair_of(config.mesos_credential, app.log))
        tasks = TasksApi(
            Finder(session, config.admin_router.rstrip("/")),
            sandboxes,
            places,
            agent_id=lambda: _agent_id(app.layout.mesos_work),
            need_authorization=config.need_authorization,
            wait_s=config.follow_interval,
        )
        served = http.application()
        _journal(app, places).add_to(served.router)
        tasks.add_to(served.router)
        for where in await _serve(app, served, opened):
            app.ready(f"serving on {where}")
        await asyncio.Event().wait()  # until cancelled


def _journal(app: App[Config], places: Places) -> JournalApi:
    """Where there is no journal (services without systemd), that is what is answered."""
    folder = app.config.journal
    if folder is None and app.layout.root != Path("/"):
        return JournalApi(None, None, places, "this node has no journal: its services do not run below systemd")
    try:
        Journal(folder).close()
    except JournalError as error:
        app.log.warning("no_journal", error=str(error))
        return JournalApi(folder, None, places, f"the journal cannot be read: {error}")
    watch = Watch(folder)
    app.spawn(watch.run(), name="journal")
    return JournalApi(folder, watch, places)


async def _serve(app: App[Config], served: web.Application, opened: contextlib.AsyncExitStack) -> list[str]:
    doors = activation.inherited(os.environ)
    if not doors:
        path = app.config.socket or app.layout.run / "dcos-log.sock"
        path.parent.mkdir(parents=True, exist_ok=True)
        doors = (unix_sockets.listening(path, mode=0o660),)
        opened.callback(path.unlink, missing_ok=True)
    (door,) = doors
    await opened.enter_async_context(http.listen_on(served, door, cancel_on_disconnect=True))
    return [str(door.getsockname())]


def _agent_id(work: Path) -> str:
    """The agent's id as it keeps it over restarts; empty before its first registration."""
    try:
        return (work / "meta/slaves/latest").readlink().name
    except OSError:
        return ""


def main() -> int:
    return runtime.main("dcos-log", Config, run, prefix="LOG_")
