"""``dcos quota``: how much the groups at the top of Marathon may use.   Source: dcos-core-cli pkg/cmd/quota."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from dcos.cli import completing
from dcos.cli.context import Context, pass_context
from dcos.cli.output import emit_json, emit_table, fail, notice

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
UNSET: Final = -1.0
_FLAGS: Final = {"cpu": "cpus", "mem": "mem", "disk": "disk", "gpu": "gpus"}
"""Flag to the resource's name."""


def _limits(function: F) -> F:
    for option in (
        click.option("--force", is_flag=True, help="Even where more is in use, or asked for, than there would be."),
        click.option("--gpu", type=float, default=UNSET, help="So many GPUs; -1 for no limit."),
        click.option("--disk", type=float, default=UNSET, help="So much disk, in MiB; -1 for no limit."),
        click.option("--mem", type=float, default=UNSET, help="So much memory, in MiB; -1 for no limit."),
        click.option("--cpu", type=float, default=UNSET, help="So many cpus; -1 for no limit."),
    ):
        function = option(function)
    return function


@click.group()
def quota() -> None:
    """Limit what the tasks of groups may use together.

    \b
    Example: dcos quota list
    """


@quota.command()
@click.argument("group", shell_complete=completing.groups)
@_limits
@pass_context
def create(context: Context, group: str, cpu: float, mem: float, disk: float, gpu: float, force: bool) -> None:
    """Limit the GROUP, one at the top of Marathon.

    \b
    Example: dcos quota create dev --cpu=8 --mem=16384
    """
    if "/" in group:
        fail(f"could not create quota '{group}', quotas cannot be created for subgroups yet", _TOP)
    limits = _given(cpu, mem, disk, gpu)
    if not limits:
        fail(f"could not create quota '{group}', at least one limit has to be given", "--cpu, --mem, --disk and --gpu")
    if group not in _groups(context):
        fail(f"/{group} is not an existing Marathon group", "`dcos marathon group list` shows them")
    known = _quota(context, group)
    if known is not None and known.get("limit"):
        fail(f"{group} is an existing quota, use 'dcos quota update' if you want to update it.")
    context.mesos.update_quota(group, limits, force=force)


_TOP: Final = "a quota is named as its group, without slashes"


def _given(cpu: float, mem: float, disk: float, gpu: float) -> dict[str, float]:
    given = {"cpus": cpu, "mem": mem, "disk": disk, "gpus": gpu}
    for flag, name in _FLAGS.items():
        if given[name] < 0 and given[name] != UNSET:
            fail(f"--{flag} must not be negative (-1 is for no limit): {given[name]:g}")
    return {name: value for name, value in given.items() if value != UNSET}


@quota.command()
@click.argument("group", shell_complete=completing.groups)
@_limits
@pass_context
def update(context: Context, group: str, cpu: float, mem: float, disk: float, gpu: float, force: bool) -> None:
    """Replace the limits of GROUP: one that is not given is taken away.

    \b
    Example: dcos quota update dev --cpu=16 --mem=16384
    """
    limits = _given(cpu, mem, disk, gpu)
    before = (_quota(context, group) or {}).get("limit") or {}
    context.mesos.update_quota(group, limits, force=force)
    for name in sorted(set(before) - set(limits)):
        notice(f"{name} was limited to {before[name]:g}: it is not limited any more")


@quota.command()
@click.argument("group", shell_complete=completing.groups)
@pass_context
def delete(context: Context, group: str) -> None:
    """Take all limits from GROUP.

    \b
    Example: dcos quota delete dev
    """
    context.mesos.remove_quota(group)


@quota.command()
@click.argument("group", shell_complete=completing.groups)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def get(context: Context, group: str, as_json: bool) -> None:
    """Show the limits of GROUP and how much of each is in use.

    \b
    Example: dcos quota get dev
    """
    found = _quota(context, group)
    if as_json and found is not None:
        emit_json(found)
        return
    limit, used = (found or {}).get("limit") or {}, (found or {}).get("consumed") or {}
    emit_table(("RESOURCE", "CONSUMPTION", "LIMIT"), [(name, *_row(name, used, limit)) for name in sorted(limit)])


def _row(name: str, used: Json, limit: Json) -> tuple[str, str]:
    most, now = limit.get(name), used.get(name)
    if isinstance(most, int | float) and isinstance(now, int | float) and most:
        return f"{100 * now / most:.2f}%", _amount(name, most)
    return _amount(name, now), _amount(name, most)


def _amount(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value / 1024:.1f}GiB" if name in ("mem", "disk") else f"{value:.0f}"


@quota.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """List the groups that have quota, with what they use of it.

    \b
    Example: dcos quota list
    """
    groups = _groups(context)
    found = [one["quota"] for one in context.mesos.roles() if _role(one) in groups]
    if as_json:
        emit_json(found)
        return
    header = ("NAME", "CPU CONSUMED", "MEMORY CONSUMED", "DISK CONSUMED", "GPU CONSUMED")
    emit_table(header, [(one["role"], *(consumption(one, name) for name in _FLAGS.values())) for one in found])


def consumption(one: Json, name: str) -> str:
    """A cell such as ``12.50% (1 of 8 Cores)``. MiB are divided by 1000 for GiB, as upstream does."""
    limit, used = (one.get("limit") or {}).get(name), (one.get("consumed") or {}).get(name)
    if not isinstance(limit, int | float):
        return "No limit"
    now = float(used) if isinstance(used, int | float) else 0.0
    if name in ("cpus", "gpus"):
        said = f"{now:.0f} of {limit:.0f} Cores"
    elif limit < 1000:
        said = f"{now:.0f} MiB of {limit:.0f} MiB"
    else:
        said = f"{_short(now / 1000)} GiB of {_short(limit / 1000)} GiB"
    return f"{100 * now / limit:.2f}% ({said})" if limit else f"({said})"


def _short(number: float) -> str:
    return f"{number:.0f}" if number.is_integer() else f"{number:.1f}"


def _role(one: Json) -> str:
    return str((one.get("quota") or {}).get("role", ""))


def _quota(context: Context, group: str) -> Json | None:
    return next((one["quota"] for one in context.mesos.roles() if _role(one) == group), None)


def _groups(context: Context) -> set[str]:
    """Of Marathon, those at the top, without their slash."""
    return {str(one["id"]).strip("/") for one in context.marathon.group("/").get("groups", [])}
