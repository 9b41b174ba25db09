"""``dcos package repo``: where packages come from."""

from __future__ import annotations

import json
from typing import Any

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, notice


@click.group()
def repo() -> None:
    """Where packages come from.

    \b
    Example: dcos package repo list
    """


@repo.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def repo_list(context: Context, as_json: bool) -> None:
    """List the repositories; the first that has a package decides.

    \b
    Example: dcos package repo list --json
    """
    found = context.cosmos.repositories()
    if as_json:
        emit_json(found)
    else:
        emit_lines(f"{one['name']}: {one['uri']}" for one in found["repositories"])


@repo.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def repo_status(context: Context, as_json: bool) -> None:
    """Show what each repository offers, what is left out of it and why; exit code 1 where one is not good.

    \b
    Example: dcos package repo status
    """
    found = context.cosmos.repository_status()["repositories"]
    if as_json:
        emit_json({"repositories": found})
    else:
        rows = [
            (one["name"], one["state"], one["packages"], one["versions"], len(one["broken"]), len(one["tooNew"]))
            for one in found
        ]
        emit_table(("NAME", "STATE", "PACKAGES", "VERSIONS", "BROKEN", "TOO NEW"), rows)
        for one in found:
            if "error" in one:
                notice(f"{one['name']}: {one['error']['message']}")
            for bad in one["broken"]:
                who = " ".join(bad[key] for key in ("name", "version") if key in bad)
                notice(f"{one['name']}: {who or 'a package'} is left out: {bad['place']}: {bad['reason']}")
    if any(one["state"] != "good" for one in found):
        raise SystemExit(1)


@repo.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--index", type=int, help="Place in the list, 0 is the first; the end without it.")
@pass_context
def repo_add(context: Context, name: str, url: str, index: int | None) -> None:
    """Add the repository at URL under NAME.

    \b
    Example: dcos package repo add --index=0 ours https://repo.example.com/repo.json
    """
    context.cosmos.add_repository(name, url, index)


@repo.command("remove")
@click.argument("names", nargs=-1, required=True)
@pass_context
def repo_remove(context: Context, names: tuple[str, ...]) -> None:
    """Remove the repositories with these NAMES.

    \b
    Example: dcos package repo remove ours
    """
    for name in names:
        context.cosmos.remove_repository(name)


@repo.command("import")
@click.argument("file", type=click.File("r"))
@pass_context
def repo_import(context: Context, file: Any) -> None:
    """Add each repository of FILE, `{"repositories": [{"name": ..., "uri": ...}]}`.

    \b
    Example: dcos package repo import repositories.json
    """
    try:
        entries = [(str(one["name"]), str(one["uri"])) for one in json.load(file)["repositories"]]
    except (ValueError, KeyError, TypeError):
        fail('the file must be JSON: {"repositories": [{"name": ..., "uri": ...}]}')
    for name, uri in entries:
        context.cosmos.add_repository(name, uri, None)
