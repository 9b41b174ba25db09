"""``dcos package``: the catalog."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.output import cut, emit_json, emit_lines, emit_table, fail, notice

Json = dict[str, Any]


@click.group()
def package() -> None:
    """Find and install packages."""


@package.command()
@click.argument("query", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def search(context: Context, query: str | None, as_json: bool) -> None:
    """Search names, descriptions and tags for QUERY; all packages without it."""
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
@click.argument("name")
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
    """Show what the package NAME is."""
    if package_versions:
        emit_json(list(context.cosmos.versions(name)))
        return
    if app and render:
        emit_json(context.cosmos.render(name, package_version, _options(options_file), app_id))
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


def _options(file: str | None) -> Json | None:
    if file is None:
        return None
    try:
        value = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"cannot read the options: {error}")
    except ValueError as error:
        fail(f"{file} is not JSON: {error}")
    if not isinstance(value, dict):
        fail(f"{file} must have a JSON object")
    return value


@package.command()
@click.argument("name")
@click.option("--app", is_flag=True, help="Only the app.")
@click.option("--app-id", help="App id instead of the package's own.")
@click.option("--cli", is_flag=True, help="Only the command line plugin.")
@click.option("--options", "options_file", help="File with options, JSON.")
@click.option("--package-version", help="This version instead of the default one.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def install(
    context: Context,
    name: str,
    app: bool,
    app_id: str | None,
    cli: bool,
    options_file: str | None,
    package_version: str | None,
    yes: bool,
) -> None:
    """Install the package NAME.

    Example: dcos package install hello-world --yes
    """
    options = _options(options_file)
    found = context.cosmos.describe(name, package_version)
    has_app = found.get("marathon") is not None
    has_cli = bool((found.get("resource") or {}).get("cli"))
    if not has_app and not has_cli:
        fail(f"package '{name}' has nothing to install")
    if cli and not app:
        fail("command line plugins cannot be installed by this dcos; the package's app can, without --cli")
    if not has_app:
        fail(f"package '{name}' has only a command line plugin, which this dcos cannot install")
    if not found.get("selected"):
        notice("This is a community package: it was not checked by those who made this distribution.")
    if notes := found.get("preInstallNotes"):
        notice(notes)
    if not yes:
        click.confirm(f"Continue installing {name} {found.get('version', '')}?", default=True, abort=True, err=True)
    notice(f"Installing Marathon app for package [{name}] version [{found.get('version', '')}]")
    done = context.cosmos.install(name, package_version, options, app_id)
    if has_cli and not app:
        notice(f"The command line plugin of [{name}] is left out: this dcos does not install plugins")
    if notes := done.get("postInstallNotes"):
        notice(notes)


@package.command("list")
@click.argument("name", required=False)
@click.option("--app-id", help="Only this app's package.")
@click.option("--cli", is_flag=True, help="Only command line plugins.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, name: str | None, app_id: str | None, cli: bool, as_json: bool) -> None:
    """List what is installed."""
    answer = context.cosmos.list(name, app_id)
    packages: dict[str, Json] = {}
    for one in [] if cli else answer["packages"]:
        definition = one["packageInformation"]["packageDefinition"]
        known = packages.setdefault(f"{definition['name']} {definition['version']}", definition | {"apps": []})
        known["apps"].append(one["appId"])
    found = list(packages.values())
    if as_json:
        emit_json(found)
        return
    if not found:
        fail("there are currently no installed packages" if name is None else f"package '{name}' is not installed")
    rows = [
        (
            one["name"], one["version"], bool(one.get("selected")), "\n".join(one["apps"]) or "---", "---",
            cut(one.get("description", ""), 75),
        )
        for one in found
    ]  # fmt: skip
    emit_table(("NAME", "VERSION", "CERTIFIED", "APP", "COMMAND", "DESCRIPTION"), rows)


@package.command()
@click.argument("name")
@click.option("--all", "every", is_flag=True, help="All its apps.")
@click.option("--app", is_flag=True, help="Only the app.")
@click.option("--app-id", help="The app to uninstall, where there are several.")
@click.option("--cli", is_flag=True, help="Only the command line plugin.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def uninstall(context: Context, name: str, every: bool, app: bool, app_id: str | None, cli: bool, yes: bool) -> None:
    """Uninstall the package NAME: its app is removed with all its data."""
    if cli and not app:
        fail(f"no command line plugin of '{name}' is installed")
    if not yes:
        wanted = f"uninstall all {name}" if every else name
        notice(f"This removes the app of [{name}] and its data for good. To go on, type: {wanted}")
        if click.prompt("", prompt_suffix="> ", err=True) != wanted:
            fail("that was something else: nothing was removed")
    done = context.cosmos.uninstall(name, app_id, every)
    for one in done["results"]:
        notice(
            f"Uninstalled package [{one['packageName']}] version [{one.get('packageVersion', '')}], app {one['appId']}"
        )
        if notes := one.get("postUninstallNotes"):
            notice(notes)


# ---- repositories ----------------------------------------------------------------------------------------------------


@package.group()
def repo() -> None:
    """Where packages come from."""


@repo.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def repo_list(context: Context, as_json: bool) -> None:
    """List the repositories; the first that has a package decides."""
    found = context.cosmos.repositories()
    if as_json:
        emit_json(found)
    else:
        emit_lines(f"{one['name']}: {one['uri']}" for one in found["repositories"])


@repo.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--index", type=int, help="Place in the list, 0 is the first; the end without it.")
@pass_context
def repo_add(context: Context, name: str, url: str, index: int | None) -> None:
    """Add the repository at URL under NAME."""
    context.cosmos.add_repository(name, url, index)


@repo.command("remove")
@click.argument("names", nargs=-1, required=True)
@pass_context
def repo_remove(context: Context, names: tuple[str, ...]) -> None:
    """Remove the repositories with these NAMES."""
    for name in names:
        context.cosmos.remove_repository(name)


@repo.command("import")
@click.argument("file", type=click.File("r"))
@pass_context
def repo_import(context: Context, file: Any) -> None:
    """Add each repository of FILE, `{"repositories": [{"name": ..., "uri": ...}]}`."""
    try:
        entries = [(str(one["name"]), str(one["uri"])) for one in json.load(file)["repositories"]]
    except (ValueError, KeyError, TypeError):
        fail('the file must be JSON: {"repositories": [{"name": ..., "uri": ...}]}')
    for name, uri in entries:
        context.cosmos.add_repository(name, uri, None)
