"""``dcos diagnostics``: bundles of logs and states of all nodes.   Source: dcos-core-cli pkg/cmd/diagnostics."""

from __future__ import annotations

import datetime
import time
import uuid
from pathlib import Path
from typing import Any, Final

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, notice
from dcos.cli.progress import Bar, Steps

Json = dict[str, Any]
_OVER: Final = frozenset({"Done", "Canceled", "Deleted", "Failed"})
_LOOK_EVERY_S: Final = 1.0


@click.group()
def diagnostics() -> None:
    """Collect what tells of the cluster's state, for those who look for a fault.

    \b
    Example: dcos diagnostics create
    """


@diagnostics.command()
@click.option("--masters", is_flag=True, help="Only of masters, unless --agents is there too.")
@click.option("--agents", is_flag=True, help="Only of agents, unless --masters is there too.")
@pass_context
def create(context: Context, masters: bool, agents: bool) -> None:
    """Begin a bundle and print its id.

    \b
    Example: dcos diagnostics wait "$(dcos diagnostics create)"
    """
    bundle_id = str(uuid.uuid4())
    both = masters == agents
    made = context.diagnostics.create(bundle_id, masters=both or masters, agents=both or agents)
    click.echo(str(made.get("id") or bundle_id))


@diagnostics.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, as_json: bool, quiet: bool) -> None:
    """List the bundles of the cluster.

    \b
    Example: dcos diagnostics list
    """
    found = context.diagnostics.bundles()
    shown = [one for one in found if one.get("type") != "Local"]
    if as_json:
        emit_json(found)
    elif quiet:
        emit_lines(str(one["id"]) for one in shown)
    else:
        emit_table(("ID", "STATUS", "CREATED", "SIZE"), [_row(one, time.time()) for one in shown])


def _row(one: Json, now: float) -> tuple[str, ...]:
    return str(one["id"]), str(one.get("status", "")), ago(one.get("started_at"), now), size(one.get("size"))


def size(count: object) -> str:
    """In thousands of bytes and so on, as people say it."""
    number = float(count) if isinstance(count, int | float) else 0.0
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 10 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def ago(text: object, now: float) -> str:
    """How long ``text``, a time of RFC 3339, is past."""
    try:
        then = datetime.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return "-"
    passed = max(0, int(now - then))
    for seconds, name in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if passed >= seconds:
            count = passed // seconds
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "now"


def _newest(context: Context) -> str:
    found = [
        one for one in context.diagnostics.bundles() if one.get("type") != "Local" and one.get("status") != "Deleted"
    ]
    if not found:
        fail("there is no bundle", "`dcos diagnostics create` makes one")
    return str(max(found, key=lambda one: str(one.get("started_at", "")))["id"])


@diagnostics.command()
@click.argument("bundle_id", required=False, shell_complete=completing.bundles)
@click.option("--interval", type=float, default=_LOOK_EVERY_S, hidden=True)
@pass_context
def wait(context: Context, bundle_id: str | None, interval: float) -> None:
    """Wait until the bundle BUNDLE_ID, or the newest one, is complete. Ends with 1 when it failed.

    \b
    Example: dcos diagnostics wait 5b2c6d3e
    """
    wanted = bundle_id or _newest(context)
    if bundle_id is None:
        notice(f"Waiting for bundle {wanted}")
    steps = Steps()
    while (found := context.diagnostics.bundle(wanted)).get("status") not in _OVER:
        steps.say(f"{found.get('status')}, {size(found.get('size'))}")
        time.sleep(interval)
    for error in found.get("errors") or []:
        notice(f"  {error}")
    if found.get("status") != "Done":
        fail(f"bundle {wanted} is {str(found.get('status')).lower()}")


@diagnostics.command()
@click.argument("bundle_id", required=False, shell_complete=completing.bundles)
@click.option("-o", "--output", help="File to save it in; ID.zip without it.")
@pass_context
def download(context: Context, bundle_id: str | None, output: str | None) -> None:
    """Save the bundle BUNDLE_ID, or the newest one.

    \b
    Example: dcos diagnostics download 5b2c6d3e --output=bundle.zip
    """
    wanted = bundle_id or _newest(context)
    target = Path(output or f"{wanted}.zip")
    parts = context.diagnostics.file(wanted)
    first = next(parts, b"")
    got = len(first)
    try:
        with target.open("wb") as file, Bar(f"Downloading {target.name}") as bar:
            file.write(first)
            for part in parts:
                got += len(part)
                file.write(part)
                bar.bytes(got)
    except OSError as error:
        fail(f"cannot write {target}: {error.strerror}")
    click.echo(f"Diagnostics bundle downloaded to {target.resolve()}")


@diagnostics.command()
@click.argument("bundle_id", shell_complete=completing.bundles)
@pass_context
def delete(context: Context, bundle_id: str) -> None:
    """Delete the bundle BUNDLE_ID, or leave off making it.

    \b
    Example: dcos diagnostics delete 5b2c6d3e
    """
    context.diagnostics.delete(bundle_id)
