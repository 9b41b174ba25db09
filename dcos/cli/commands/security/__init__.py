"""``dcos security``: accounts, groups, permissions, secrets. Words and options are those of DC/OS Enterprise's command."""

from __future__ import annotations

import click

from dcos.cli.commands.security.org import org
from dcos.cli.commands.security.secrets import secret_store, secrets


@click.group()
def security() -> None:
    """Manage accounts, groups, permissions and secrets.

    \b
    Example: dcos security org users show
    """


@click.group()
def cluster() -> None:
    """Look at the cluster's own settings."""


cluster.add_command(secret_store)
security.add_command(cluster)
security.add_command(org)
security.add_command(secrets)
