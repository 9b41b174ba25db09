"""``dcos service``: the frameworks, and the logs of those that Marathon runs."""

from __future__ import annotations

import subprocess
from typing import Any, Final

import click

from dcos.cli import completing
from dcos.cli.commands.node.secure_shell import argv
from dcos.cli.commands.node.shared import address_of_node
from dcos.cli.commands.task.files import follow_tails, print_tail
from dcos.cli.context import Context, pass_context
from dcos.cli.journal import FORMATS
from dcos.cli.output import emit_json, emit_lines, emit_table, fail, shown_instead
from dcos.cli.tails import Tail
from dcos.cli.tasks import tasks

_HEADER = ("NAME", "HOST", "ACTIVE", "TASKS", "CPU", "MEM", "DISK", "ID")
_NUMBERS = ("TASKS", "CPU", "MEM", "DISK")


@click.group(invoke_without_command=True)
@click.option("--completed", is_flag=True, help="Those that ended too.")
@click.option("--inactive", is_flag=True, help="Those that are away too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", "--id-only", is_flag=True, help="Only ids.")
@click.pass_context
def service(ctx: click.Context, completed: bool, inactive: bool, as_json: bool, quiet: bool) -> None:
    """Look at services, Mesos's frameworks; without a command, list them.

    \b
    Example: dcos service list
    """
    context = ctx.find_object(Context) or Context()
    if ctx.invoked_subcommand is None and not shown_instead(ctx, context):
        _list(context, completed, inactive, as_json, quiet)


@service.command("list")
@click.option("--completed", is_flag=True, help="Those that ended too.")
@click.option("--inactive", is_flag=True, help="Those that are away too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", "--id-only", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, completed: bool, inactive: bool, as_json: bool, quiet: bool) -> None:
    """List services.

    \b
    Example: dcos service list --inactive
    """
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
@click.argument("service_id", shell_complete=completing.frameworks)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def shutdown(context: Context, service_id: str, yes: bool) -> None:
    """End the service SERVICE_ID and all its tasks.

    \b
    Example: dcos service shutdown 0f3a-0001
    """
    if not yes:
        click.confirm(f"Shut down {service_id} and all its tasks?", abort=True, err=True)
    context.mesos.shut_down_framework(service_id)


@service.command()
@click.argument("name")
@click.argument("file", default="stdout")
@click.option("--follow", is_flag=True, help="Go on printing what comes.")
@click.option("--lines", default=10, show_default=True, help="Begin with so many of the last lines.")
@click.option("-o", "--output", "form", type=click.Choice(FORMATS), default="short", help="How a line is printed.")
@click.option("--user", help="For the log of marathon: user of the ssh connection.")
@click.option("--ssh-config-file", help="For the log of marathon: configuration file for ssh.")
@click.pass_context
def log(
    ctx: click.Context,
    name: str,
    file: str,
    follow: bool,
    lines: int,
    form: str,
    user: str | None,
    ssh_config_file: str | None,
) -> None:
    """Print the end of FILE (stdout) of the scheduler of the service NAME, which Marathon runs.

    The log of marathon itself is the journal of its unit on the leading master, reached by ssh; `dcos node log --leader
    --component=dcos-marathon` needs no ssh.

    \b
    Example: dcos service log kafka stderr --follow
    """
    context = ctx.find_object(Context) or Context()
    if name == "marathon":
        ctx.exit(_marathon_log(context, follow, abs(lines), form, user, ssh_config_file))
    if user or ssh_config_file:
        fail("--user and --ssh-config-file are for the service marathon only")
    wanted = _scheduler_task(context, name)
    found = next((one for one in tasks(context.mesos.state()) if one.id == wanted), None)
    if found is None:
        fail(f"the task {wanted} of service '{name}' is not known to Mesos yet")
    tail = Tail(context.mesos, found, file)
    print_tail(tail, file, form, tail.last(abs(lines)))
    if follow:
        follow_tails([tail], file, form)


_LABEL: Final = "DCOS_PACKAGE_FRAMEWORK_NAME"


def _scheduler_task(context: Context, name: str) -> str:
    """Id of the one task of the app that has the service's name as its label."""
    apps = [one for one in context.marathon.apps() if (one.get("labels") or {}).get(_LABEL) == name]
    if not apps:
        fail(f"no service '{name}' is run by Marathon", f"apps are found by their label {_LABEL}; or `dcos task log`")
    if len(apps) > 1:
        fail(f"several apps call themselves service '{name}': {', '.join(sorted(str(one['id']) for one in apps))}")
    running = context.marathon.tasks(str(apps[0]["id"]))
    if len(running) != 1:
        fail(
            f"service '{name}' must run exactly one task, it has {len(running)}",
            f"`dcos logs {apps[0]['id']}` shows all",
        )
    return str(running[0]["id"])


def _marathon_log(
    context: Context, follow: bool, lines: int, form: str, user: str | None, config_file: str | None
) -> int:
    """Exit status of ssh."""
    command = f"journalctl -u dcos-marathon -n {lines} -o {form}{' -f' if follow else ''}"
    values = context.cluster.values
    words = argv(
        address_of_node(context, None),
        command,
        by=str(values.get("core.ssh_proxy_ip") or "") or None,
        user=user or str(values.get("core.ssh_user") or "") or None,
        config_file=config_file,
        options=(),
    )
    try:
        return subprocess.run(words, check=False).returncode
    except FileNotFoundError:
        fail("there is no ssh on this machine", "`dcos node log --leader --component=dcos-marathon` needs none")
