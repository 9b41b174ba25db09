"""``dcos node ssh``: the machine's own ``ssh``, told where the node is."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

import click

from dcos.cli.commands.node.shared import address_of_node
from dcos.cli.context import Context
from dcos.cli.output import fail, notice
from dcos.client.adminrouter import identity


@click.command(context_settings={"allow_interspersed_args": True})
@click.argument("command", required=False)
@click.option("--leader", is_flag=True, help="The leading master.")
@click.option("--mesos-id", help="The agent with this id.")
@click.option("--private-ip", help="The node with this address.")
@click.option("--master-proxy", is_flag=True, help="By way of a master's public address.")
@click.option("--proxy-ip", help="By way of the machine with this address.")
@click.option("--user", help="User to log in as; core.ssh_user without it, else as ssh decides.")
@click.option("--config-file", help="Configuration file for ssh.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Option for ssh; may be repeated.")
@click.pass_context
def ssh(
    ctx: click.Context,
    command: str | None,
    leader: bool,
    mesos_id: str | None,
    private_ip: str | None,
    master_proxy: bool,
    proxy_ip: str | None,
    user: str | None,
    config_file: str | None,
    options: tuple[str, ...],
) -> None:
    """Log in to a node by ssh, or run COMMAND there; ends as ssh does.

    \b
    Example: dcos node ssh --leader --master-proxy
    Example: dcos node ssh --mesos-id=3f4a-S0 --user=admin 'journalctl -u dcos-mesos-slave'
    """
    context = ctx.find_object(Context) or Context()
    if sum((leader, mesos_id is not None, private_ip is not None)) != 1:
        fail("give one of --leader, --mesos-id and --private-ip", "`dcos node list` shows ids and addresses")
    if master_proxy and proxy_ip:
        fail("--master-proxy and --proxy-ip exclude each other")
    values = context.cluster.values
    by = _master(context) if master_proxy else proxy_ip or str(values.get("core.ssh_proxy_ip") or "") or None
    words = argv(
        private_ip or address_of_node(context, mesos_id),
        command,
        by=by,
        user=user or str(values.get("core.ssh_user") or "") or None,
        config_file=config_file,
        options=options,
    )
    notice(f"Running `{shlex.join(words)}`")
    if by is None:
        notice("From another network than the cluster's, --master-proxy or --proxy-ip helps")
    try:
        ctx.exit(subprocess.run(words, check=False).returncode)
    except FileNotFoundError:
        fail("there is no ssh on this machine")


def argv(
    host: str, command: str | None, *, by: str | None, user: str | None, config_file: str | None, options: Sequence[str]
) -> list[str]:
    """What is run. A way by another machine is ssh's own ProxyJump: keys stay here, no agent is lent to the machine between."""
    for name, value in (("address", host), ("proxy address", by or ""), ("user", user or "")):
        if value.startswith("-"):
            fail(f"'{value}' cannot be a {name}")
    words = ["ssh"]
    if config_file:
        words += ["-F", os.path.expanduser(config_file)]
    for one in options:
        words += ["-o", one]
    if user:
        words += ["-l", user]
    if by:
        words += ["-J", f"{user}@{by}" if user else by]
    return [*words, host, *(["--", command] if command else [])]


def _master(context: Context) -> str:
    address = identity.public_address(context.transport)
    if not address:
        fail("the cluster does not tell the public address of a master", "--proxy-ip names one")
    return address
