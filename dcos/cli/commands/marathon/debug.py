"""``dcos marathon debug``: what waits to be launched, and what offers said to it."""

from __future__ import annotations

from typing import Any

import click

from dcos.cli import completing
from dcos.cli.commands.marathon.shared import normal
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table, fail

Json = dict[str, Any]
NONE = "---"
_SINCE = ("lastUnusedOfferAt", "lastUsedOfferAt")
_HEADER = ("ID", "SINCE", "INSTANCES TO LAUNCH", "WAITING", "PROCESSED OFFERS", "UNUSED OFFERS", *_SINCE)
_STEPS = (
    ("ROLE", "UnfulfilledRole"),
    ("CONSTRAINTS", "UnfulfilledConstraint"),
    ("CPUS", "InsufficientCpus"),
    ("MEM", "InsufficientMemory"),
    ("DISK", "InsufficientDisk"),
    ("PORTS", "InsufficientPorts"),
)
"""What the tables show, by the reason for which offers were refused."""


@click.group()
def debug() -> None:
    """Look at what waits to be launched."""


@debug.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the apps and pods with instances to launch.

    \b
    Example: dcos marathon debug list
    """
    found = context.marathon.queue()
    if as_json:
        emit_json(found)
        return
    header = (*_HEADER[:6], "LAST UNUSED OFFER", "LAST USED OFFER")
    emit_table(header, sorted(map(_row, found)))


def _id(entry: Json) -> str:
    return str((entry.get("app") or entry.get("pod") or {}).get("id"))


def _row(entry: Json) -> tuple[str, ...]:
    summary = entry.get("processedOffersSummary") or {}
    return (
        _id(entry),
        str(entry.get("since", NONE)),
        str(entry.get("count", NONE)),
        str((entry.get("delay") or {}).get("overdue", NONE)),
        *(str(summary.get(name, NONE)) for name in ("processedOffersCount", "unusedOffersCount", *_SINCE)),
    )


def _entry(context: Context, spec_id: str, *, offers: bool = False) -> Json:
    found = next((one for one in context.marathon.queue(offers=offers) if _id(one) == normal(spec_id)), None)
    if found is None:
        fail(f"Apps and pods with the id '{normal(spec_id)}' have nothing to launch")
    return found


@debug.command()
@click.argument("app_id", shell_complete=completing.specs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def summary(context: Context, app_id: str, as_json: bool) -> None:
    """Say how many offers met each wish of the app or pod APP_ID.

    \b
    Example: dcos marathon debug summary /web
    """
    entry = _entry(context, app_id)
    if as_json:
        emit_json(entry)
        return
    steps = {one["reason"]: one for one in entry["processedOffersSummary"]["rejectSummaryLastOffers"]}
    wanted = _wishes(entry)
    rows = []
    for name, reason in _STEPS:
        step = steps.get(reason, {"processed": 0, "declined": 0})
        matched = step["processed"] - step["declined"]
        share = f"{100 * matched / step['processed']:.2f}%" if step["processed"] else NONE
        rows.append((name, wanted[name], f"{matched} / {step['processed']}", share))
    emit_table(("RESOURCE", "REQUESTED", "MATCHED", "PERCENTAGE"), rows)


def _wishes(entry: Json) -> dict[str, str]:
    """What an instance asks for, in the words of its definition."""
    app, pod = entry.get("app"), entry.get("pod")
    if app is not None:
        roles, constraints = app.get("acceptedResourceRoles"), app.get("constraints")
        ports = [one.get("port") for one in app.get("portDefinitions", [])]
        numbers = {name: app.get(name, 0) for name in ("cpus", "mem", "disk")}
    else:
        pod = pod or {}
        placement = (pod.get("scheduling") or {}).get("placement") or {}
        roles, constraints = placement.get("acceptedResourceRoles"), placement.get("constraints")
        containers = pod.get("containers", [])
        ports = [one.get("hostPort") for container in containers for one in container.get("endpoints", [])]
        parts = [*(container.get("resources", {}) for container in containers), pod.get("executorResources", {})]
        numbers = {name: round(sum(part.get(name, 0) for part in parts), 3) for name in ("cpus", "mem", "disk")}
    return {
        "ROLE": _list(roles) if roles else "[*]",
        "CONSTRAINTS": _list(constraints),
        "PORTS": _list(ports),
        **{name.upper(): f"{number:g}" for name, number in numbers.items()},
    }


def _list(values: Any) -> str:
    return f"[{', '.join(map(str, values))}]" if values else NONE


@debug.command()
@click.argument("app_id", shell_complete=completing.specs)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def details(context: Context, app_id: str, as_json: bool) -> None:
    """Say of each agent's last offer which wishes of the app or pod APP_ID it met.

    \b
    Example: dcos marathon debug details /web
    """
    entry = _entry(context, app_id, offers=True)
    offers = entry.get("lastUnusedOffers", [])
    if as_json:
        emit_json(offers)
        return
    header = ("HOSTNAME", *(name for name, _ in _STEPS), "RECEIVED")
    rows = [
        (
            one["offer"]["hostname"],
            *("-" if reason in one["reason"] else "ok" for _, reason in _STEPS),
            one["timestamp"],
        )
        for one in offers
    ]
    emit_table(header, rows)
