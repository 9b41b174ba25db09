"""``explain`` and ``autoscaling`` of ``dcos marathon app`` and ``pod``. (Not in upstream's dcos.)"""

from __future__ import annotations

from typing import Any, Literal

import click

from dcos.cli import completing
from dcos.cli.commands.marathon.shared import explaining, normal
from dcos.cli.commands.marathon.waits import emit_waits
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table, fail
from dcos.client.adminrouter.failures import NotFound

Json = dict[str, Any]


def add_to(group: click.Group, kind: Literal["app", "pod"]) -> None:
    """Both commands."""
    name = f"{kind.upper()}_ID"

    @group.command(
        help=f"Say why the {kind} {name} is not yet as it shall be, per agent, and what would help. (Not in upstream's dcos.)"
        f"\n\n\b\nExample: dcos marathon {kind} explain /shop"
    )
    @click.argument("spec_id", metavar=name, shell_complete=completing.specs)
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @pass_context
    def explain(context: Context, spec_id: str, as_json: bool) -> None:
        with explaining(kind.capitalize(), spec_id):
            ask = context.marathon.app if kind == "app" else context.marathon.pod
            found = ask(spec_id, waits=True)
        emit_waits(normal(spec_id), found.get("waits", []), as_json=as_json)

    @group.command(
        help=f"Say what the autoscaling of the {kind} {name} decided lately, and why. (Not in upstream's dcos.)"
        f"\n\n\b\nExample: dcos marathon {kind} autoscaling /shop"
    )
    @click.argument("spec_id", metavar=name, shell_complete=completing.specs)
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @pass_context
    def autoscaling(context: Context, spec_id: str, as_json: bool) -> None:
        try:
            found = context.marathon.autoscaling(spec_id, pod=kind == "pod")
        except NotFound as error:
            fail(error.message)
        _emit(found, as_json=as_json)


def _emit(found: Json, *, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    rows = [
        (one["at"], one["instances"], one["wanted"], one["applied"], one["explanation"]) for one in found["history"]
    ]
    emit_table(("AT", "INSTANCES", "WANTED", "APPLIED", "WHY"), rows)
