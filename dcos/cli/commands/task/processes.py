"""``dcos task exec`` and ``attach``: this terminal joined to a process of a task."""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import click

from dcos.cli import completing
from dcos.cli.attachment import ESCAPE_VARIABLE, Attachment, escape_keys, window
from dcos.cli.commands.task.shared import one_running
from dcos.cli.context import Context, pass_context
from dcos.cli.output import fail
from dcos.client.adminrouter.failures import Refused


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("-i", "--interactive", is_flag=True, help="Send what is typed here.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option("-u", "--user", help="Run it as this user.")
@click.argument("task_id", shell_complete=completing.tasks)
@click.argument("command")
@click.argument("args", nargs=-1)
@click.pass_context
def exec_(
    ctx: click.Context,
    interactive: bool,
    tty: bool,
    user: str | None,
    task_id: str,
    command: str,
    args: tuple[str, ...],
) -> None:
    """Run COMMAND with ARGS in a task's container; ends as COMMAND does. Ctrl-P Ctrl-Q leaves (and ends it);
    DCOS_TASK_ESCAPE_SEQUENCE names other keys.

    \b
    Example: dcos task exec -it hello-world bash
    """
    context = ctx.find_object(Context) or Context()
    if tty and not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("must be running in a tty to pass the '--tty' flag")
    keys = escape_keys(context.environ.get(ESCAPE_VARIABLE))
    one, parent = one_running(context, task_id)
    containers = context.mesos.containers(one.agent_id)
    container_id = {"value": str(uuid.uuid4()), "parent": parent}
    wanted: dict[str, Any] = {"shell": False, "value": command, "arguments": [command, *args]}
    if user is not None:
        wanted["user"] = user
    size = None
    if tty:
        size = window()["control"]["tty_info"]
        if kind := os.environ.get("TERM"):
            wanted["environment"] = {"variables": [{"name": "TERM", "value": kind}]}
    output = containers.session(container_id, wanted, tty=size)
    attachment = Attachment(containers, container_id, output, keys=interactive, on_terminal=tty, escape=keys)
    try:
        attachment.run()
    finally:
        output.close()
    if attachment.detached:
        return
    ctx.exit(_exit_code(containers.wait(container_id)))


@click.command()
@click.option("--no-stdin", is_flag=True, help="Only show its output.")
@click.argument("task_id", shell_complete=completing.tasks)
@pass_context
def attach(context: Context, no_stdin: bool, task_id: str) -> None:
    """Join a task that was launched with a terminal. Ctrl-P Ctrl-Q leaves it running.

    \b
    Example: dcos task attach editor
    """
    if not no_stdin and not (sys.stdin.isatty() and sys.stdout.isatty()):
        fail("must be running in a tty to attach to a task; --no-stdin shows its output only")
    keys = escape_keys(context.environ.get(ESCAPE_VARIABLE))
    one, container_id = one_running(context, task_id)
    containers = context.mesos.containers(one.agent_id)
    try:
        output = containers.output(container_id)
    except Refused as error:
        if error.status == 500:
            fail(f"task '{one.id}' was not launched with a terminal: {error}")
        raise
    on = not no_stdin
    attachment = Attachment(containers, container_id, output, keys=on, on_terminal=on, escape=keys)
    try:
        attachment.run()
    finally:
        output.close()


def _exit_code(status: int | None) -> int:
    """Of a shell, from what wait(2) gave."""
    if status is None:
        return 1
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8
