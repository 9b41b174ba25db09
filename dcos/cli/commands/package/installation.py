"""``dcos package install``, ``uninstall`` and ``list``: apps by Cosmos, command line plugins on this machine."""

from __future__ import annotations

from collections.abc import Iterable

import click

from dcos.cli import completing
from dcos.cli.commands.package.shared import Json, has_cli, options_of
from dcos.cli.context import Context, pass_context
from dcos.cli.output import cut, emit_json, emit_table, fail, notice
from dcos.cli.plugins import fetch
from dcos.cli.plugins.store import PluginStore
from dcos.cli.waiting import until_deployed

_WIDTH = 75
_NOTHING = "There are currently no installed packages. Please use `dcos package install` to install a package."


@click.command()
@click.argument("name", shell_complete=completing.packages)
@click.option("--app", is_flag=True, help="Only the app.")
@click.option("--app-id", help="App id instead of the package's own.")
@click.option("--cli", is_flag=True, help="Only the command line plugin.")
@click.option("--options", "options_file", help="File with options, JSON.")
@click.option("--package-version", help="This version instead of the default one.")
@click.option("--wait", is_flag=True, help="Until its deployment is over. (Not in upstream's dcos.)")
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
    wait: bool,
    yes: bool,
) -> None:
    """Install the package NAME: its app, and its command line plugin.

    \b
    Example: dcos package install hello-world --yes
    """
    options = options_of(options_file)
    found = context.cosmos.describe(name, package_version)
    wants_app, wants_cli = (app or not cli), (cli or not app)
    app_there, cli_there = found.get("marathon") is not None, has_cli(found)
    if not app_there and not cli_there:
        fail(f"package '{name}' has nothing to install")
    if cli and not app and not cli_there:
        fail(f"package '{name}' has no command line plugin", "without --cli its app is installed")
    if app and not cli and not app_there:
        fail(f"package '{name}' has no app", "without --app its command line plugin is installed")
    if not found.get("selected"):
        notice("This is a community package: it was not checked by those who made this distribution.")
    if notes := found.get("preInstallNotes"):
        notice(notes)
    if not yes:
        click.confirm(f"Continue installing {name} {found.get('version', '')}?", default=True, abort=True, err=True)
    notes = found.get("postInstallNotes")
    if wants_app and app_there:
        notice(f"Installing Marathon app for package [{name}] version [{found.get('version', '')}]")
        done = context.cosmos.install(name, package_version, options, app_id)
        notes = done.get("postInstallNotes")
        if wait and done.get("appId"):
            until_deployed(context, str(done["appId"]))
    if wants_cli and cli_there:
        notice(f"Installing CLI subcommand for package [{name}] version [{found.get('version', '')}]")
        made = fetch.from_package(context, found)
        notice(f"New commands available: {', '.join(one.name for one in made.commands)}")
    if notes:
        notice(notes)


@click.command("list")
@click.argument("name", required=False, shell_complete=completing.packages)
@click.option("--app-id", help="Only this app's package.")
@click.option("--cli", is_flag=True, help="Only packages whose command line plugin is installed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, name: str | None, app_id: str | None, cli: bool, as_json: bool) -> None:
    """List what is installed: apps in the cluster, command line plugins on this machine.

    \b
    Example: dcos package list --json
    """
    found = _installed(context, name, app_id)
    if cli:
        found = [one for one in found if "command" in one]
    if as_json:
        emit_json(found)
        return
    if not found:
        fail(_NOTHING if name is None else f"package '{name}' is not installed")
    rows = [
        (
            one["name"],
            one["version"],
            bool(one.get("selected")),
            "\n".join(one["apps"]) or "---",
            one["command"]["name"] if "command" in one else "---",
            cut(str(one.get("description", "")), _WIDTH),
        )
        for one in found
    ]
    emit_table(("NAME", "VERSION", "CERTIFIED", "APP", "COMMAND", "DESCRIPTION"), rows)


def _installed(context: Context, name: str | None, app_id: str | None) -> list[Json]:
    """Packages by name and version: ``apps`` has app ids, ``command`` names the plugin of one whose plugin is here."""
    packages: dict[str, Json] = {}
    for one in context.cosmos.list(name, app_id)["packages"]:
        definition = one["packageInformation"]["packageDefinition"]
        key = f"{definition['name']} {definition['version']}"
        packages.setdefault(key, definition | {"apps": []})["apps"].append(one["appId"])
    for plugin in PluginStore(context.cluster).plugins():
        kept = plugin.package
        if kept is None or (name is not None and kept.get("name") != name):
            continue
        key = f"{kept.get('name')} {kept.get('version')}"
        if app_id is None or key in packages:
            packages.setdefault(key, kept | {"apps": []})["command"] = {"name": plugin.name}
    return [packages[key] for key in sorted(packages)]


@click.command()
@click.argument("name", shell_complete=completing.packages)
@click.option("--all", "every", is_flag=True, help="All its apps.")
@click.option("--app", is_flag=True, help="Only the app.")
@click.option("--app-id", help="The app to uninstall, where there are several.")
@click.option("--cli", is_flag=True, help="Only the command line plugin.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def uninstall(context: Context, name: str, every: bool, app: bool, app_id: str | None, cli: bool, yes: bool) -> None:
    """Uninstall the package NAME: its app is removed with all its data, its command line plugin when no app is left.

    \b
    Example: dcos package uninstall hello-world --yes
    """
    store = PluginStore(context.cluster)
    if cli and not app:
        if store.find(name) is None:
            fail(f"no command line plugin of '{name}' is installed", "`dcos plugin list` shows which are")
        store.remove(name)
        return
    ids = [one["appId"] for one in context.cosmos.list(name, app_id)["packages"]]
    if len(ids) > 1 and not every:
        fail(
            f"Multiple apps of package [{name}] are installed: {', '.join(sorted(ids))}",
            "--app-id names one of them, --all means them all",
        )
    if not ids and store.find(name) is not None and app_id is None and not app:
        store.remove(name)
        notice(f"Uninstalled the command line plugin of package [{name}]")
        return
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
    if not app and store.find(name) is not None and not _left(context, name, (one["appId"] for one in done["results"])):
        store.remove(name)


def _left(context: Context, name: str, removed: Iterable[str]) -> bool:
    """Whether an app of the package is still there, but those that are being removed."""
    gone = set(removed)
    return any(one["appId"] not in gone for one in context.cosmos.list(name, None)["packages"])
