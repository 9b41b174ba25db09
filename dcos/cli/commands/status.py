"""``dcos status``: the cluster at a glance. An extension: upstream's dcos has no such command."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from dcos.cli.context import Context
from dcos.cli.nodes import word
from dcos.cli.output import emit_lines, table, until_interrupted
from dcos.cli.overview import Overview, assess, gather

Json = dict[str, Any]
WATCH_EVERY_S = 2.0


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-w", "--watch", is_flag=True, help="Again and again, until interrupted.")
@click.option("--interval", default=WATCH_EVERY_S, show_default=True, help="Seconds between looks, with --watch.")
@click.pass_context
def status(ctx: click.Context, as_json: bool, watch: bool, interval: float) -> None:
    """Show nodes, components, services and problems at a glance.

    Ends with 0 when all is well and with 1 when there are problems. (Not in upstream's dcos.)

    \b
    Example: dcos status --watch
    """
    context = ctx.find_object(Context) or Context()
    if not watch:
        facts, overview = _look(context)
        emit_lines(_shown(facts, overview, as_json=as_json))
        ctx.exit(0 if overview.is_healthy else 1)
    with until_interrupted():
        while True:
            facts, overview = _look(context)
            lines = _shown(facts, overview, as_json=as_json)
            if not as_json:
                click.clear()
                click.echo(f"Every {interval:g} s: {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
            emit_lines(lines)
            time.sleep(interval)


def _look(context: Context) -> tuple[Json, Overview]:
    """The cluster's name, id, address and release, and how it is."""
    cluster = context.cluster
    answers = gather(context)
    facts = {"name": cluster.name, "id": cluster.id, "url": cluster.url, "version": answers.version}
    return facts, assess(answers)


def _shown(facts: Json, overview: Overview, *, as_json: bool) -> list[str]:
    if as_json:
        told = {
            "cluster": facts,
            "healthy": overview.is_healthy,
            "nodes": overview.nodes,
            "components": overview.components,
            "services": overview.services,
            "problems": overview.problems,
        }
        return [json.dumps(told, indent=4, ensure_ascii=False)]
    return [
        f"Cluster     {facts['name']} ({facts['id']})",
        f"Address     {facts['url']}" + (f", DC/OS {facts['version']}" if facts["version"] else ""),
        *_lines(overview),
    ]


def _lines(overview: Overview) -> Iterator[str]:
    parts = overview.components
    if overview.is_healthy:
        yield "Status      " + click.style("healthy", fg="green")
    else:
        count = len(overview.problems)
        yield "Status      " + click.style(f"{count} problem{'s' if count > 1 else ''}", fg="red")
    yield f"Components  {parts['healthy']} of {parts['total']} healthy"
    if overview.nodes:
        yield ""
        yield from table(
            ("NODE", "IP", "TYPE", "HEALTH", "STATUS", "ID"),
            [
                (one["hostname"], one["ip"], one["type"], word(one["health"]), one["status"] or "-", one["id"])
                for one in overview.nodes
            ],
        )
    if overview.services:
        yield ""
        yield from table(
            ("SERVICE", "STATE", "RUNNING", "HEALTHY"),
            [
                (
                    one["id"],
                    one["state"],
                    f"{one['running']}/{one['instances']}",
                    "-" if one["healthy"] is None else f"{one['healthy']}/{one['running']}",
                )
                for one in overview.services
            ],
        )
    if overview.problems:
        yield "\nPROBLEMS"
        for problem in overview.problems:
            yield f"  {problem}"
