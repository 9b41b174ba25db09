"""Commands of plugins as commands of ``dcos``."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli.config_store import Cluster, ConfigError
from dcos.cli.context import Context
from dcos.cli.plugins.run import environment, info, run
from dcos.cli.plugins.store import Command, PluginStore
from dcos.release import VERSION


def find(context: Context, name: str) -> click.Command | None:
    """The command ``name`` of a plugin of the current cluster."""
    cluster = _current(context)
    known = PluginStore(cluster).command(name) if cluster is not None else None
    return None if cluster is None or known is None else _command(context, cluster, known)


def listing(context: Context) -> list[tuple[str, str]]:
    """Name and line of each, by name."""
    cluster = _current(context)
    plugins = PluginStore(cluster).plugins() if cluster is not None else ()
    return sorted((one.name, info(one)) for plugin in plugins for one in plugin.commands)


def _current(context: Context) -> Cluster | None:
    try:
        return context.cluster
    except ConfigError:
        return None


def _command(context: Context, cluster: Cluster, known: Command) -> click.Command:
    def start(words: tuple[str, ...]) -> Any:
        environ = environment(
            context.environ,
            cluster,
            known.name,
            verify=context.verify_of(cluster),
            version=VERSION,
            verbosity=context.verbosity,
        )
        click.get_current_context().exit(run(known, words, environ))

    return click.Command(
        known.name,
        callback=start,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        help=known.description or None,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
