"""``dcos marathon pod``."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli.commands.marathon import reasons
from dcos.cli.commands.marathon.shared import created, explaining, waiting, waiting_ids
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_lines, emit_table
from dcos.cli.resource import read_object
from dcos.cli.waiting import until_done

Json = dict[str, Any]

_HEADER = ("ID+TASKS", "INSTANCES", "VERSION", "STATUS", "STATUS SINCE", "WAITING", "ROLE")


@click.group()
def pod() -> None:
    """Add, change and remove pods: containers that run together on one agent."""


@pod.command()
@click.argument("resource", required=False)
@waiting
@pass_context
def add(context: Context, resource: str | None, wait: bool) -> None:
    """Add the pod in RESOURCE: a JSON or YAML file, a URL, or standard input.

    \b
    Example: dcos marathon pod add pod.json
    """
    wanted = read_object(resource, "dcos marathon pod add < pod.json")
    created(context, context.marathon.create_pod(wanted), wait)


@pod.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@pass_context
def list_(context: Context, as_json: bool, quiet: bool) -> None:
    """List the pods with their containers.

    \b
    Example: dcos marathon pod list
    """
    pods = sorted(context.marathon.pods(), key=lambda one: str(one["id"]))
    if as_json:
        emit_json(pods)
    elif quiet:
        emit_lines(str(one["id"]) for one in pods)
    else:
        waiting = waiting_ids(context.marathon.queue(), "pod")
        emit_table(_HEADER, [_row(one, waiting) for one in pods], right=("INSTANCES",))


def _row(status: Json, waiting: set[str]) -> tuple[Any, ...]:
    spec = status.get("spec") or {}
    names = [f" |-{one['name']}" for one in spec.get("containers", [])]
    return (
        "\n".join([str(status["id"]), *names]),
        len(status.get("instances", [])),
        str(spec.get("version", "-")),
        str(status.get("status", "")),
        str(status.get("statusSince", "")),
        status["id"] in waiting,
        str(spec.get("role", "")),
    )


@pod.command()
@click.argument("pod_id", shell_complete=completing.pods)
@pass_context
def show(context: Context, pod_id: str) -> None:
    """Print the pod POD_ID with its status and instances.

    \b
    Example: dcos marathon pod show /pair
    """
    with explaining("Pod", pod_id):
        emit_json(context.marathon.pod(pod_id))


reasons.add_to(pod, "pod")


@pod.command()
@click.argument("pod_id", shell_complete=completing.pods)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def remove(context: Context, pod_id: str, force: bool, wait: bool) -> None:
    """Remove the pod POD_ID.

    \b
    Example: dcos marathon pod remove /pair
    """
    with explaining("Pod", pod_id):
        deployment_id = context.marathon.remove_pod(pod_id, force=force)
    if wait and deployment_id:
        until_done(context, deployment_id)


@pod.command()
@click.argument("pod_id", shell_complete=completing.pods)
@click.option("--force", is_flag=True, help="Even while another deployment holds it.")
@waiting
@pass_context
def update(context: Context, pod_id: str, force: bool, wait: bool) -> None:
    """Replace the pod POD_ID by the whole definition (JSON or YAML) on standard input.

    \b
    Example: dcos marathon pod update shop < pod.json
    """
    wanted = read_object(None, f"dcos marathon pod update {pod_id} < pod.json")
    with explaining("Pod", pod_id):
        context.marathon.pod(pod_id)
        created(context, context.marathon.update_pod(pod_id, wanted, force=force), wait)


@pod.command()
@click.argument("pod_id", shell_complete=completing.pods)
@click.argument("instance_ids", nargs=-1, required=True, metavar="INSTANCE...")
@pass_context
def kill(context: Context, pod_id: str, instance_ids: tuple[str, ...]) -> None:
    """Kill these instances of the pod POD_ID; others take their place.

    \b
    Example: dcos marathon pod kill /pair pair.instance-4f2a9c1e
    """
    with explaining("Pod", pod_id):
        context.marathon.kill_pod_instances(pod_id, instance_ids)
