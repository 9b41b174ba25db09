"""``dcos node drain``, ``deactivate``, ``reactivate`` and ``decommission``: taking agents out of service and back."""

from __future__ import annotations

import re
import time
from typing import Any, Final

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import fail
from dcos.cli.progress import Steps

_LOOK_EVERY_S: Final = 5.0
_UNITS: Final = {
    **dict.fromkeys(("ns",), 1e-9),
    **dict.fromkeys(("us", "µs"), 1e-6),
    **dict.fromkeys(("ms",), 1e-3),
    **dict.fromkeys(("s", "sec", "secs"), 1.0),
    **dict.fromkeys(("m", "min", "mins"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}


def seconds(text: str) -> float:
    """Of a duration such as ``90s``, ``1h30m`` or ``10mins``.   Errors: ClickException."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([a-zµ]+)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        fail(f"'{text}' is no duration: numbers with units, such as 90s, 15m or 1h30m")
    unknown = [unit for _, unit in parts if unit not in _UNITS]
    if unknown:
        fail(f"'{text}' is no duration: nobody knows the unit '{unknown[0]}'; ns, us, ms, s, m, h and d are known")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


@click.command()
@click.argument("mesos_id", shell_complete=completing.agents)
@click.option("--decommission", is_flag=True, help="Take it out of the cluster for good when it is empty.")
@click.option("--max-grace-period", metavar="DURATION", help="Kill tasks that take longer to end, such as 10m.")
@click.option("--wait", is_flag=True, help="Until it is drained.")
@click.option("--interval", type=float, default=_LOOK_EVERY_S, hidden=True)
@pass_context
def drain(
    context: Context, mesos_id: str, decommission: bool, max_grace_period: str | None, wait: bool, interval: float
) -> None:
    """Let all tasks of the agent MESOS_ID end, so that others take their place elsewhere.

    \b
    Example: dcos node drain 3f4a-S0 --max-grace-period=15m --wait
    """
    body: dict[str, Any] = {"agent_id": {"value": mesos_id}}
    if max_grace_period is not None:
        whole, part = divmod(round(seconds(max_grace_period) * 1e9), 10**9)
        body["max_grace_period"] = {"seconds": whole, "nanos": part}
    if decommission:
        body["mark_gone"] = True
    context.mesos.call("DRAIN_AGENT", **body)
    if not wait:
        return
    steps = Steps()
    steps.say("Waiting for the agent to be drained...")
    while (state := _drain_state(context, mesos_id)) not in ("DRAINED", None if decommission else "DRAINED"):
        if state is None:
            fail(f"agent '{mesos_id}' is no longer registered", "`dcos node list` shows the agents that are")
        steps.say(_left(context, mesos_id))
        time.sleep(interval)


def _drain_state(context: Context, mesos_id: str) -> str | None:
    """None for an agent that is gone."""
    for one in context.mesos.agents():
        if one.get("agent_info", {}).get("id", {}).get("value") == mesos_id:
            return str((one.get("drain_info") or {}).get("state", "UNKNOWN"))
    return None


def _left(context: Context, mesos_id: str) -> str:
    state = context.mesos.state()
    count = sum(1 for one in state.get("frameworks", []) for task in one["tasks"] if task.get("slave_id") == mesos_id)
    return f"{count} task{'' if count == 1 else 's'} left"


@click.command()
@click.argument("mesos_id", shell_complete=completing.agents)
@pass_context
def deactivate(context: Context, mesos_id: str) -> None:
    """Launch nothing new on the agent MESOS_ID; what runs there goes on.

    \b
    Example: dcos node deactivate 3f4a-S0
    """
    context.mesos.call("DEACTIVATE_AGENT", agent_id={"value": mesos_id})


@click.command()
@click.argument("mesos_id", shell_complete=completing.agents)
@pass_context
def reactivate(context: Context, mesos_id: str) -> None:
    """Use the agent MESOS_ID again, after it was drained or deactivated.

    \b
    Example: dcos node reactivate 3f4a-S0
    """
    context.mesos.call("REACTIVATE_AGENT", agent_id={"value": mesos_id})


@click.command()
@click.argument("mesos_id", shell_complete=completing.agents)
@pass_context
def decommission(context: Context, mesos_id: str) -> None:
    """Take the agent MESOS_ID out of the cluster for good: its tasks count as gone, and it may not come back as it is.

    \b
    Example: dcos node decommission 3f4a-S0
    """
    context.mesos.call("MARK_AGENT_GONE", agent_id={"value": mesos_id})
