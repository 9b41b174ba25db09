"""What an update of a run spec that keeps persistent volumes may not change.   Source: Marathon's residentUpdateIsValid."""

from __future__ import annotations

from collections.abc import Iterator

from dcos.marathon.core.common_rules import Fault
from dcos.model.run_spec import RunSpec
from dcos.scheduling.match import wanted_ports, wanted_volumes


def resident_faults(before: RunSpec, after: RunSpec, *, force: bool) -> Iterator[Fault]:
    if not (before.is_resident or after.is_resident):
        return
    if set(wanted_volumes(before)) != set(wanted_volumes(after)):
        yield "/", "Persistent volumes can not be changed!"
        return
    if _kept(before) != _kept(after):
        yield "/", "Resident Tasks may not change resource requirements!"
    if before.role != after.role and not force:
        yield (
            "/role",
            "It is not possible to change the role for existing reservations. If you proceed with this change, all existing "
            f"instances will continue to under the previous role, {before.role}. Only new instances will be allocated with "
            f"the new role, {after.role}. In order to continue, retry your request with ?force=true",
        )


def _kept(spec: RunSpec) -> tuple[object, ...]:
    """What was reserved."""
    ports = frozenset(port for port in wanted_ports(spec) if port is not None)
    return spec.cpus, spec.mem, spec.disk, spec.gpus, ports, getattr(spec, "require_ports", False)
