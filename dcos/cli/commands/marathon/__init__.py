"""``dcos marathon``: apps, pods, their tasks and deployments."""

from __future__ import annotations

import click

from dcos.cli.commands.marathon.app import app
from dcos.cli.commands.marathon.debug import debug
from dcos.cli.commands.marathon.deployment import deployment
from dcos.cli.commands.marathon.group import group
from dcos.cli.commands.marathon.instance import delay, leader, ping, plugin
from dcos.cli.commands.marathon.pod import pod
from dcos.cli.commands.marathon.task import task
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json


@click.group()
def marathon() -> None:
    """Run apps and pods.

    \b
    Example: dcos marathon app list
    """


@marathon.command()
@pass_context
def about(context: Context) -> None:
    """Print what Marathon says about itself.

    \b
    Example: dcos marathon about
    """
    emit_json(context.marathon.info())


for _command in (app, debug, delay, deployment, group, leader, ping, plugin, pod, task):
    marathon.add_command(_command)
