"""``dcos auth``: log in and out."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import login as logins
from dcos.cli.config_store import TOKEN
from dcos.cli.context import USER_AGENT, Context, pass_context
from dcos.cli.login import Credentials
from dcos.cli.output import emit_json, emit_table
from dcos.client.adminrouter import identity
from dcos.client.adminrouter.transport import Transport


@click.group()
def auth() -> None:
    """Log in and out.

    \b
    Example: dcos auth login
    """


@auth.command("list-providers")
@click.argument("url", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_providers(context: Context, url: str | None, as_json: bool) -> None:
    """Show the ways to log in, of the current cluster or of URL.

    \b
    Example: dcos auth list-providers https://dcos.example.com
    """
    if url is None:
        providers = identity.providers(context.transport)
    else:
        found = identity.canonical_url(url, verify=False, timeout_s=context.timeout_s, user_agent=USER_AGENT)
        with Transport(found, verify=False, timeout_s=context.timeout_s, user_agent=USER_AGENT) as transport:
            providers = identity.providers(transport)
    if as_json:
        emit_json(providers)
        return
    rows = [
        (name, one.get("description") or one.get("authentication-type", "")) for name, one in sorted(providers.items())
    ]
    emit_table(("PROVIDER ID", "LOGIN METHOD"), rows)


@auth.command()
@logins.options
@pass_context
def login(context: Context, /, **given: Any) -> None:
    """Log in to the current cluster.

    \b
    Example: dcos auth login --username=admin --password-file=admin.password
    """
    cluster = context.cluster
    cluster.values[TOKEN] = logins.obtain_token(context.transport, Credentials(**given))
    cluster.save()


@auth.command()
@pass_context
def logout(context: Context) -> None:
    """Forget the token of the current cluster.

    \b
    Example: dcos auth logout
    """
    cluster = context.cluster
    if cluster.values.pop(TOKEN, None) is not None:
        cluster.save()
