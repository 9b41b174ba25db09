"""``dcos service``: the frameworks."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table

_HEADER = ("NAME", "HOST", "ACTIVE", "TASKS", "CPU", "MEM", "DISK", "ID")
_NUMBERS = ("TASKS", "CPU", "MEM", "DISK")


@click.group(invoke_without_command=True)
@click.option("--completed", is_flag=True, help="Those that ended too.")
@click.option("--inactive", is_flag=True, help="Those that are away too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", "--id-only", is_flag=True, help="Only ids.")
@click.pass_context
def service(ctx: click.Context, completed: bool, inactive: bool, as_json: bool, quiet: bool) -> None:
    """Look at services, Mesos's frameworks; without a command, list them."""
    if ctx.invoked_subcommand is None:
        _list(ctx.find_object(Context) or Context(), completed, inactive, as_json, quiet)


@service.command("list")
@click.option("--completed", is_flag=True, help="Those that ended too.")
@click.option("--inactive", is_flag=True, help="Those that are away too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", "--id-only", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, completed: bool, inactive: bool, as_json: bool, quiet: bool) -> None:
    """List services."""
    _list(context, completed, inactive, as_json, quiet)


def _list(context: Context, completed: bool, inactive: bool, as_json: bool, quiet: bool) -> None:
    state = context.mesos.state()
    found = [one for one in state.get("frameworks", []) if inactive or one.get("active", True)]
    found += state.get("completed_frameworks", []) if completed else []
    found.sort(key=lambda one: (str(one.get("name")), str(one.get("id"))))
    if as_json:
        emit_json(found)
    elif quiet:
        emit_lines(str(one["id"]) for one in found)
    else:
        emit_table(_HEADER, map(_row, found), right=_NUMBERS)


def _row(one: dict[str, Any]) -> tuple[Any, ...]:
    used = one.get("used_resources") or one.get("resources") or {}
    amounts = [f"{float(used.get(name, 0)):.1f}" for name in ("cpus", "mem", "disk")]
    active = "True" if one.get("active") else "False"
    return (one.get("name"), one.get("hostname"), active, len(one.get("tasks", [])), *amounts, one.get("id"))


@service.command()
@click.argument("service_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def shutdown(context: Context, service_id: str, yes: bool) -> None:
    """End the service SERVICE_ID and all its tasks."""
    if not yes:
        click.confirm(f"Shut down {service_id} and all its tasks?", abort=True, err=True)
    context.mesos.shut_down_framework(service_id)
