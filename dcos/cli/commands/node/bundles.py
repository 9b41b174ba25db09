"""``dcos node diagnostics``: bundles as clusters before DC/OS 2.0 have them. ``dcos diagnostics`` is what replaced it."""

from __future__ import annotations

from pathlib import Path

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, fail
from dcos.cli.progress import Bar
from dcos.client.adminrouter.diagnostics import Json


@click.group()
def diagnostics() -> None:
    """Make and fetch diagnostics bundles, in the older way; see `dcos diagnostics`.

    \b
    Example: dcos node diagnostics create all
    """


@diagnostics.command()
@click.argument("nodes", nargs=-1, required=True)
@pass_context
def create(context: Context, nodes: tuple[str, ...]) -> None:
    """Begin a bundle of NODES: addresses, Mesos ids, or the words all, masters, agents.

    \b
    Example: dcos node diagnostics create masters
    """
    made = context.legacy_diagnostics.create(nodes)
    click.echo(f"{made.get('status', '')}, available bundle: {(made.get('extra') or {}).get('bundle_name', '')}")


@diagnostics.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the bundles of all masters.

    \b
    Example: dcos node diagnostics list
    """
    found = context.legacy_diagnostics.bundles()
    if as_json:
        emit_json(found)
        return
    click.echo("Available diagnostic bundles:")
    emit_lines(
        f"{str(one.get('file_name', '')).rpartition('/')[2]} {float(one.get('file_size', 0)) / 1e6:.1f}MiB"
        for files in found.values()
        for one in files
    )


@diagnostics.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def status(context: Context, as_json: bool) -> None:
    """Say how far each master is with its bundle.

    \b
    Example: dcos node diagnostics status
    """
    found = context.legacy_diagnostics.status()
    if as_json:
        emit_json(found)
        return
    for ip, one in found.items():
        click.echo(f"{ip}:")
        emit_lines(f"    {name}: {_shown(value)}" for name, value in one.items())


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


@diagnostics.command()
@click.argument("bundle")
@click.option("--location", help="Folder or file to save it in; here without it.")
@pass_context
def download(context: Context, bundle: str, location: str | None) -> None:
    """Save the file BUNDLE.

    \b
    Example: dcos node diagnostics download bundle-2026-01-02-1767312000.zip
    """
    target = Path(location or ".")
    if target.is_dir():
        target = target / Path(bundle).name
    parts = context.legacy_diagnostics.file(bundle)
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
@click.argument("bundle")
@pass_context
def delete(context: Context, bundle: str) -> None:
    """Delete the file BUNDLE from the cluster.

    \b
    Example: dcos node diagnostics delete bundle-2026-01-02-1767312000.zip
    """
    _said(context.legacy_diagnostics.delete(bundle))


@diagnostics.command()
@pass_context
def cancel(context: Context) -> None:
    """Leave off making the bundle that is being made.

    \b
    Example: dcos node diagnostics cancel
    """
    _said(context.legacy_diagnostics.cancel())


def _said(done: Json) -> None:
    click.echo(str(done.get("status", "")))
