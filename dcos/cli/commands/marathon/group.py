"""``dcos marathon group``."""

from __future__ import annotations

import click

from dcos.cli.context import Context, pass_context


@click.group()
def group() -> None:
    """Act on whole groups of apps."""


@group.command()
@click.argument("live")
@click.argument("idle")
@click.option("--force", is_flag=True, help="Even while another deployment holds their apps.")
@pass_context
def switch(context: Context, live: str, idle: str, force: bool) -> None:
    """Let the group IDLE take over from the group LIVE. (Not in upstream's dcos.)

    The apps of IDLE are scaled to the numbers of their counterparts in LIVE, in the order of their dependencies; when all of
    them are healthy, those of LIVE are scaled to 0. Roll the deployment back to return.

    Example: dcos marathon group switch /shop/blue /shop/green
    """
    click.echo(f"Created deployment {context.marathon.switch_group(live, idle, force=force)}")
