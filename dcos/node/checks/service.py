"""The shell of the checks: the runner's command line, the API's service, the program of the built-in checks.

    dcos-check-runner check (node-prestart|node-poststart|cluster) [--list] [--check-config=FILE] [--role=ROLE] [NAME ...]
    dcos-check-runner http-server [settings]
    dcos-checks NAME [WORD ...]

``check`` prints JSON; its exit code is the worst status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. 4: it could not be run (no such
check, a bad file, a wrong call).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import uvloop

from dcos.model.checks import AGENT, KINDS, MASTER, OK, UNKNOWN
from dcos.model.layout import Layout
from dcos.node.checks.api import Api
from dcos.node.checks.builtin import CHECKS, Finding, Here, look
from dcos.node.checks.config import Config, environment
from dcos.node.checks.running import ConfigError, NotThereError, Runner, chosen, read
from dcos.node.config import role_marked
from dcos.node.sources import source_of
from dcos.registry import NodeRole
from dcos.runtime import activation, http, log, tls, unix_sockets
from dcos.runtime import app as runtime
from dcos.runtime.app import App, Exit
from dcos.runtime.clock import SystemClock
from dcos.runtime.credentials import pair_of
from dcos.runtime.settings import load_or_exit

EXIT_NO_ROLE = 3
EXIT_NOT_RUN = 4
_PREFIX = "CHECKS_"


@contextlib.asynccontextmanager
async def _here(config: Config, layout: Layout, role: NodeRole, path: str) -> AsyncIterator[Here]:
    units, _ = source_of(config.units_source, layout)
    try:
        yield Here(
            config=config,
            layout=layout,
            role=role,
            units=units,
            headers=http.basic(pair_of(config.mesos_credential, log.get_logger("dcos-checks"))),
            path=path,
            clock=SystemClock(),
        )
    finally:
        await units.close()


def _runner(here: Here) -> Runner:
    async def within(words: Sequence[str], path: str) -> Finding:
        return await look(replace(here, path=path), words)

    return Runner(here.layout.bin / "dcos-checks", within, most=here.config.max_running)


def _role(role: NodeRole) -> str:
    return MASTER if role is NodeRole.MASTER else AGENT


# ---- the API


async def run(app: App[Config]) -> None:
    config, layout = app.config, app.layout
    role = config.role or role_marked(layout)
    if role is None:
        raise Exit(EXIT_NO_ROLE, f"no role: neither --role nor a marker in {layout.config / 'roles'}")
    async with contextlib.AsyncExitStack() as opened:
        here = await opened.enter_async_context(_here(config, layout, role, os.environ.get("PATH", "")))
        api = Api(layout.etc, config.check_config, _role(role), _runner(here))
        doors = activation.inherited(os.environ)
        if not doors:
            path = config.socket or layout.run / "dcos-checks-api.sock"
            path.parent.mkdir(parents=True, exist_ok=True)
            doors = (unix_sockets.listening(path, mode=0o660),)
            opened.callback(path.unlink, missing_ok=True)
        (door,) = doors
        # who goes away gives up what was begun for it
        await opened.enter_async_context(http.listen_on(api.application(), door, cancel_on_disconnect=True))
        app.ready(f"serving on {door.getsockname()}")
        await asyncio.Event().wait()  # until cancelled


# ---- by hand


async def _checked(config: Config, kind: str, names: Sequence[str], *, only_list: bool) -> int:
    layout = Layout.from_environ(os.environ)
    role = config.role or role_marked(layout)
    if role is None:
        print(f"no role: neither --role nor a marker in {layout.config / 'roles'}", file=sys.stderr)
        return EXIT_NOT_RUN
    try:
        configured = read(layout.etc, config.check_config)
        checks = chosen(configured.checks.of(kind, _role(role)), names)
    except (ConfigError, NotThereError) as error:
        print(error, file=sys.stderr)
        return EXIT_NOT_RUN
    if only_list:
        print(_pretty({name: check.shown() for name, check in checks.items()}))
        return 0
    await _identify()
    async with _here(config, layout, role, "") as here:
        result = await _runner(here).run(checks, configured.environment)
    print(_pretty(result))
    return int(result["status"])


async def _identify() -> None:
    """Show the certificate of the checks, where there is one that we may read; before the start there is none."""
    try:
        given = tls.settings(os.environ)
        if given is not None and all(os.access(path, os.R_OK) for path in given.files):
            await tls.begin(os.environ)
    except ValueError as error:
        print(error, file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["http-server"]:
        return runtime.main("dcos-checks-api", Config, run, prefix=_PREFIX, argv=words[1:])
    parser = argparse.ArgumentParser(
        prog="dcos-check-runner", description="Runs checks of this node or of the cluster."
    )
    commands = parser.add_subparsers(required=True, metavar="check | http-server")
    check = commands.add_parser("check", help="run checks; the exit code is the worst status (4: could not be run)")
    commands.add_parser("http-server", help="serve the API of checks")
    check.add_argument("kind", choices=KINDS)
    check.add_argument("names", nargs="*", metavar="NAME", help="only these")
    check.add_argument("--list", action="store_true", help="only tell what there is")
    check.add_argument("--check-config", metavar="FILE", help="the checks")
    check.add_argument("--role", help="what this node is")
    given = _parsed(parser, words)
    os.environ.update(environment(os.environ))
    flags = [f"--{key}={value}" for key, value in (("check_config", given.check_config), ("role", given.role)) if value]
    config = _config(flags, "dcos-check-runner")
    return _run(_checked(config, given.kind, given.names, only_list=given.list))


def _parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """A wrong call is no status of a check."""
    try:
        return parser.parse_args(words)
    except SystemExit as end:
        raise SystemExit(EXIT_NOT_RUN if end.code else 0) from None


def _config(flags: Sequence[str], program: str) -> Config:
    try:
        return load_or_exit(Config, flags, os.environ, prefix=_PREFIX, prog=program)
    except SystemExit as end:
        raise SystemExit(EXIT_NOT_RUN if end.code else 0) from None


def _run(work: Coroutine[Any, Any, int]) -> int:
    log.configure(os.environ.get("DCOS_LOG_LEVEL", "WARNING"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


async def _built_in(config: Config, words: Sequence[str]) -> int:
    layout = Layout.from_environ(os.environ)
    role = config.role or role_marked(layout)
    if role is None:
        print(f"no role: no marker in {layout.config / 'roles'}")
        return UNKNOWN
    await _identify()
    async with _here(config, layout, role, os.environ.get("PATH", "")) as here:
        try:
            status, text = await look(here, words)
        except (LookupError, TypeError) as error:
            status, text = UNKNOWN, f"no check {' '.join(words)!r}: {error}"
    print(text)
    return status


def builtin_main() -> int:
    words = sys.argv[1:]
    if not words or words[0] not in CHECKS:
        print("\n  ".join(("Usage: dcos-checks NAME [WORD ...], NAME being one of", *CHECKS)))
        return OK if words == ["--help"] else UNKNOWN
    os.environ.update(environment(os.environ))
    config = _config([], "dcos-checks")
    return _run(_built_in(config, words))
