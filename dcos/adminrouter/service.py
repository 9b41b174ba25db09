"""dcos-adminrouter: on masters a supervisor of nginx and of the decision service; on agents it becomes nginx.

Ready when nginx answers. The supervisor does little, so that it hardly ever has to be started again: what decides is a process of
its own (``decisions.py``), whose end nginx survives. It keeps the socket on which questions wait meanwhile. When nginx ends by
itself, so does the supervisor, and systemd starts all of it again. SIGHUP makes the configuration anew and reloads nginx. An
agent's routes all have fixed upstreams and no token check, so nothing of ours stays in memory there.
"""

from __future__ import annotations

import asyncio
import signal
from dataclasses import replace

from dcos.adminrouter import nginx, prepare
from dcos.adminrouter.child import Child, waiting
from dcos.adminrouter.config import Config
from dcos.adminrouter.core.site import Site, render
from dcos.runtime import app as runtime
from dcos.runtime.app import App, Exit
from dcos.runtime.net import AddressError

_EXIT_NGINX = 4
_WAIT_S = 0.2


async def run(app: App[Config]) -> None:
    config = app.config
    await _until_certified(app)
    try:
        if config.is_master:
            prepare.master_zk(config)
        site = _written(app)
    except (ValueError, OSError, AddressError) as error:
        raise Exit(prepare.EXIT_BAD_INPUT, str(error)) from error
    if config.is_master:
        await _supervise(app, site)
    else:
        await _become_nginx(app, site)


async def _until_certified(app: App[Config]) -> None:
    """dcos-certificates has it made while we start: masters' at once, by their own authority."""
    path = app.config.certificate
    if path is None or not app.config.is_master:
        return
    if not path.exists():
        app.log.info("waiting_for_certificate", path=str(path))
        while not path.exists():  # noqa: ASYNC110 (files tell nobody; at the first start only)
            await asyncio.sleep(_WAIT_S)


def _written(app: App[Config], *, plain: bool = False) -> Site:
    """What nginx needs lies on disk. ``plain``: without modules.   Errors: ValueError, OSError, AddressError."""
    ip = prepare.node_ip(app.config, app.layout)
    site = prepare.site(app.config, app.layout, ip)
    if plain:
        site = replace(site, lua=None)
    prepare.write(site, render(site), app.config, ip, app.clock.now())
    return site


async def _become_nginx(app: App[Config], site: Site) -> None:
    """Errors: Exit."""
    program, text = app.config.nginx, site.run / "nginx.conf"
    try:
        await nginx.check(program, site.run, text)
        where = [(address, port) for address in site.listen for port in site.ports]
        await nginx.become(program, site.run, text, where, ready=lambda: app.ready(_serving(site)), log=app.log)
    except nginx.NginxError as error:
        raise Exit(_EXIT_NGINX, f"nginx: {error}") from error


async def _checked(app: App[Config], site: Site) -> None:
    """nginx takes what was written; a module that does not fit it is left out.   Errors: NginxError, those of ``_written``."""
    program, text = app.config.nginx, site.run / "nginx.conf"
    try:
        await nginx.check(program, site.run, text)
    except nginx.NginxError as error:
        if site.lua is None:
            raise
        await asyncio.to_thread(_written, app, plain=True)
        await nginx.check(program, site.run, text)
        app.log.warning("connections_are_not_kept", error=str(error))


def _serving(site: Site) -> str:
    return f"serving on {', '.join(site.listen)} port {' and '.join(map(str, site.ports))}"


async def _supervise(app: App[Config], site: Site) -> None:
    """Run both until nginx ends.   Errors: Exit."""
    program, text = app.config.nginx, site.run / "nginx.conf"
    owner = prepare.worker_ids(site.user) if site.user else None
    with waiting(site.waiting_socket, owner) as listening:
        decisions = Child(site.decision_socket, listening, clock=app.clock, log=app.log)
        code = await decisions.start()
        if code is not None:
            raise Exit(code, "the decision service ends at its start")
        app.spawn(decisions.keep(), name="decisions")
        try:
            await _checked(app, site)
            async with nginx.running(program, site.run, text, site.status_socket, log=app.log) as child:
                await nginx.answering(child, site.status_socket)
                asyncio.get_running_loop().add_signal_handler(
                    signal.SIGHUP, lambda: app.spawn(_reload(app, child), name="reload")
                )
                app.ready(_serving(site))
                code = await child.wait()
        except (nginx.NginxError, TimeoutError) as error:
            raise Exit(_EXIT_NGINX, f"nginx: {error}") from error
        finally:
            await decisions.end()
    raise Exit(_EXIT_NGINX, f"nginx ended with {code}")


async def _reload(app: App[Config], child: asyncio.subprocess.Process) -> None:
    """Nothing changes when the new configuration does not do."""
    try:
        site = await asyncio.to_thread(_written, app)
        await _checked(app, site)
    except (ValueError, OSError, AddressError, nginx.NginxError) as error:
        app.log.error("not_reloaded", error=str(error))
        return
    child.send_signal(signal.SIGHUP)
    app.log.info("reloaded")


def main() -> int:
    return runtime.main("dcos-adminrouter", Config, run, prefix="ADMINROUTER_")
