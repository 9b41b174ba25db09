"""``dcos config``: the current cluster's ``dcos.toml``."""

from __future__ import annotations

import click

from dcos.cli import completing
from dcos.cli.config_store import KEYS, TOKEN, parse_value
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_lines, fail


@click.group()
def config() -> None:
    """Show and change the configuration of the current cluster.

    \b
    Example: dcos config show
    """


@config.command("show")
@click.argument("key", required=False, shell_complete=completing.config_keys)
@pass_context
def show(context: Context, key: str | None) -> None:
    """Print everything, or the value of KEY. The token is hidden unless asked for by its key.

    \b
    Example: dcos config show core.dcos_url
    """
    values = context.cluster.values
    if key is None:
        emit_lines(f"{name} {'********' if name == TOKEN else _text(values[name])}" for name in sorted(values))
    elif key in values:
        click.echo(_text(values[key]))
    else:
        fail(f'unknown key "{key}"')


@config.command("set")
@click.argument("key", shell_complete=completing.config_keys)
@click.argument("value")
@pass_context
def set_(context: Context, key: str, value: str) -> None:
    """Give KEY a value.

    \b
    Example: dcos config set core.timeout 30
    """
    if "." not in key.strip("."):
        fail(f'"{key}" is no key: it needs a section, as in core.timeout')
    context.cluster.values[key] = parse_value(key, value)
    context.cluster.save()


@config.command("unset")
@click.argument("key", shell_complete=completing.config_keys)
@pass_context
def unset(context: Context, key: str) -> None:
    """Forget the value of KEY.

    \b
    Example: dcos config unset core.timeout
    """
    if context.cluster.values.pop(key, None) is None:
        fail(f'unknown key "{key}"')
    context.cluster.save()


@config.command("keys")
@click.option("-q", "--quiet", is_flag=True, help="Only the keys.")
def keys(quiet: bool) -> None:
    """List the keys that mean something.

    \b
    Example: dcos config keys
    """
    emit_lines(name if quiet else f"{name} : {text}" for name, (_, text) in KEYS.items())


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
