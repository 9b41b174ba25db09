"""``dcos package``: the catalog. This file looks at it; ``installation.py`` installs, ``repo.py`` keeps the repositories."""

from __future__ import annotations

import base64

import click

from dcos.cli import completing
from dcos.cli.commands.package.installation import install, list_, uninstall
from dcos.cli.commands.package.repo import repo
from dcos.cli.commands.package.shared import options_of
from dcos.cli.context import Context, pass_context
from dcos.cli.output import cut, emit_json, emit_table, fail


@click.group()
def package() -> None:
    """Find and install packages.

    \b
    Example: dcos package search kafka
    """


@package.command()
@click.argument("query", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def search(context: Context, query: str | None, as_json: bool) -> None:
    """Search names, descriptions and tags for QUERY; all packages without it.

    \b
    Example: dcos package search database
    """
    found = context.cosmos.search(query)
    if as_json:
        emit_json(found)
        return
    if not found["packages"]:
        fail("no packages found")
    rows = [
        (
            one["name"],
            one["currentVersion"],
            bool(one.get("selected")),
            bool(one.get("framework")),
            cut(one["description"], 75),
        )
        for one in found["packages"]
    ]
    emit_table(("NAME", "VERSION", "CERTIFIED", "FRAMEWORK", "DESCRIPTION"), rows)


@package.command()
@click.argument("name", shell_complete=completing.packages)
@click.option("--app", is_flag=True, help="The template of its Marathon app.")
@click.option("--app-id", help="App id to render with.")
@click.option("--cli", is_flag=True, help="Its command line plugin.")
@click.option("--config", is_flag=True, help="The schema of its options.")
@click.option("--options", "options_file", help="File with options to render with, JSON.")
@click.option("--package-version", help="This version instead of the default one.")
@click.option("--package-versions", is_flag=True, help="All versions there are.")
@click.option("--render", is_flag=True, help="With --app: the app as it would be installed.")
@pass_context
def describe(
    context: Context,
    name: str,
    app: bool,
    app_id: str | None,
    cli: bool,
    config: bool,
    options_file: str | None,
    package_version: str | None,
    package_versions: bool,
    render: bool,
) -> None:
    """Show what the package NAME is.

    \b
    Example: dcos package describe --app --render --options=options.json hello-world
    """
    if package_versions:
        emit_json(list(context.cosmos.versions(name)))
        return
    if app and render:
        emit_json(context.cosmos.render(name, package_version, options_of(options_file), app_id))
        return
    found = context.cosmos.describe(name, package_version)
    if app:
        template = (found.get("marathon") or {}).get("v2AppMustacheTemplate")
        if template is None:
            fail(f"package '{name}' has no app")
        click.echo(_decoded(template))
    elif config:
        emit_json(found.get("config") or {})
    elif cli:
        emit_json((found.get("resource") or {}).get("cli") or {})
    else:
        emit_json(found)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


for _command in (install, list_, repo, uninstall):
    package.add_command(_command)
