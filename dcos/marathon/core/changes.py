"""What an update of a run spec that keeps persistent volumes may not change.   Source: Marathon's residentUpdateIsValid."""

from __future__ import annotations

from collections.abc import Iterator

from dcos.marathon.core.common_rules import Fault
from dcos.model.marathon import App
from dcos.model.run_spec import RunSpec
from dcos.scheduling.match import wanted_ports, wanted_volumes


def resident_faults(before: RunSpec, after: RunSpec, *, force: bool) -> Iterator[Fault]:
    if not (before.is_resident or after.is_resident):
        return
    of_pods = not isinstance(after, App)
    if set(wanted_volumes(before)) != set(wanted_volumes(after)):
        yield "/", "persistent volumes cannot be updated" if of_pods else "Persistent volumes can not be changed!"
        return
    if of_pods:
        yield from _pod_faults(before, after)
    elif _kept(before) != _kept(after):
        yield "/", "Resident Tasks may not change resource requirements!"
    if before.role != after.role and not force:
        yield (
            "/role",
            "It is not possible to change the role for existing reservations. If you proceed with this change, all existing "
            f"instances will continue to under the previous role, {before.role}. Only new instances will be allocated with "
            f"the new role, {after.role}. In order to continue, retry your request with ?force=true",
        )


def _pod_faults(before: RunSpec, after: RunSpec) -> Iterator[Fault]:
    for name in ("cpus", "mem", "disk", "gpus"):
        if getattr(before, name) != getattr(after, name):
            yield "/", f"{name} cannot be updated if a pod has persistent volumes"
    if _ports(before) != _ports(after):
        yield "/", "host ports cannot be updated if a pod has persistent volumes"


def _ports(spec: RunSpec) -> frozenset[int]:
    return frozenset(port for port in wanted_ports(spec) if port is not None)


def _kept(spec: RunSpec) -> tuple[object, ...]:
    """What was reserved."""
    return spec.cpus, spec.mem, spec.disk, spec.gpus, _ports(spec), getattr(spec, "require_ports", False)
