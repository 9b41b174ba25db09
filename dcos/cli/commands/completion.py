"""``dcos completion``: what a shell needs to complete commands, flags, and ids that the cluster knows."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

VARIABLE = "_DCOS_COMPLETE"
"""With it set, ``dcos`` answers a shell's question in place of running a command."""


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that lets SHELL complete `dcos`: commands, flags, and ids of apps, tasks, nodes and more.

    \b
    Example: source <(dcos completion bash)
    Example: dcos completion zsh > "${fpath[1]}/_dcos"
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click has these shells"
    click.echo(kind(ctx.find_root().command, {}, "dcos", VARIABLE).source())
