"""Changes of what is wanted: apps, pods and groups as clients ask for them, brought to a draft of the new root.

A draft starts as a copy of the present root. ``touched`` apps and pods are canonical and validated; the others are as they were.
Source: Marathon's AppHelpers and GroupUpdate.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from dcos.marathon.core import changes, external_rules, normalize, old_rules, pod_normalize, pod_validate, validate
from dcos.marathon.core.errors import BadRequest, Conflict, Invalid, Refused, app_unknown, group_unknown, pod_unknown
from dcos.marathon.core.plan import Cycle, depths
from dcos.marathon.core.state import State
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import Group
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec, scaled
from dcos.scheduling import ids

Fields = Mapping[str, Any]
"""Members of a request body that fit the document's shape, under their JSON names."""

CYCLIC = "Dependency graph has cyclic dependencies."


@dataclass(slots=True)
class Draft:
    apps: dict[str, App]
    pods: dict[str, Pod]
    groups: dict[str, Group]
    touched: set[str] = field(default_factory=set)
    restarted: set[str] = field(default_factory=set)
    """Apps to be restarted though nothing about them changed."""
    restored: dict[str, str] = field(default_factory=dict)
    """Version of the configuration that is wanted again, by app or pod."""
    last: set[str] = field(default_factory=set)
    """Those whose turn comes when all others are done, dependents first."""
    sentenced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ports: set[int] = field(default_factory=set)
    """Service ports that touched apps have."""

    def specs(self) -> dict[str, RunSpec]:
        """Apps and pods."""
        return {**self.apps, **self.pods}

    def put(self, spec: RunSpec) -> None:
        """Want this canonical app or pod."""
        if isinstance(spec, App):
            self.apps[spec.id] = spec
            self.ports.update(normalize.service_ports(spec))
        else:
            self.pods[spec.id] = spec
        self.touched.add(spec.id)

    def changed(self) -> dict[str, RunSpec]:
        """Touched apps and pods that are still wanted."""
        found = ((spec_id, self.apps.get(spec_id) or self.pods.get(spec_id)) for spec_id in sorted(self.touched))
        return {spec_id: spec for spec_id, spec in found if spec is not None}

    def gone(self, state: State) -> list[str]:
        """Apps and pods that are wanted no more."""
        left = (state.apps.keys() | state.pods.keys()) - self.apps.keys() - self.pods.keys()
        return sorted(left)

    def drop(self, spec_id: str) -> None:
        self.apps.pop(spec_id, None)
        self.pods.pop(spec_id, None)


def draft(turn: Turn) -> Draft:
    return Draft(dict(turn.state.apps), dict(turn.state.pods), dict(turn.state.groups))


# ---- apps ------------------------------------------------------------------------------------------------------------


def create_app(turn: Turn, made: Draft, fields: Fields, *, base: str = ids.ROOT) -> str:
    app_id = ids.canonical(str(fields["id"]), base)
    if app_id in made.apps:
        raise Conflict(f"An app with id [{app_id}] already exists.")
    _check_old(fields)
    return _put(turn, made, app_id, msgspec.convert(dict(fields), App))


def put_app(turn: Turn, made: Draft, app_id: str, fields: Fields, *, partial: bool, must_exist: bool) -> str:
    """Update or create; ``partial`` lays the given members over the present app."""
    present = made.apps.get(app_id)
    if present is None and must_exist:
        raise app_unknown(app_id)
    _check_old(fields)
    if present is None or not partial:
        merged: dict[str, Any] = {**fields, "id": app_id}
    else:
        merged = normalize.overlay(msgspec.to_builtins(present), {**fields, "id": app_id})
    merged.pop("version", None)
    merged.pop("versionInfo", None)
    return _put(turn, made, app_id, msgspec.convert(merged, App))


def _check_old(fields: Fields) -> None:
    """Errors: Invalid."""
    faults = list(old_rules.old_faults(fields))
    if faults:
        raise Invalid(faults)


def roll_back_app(turn: Turn, made: Draft, app_id: str, stored: App) -> str:
    """Want an earlier version's definition again (as a new version)."""
    if app_id not in made.apps:
        raise app_unknown(app_id)
    return _put(turn, made, app_id, replace(stored, version=None, version_info=None))


def _put(turn: Turn, made: Draft, app_id: str, app: App) -> str:
    settings = turn.settings
    if app_id in made.pods or _is_leaving(turn, app_id, Pod):
        raise Conflict(f"A pod with id [{app_id}] already exists.")
    enforced = _place(turn, made, app_id)
    defaults = replace_defaults(settings.defaults, enforced)
    app = normalize.canonical(replace(app, id=app_id, version=None, version_info=None), defaults)
    faults = validate.app_faults(app, settings.rules, roles=_roles(turn, made, app_id, enforced))
    faults += external_rules.conflicts(app, made.apps.values())
    if faults:
        raise Invalid(faults)
    low, high = settings.service_ports
    start = int(turn.fresh().replace("-", "")[:8], 16)
    try:
        held = ChainMap(turn.state.census.ports, dict.fromkeys(made.ports, 1))
        app = normalize.with_service_ports(app, made.apps.get(app_id), held, low, high, start)
    except LookupError as error:
        raise Refused(str(error)) from error
    made.put(app)
    return app_id


def _place(turn: Turn, made: Draft, spec_id: str) -> str | None:
    """Make the groups above an app or pod; the role that they enforce."""
    for ancestor in ids.ancestors(spec_id):
        ensure_group(turn, made, ancestor)
    parts = ids.segments(spec_id)
    top = made.groups.get("/" + parts[0]) if len(parts) > 1 else None
    return parts[0] if top is not None and top.enforce_role else None


def _is_leaving(turn: Turn, spec_id: str, kind: type[App] | type[Pod]) -> bool:
    """Whether an app or pod of this id was removed and its instances have not all ended."""
    return any(
        isinstance(turn.state.specs.get((spec_id, version)), kind) for version in turn.state.versions.get(spec_id, ())
    )


def replace_defaults(defaults: normalize.Defaults, enforced: str | None) -> normalize.Defaults:
    return normalize.Defaults(role=defaults.role, network_name=defaults.network_name, enforced_role=enforced)


def _roles(turn: Turn, made: Draft, spec_id: str, enforced: str | None) -> set[str]:
    present = made.apps.get(spec_id) or made.pods.get(spec_id)
    allowed = {present.role} if present is not None and present.role else set()
    if enforced is not None:
        return allowed | {enforced}
    parts = ids.segments(spec_id)
    allowed.add(turn.settings.defaults.role)
    return allowed | ({parts[0]} if len(parts) > 1 else set())


def delete_app(made: Draft, app_id: str) -> None:
    if app_id not in made.apps:
        raise app_unknown(app_id)
    del made.apps[app_id]


def restart_app(made: Draft, app_id: str) -> None:
    if app_id not in made.apps:
        raise app_unknown(app_id)
    made.touched.add(app_id)
    made.restarted.add(app_id)


def scale(made: Draft, spec: RunSpec, instances: int, sentenced: tuple[str, ...] = ()) -> None:
    """Errors: Refused where the number of instances follows the agents."""
    if spec.instances_mode == "all":
        kind, how = ("App", "'instances'") if isinstance(spec, App) else ("Pod", "'scaling'")
        raise Refused(
            f"{kind} '{spec.id}' has one instance on every matching agent: set {how} to a number to scale it."
        )
    made.put(scaled(spec, instances))
    if sentenced:
        made.sentenced[spec.id] = sentenced


# ---- pods ------------------------------------------------------------------------------------------------------------


def create_pod(turn: Turn, made: Draft, pod: Pod, *, keep_number: bool = False) -> None:
    if ids.canonical(pod.id) in made.pods:
        raise Conflict(f"A pod with id [{ids.canonical(pod.id)}] already exists.")
    put_pod(turn, made, pod, keep_number=keep_number)


def put_pod(turn: Turn, made: Draft, pod: Pod, *, keep_number: bool = False) -> None:
    """Update or create; a pod is always given whole. ``keep_number``: but for the number of an autoscaled one's instances."""
    pod_id = ids.canonical(pod.id)
    if keep_number and pod.autoscaling is not None:
        present = made.pods.get(pod_id)
        pod = replace(
            pod, scaling=replace(pod.scaling, instances=present.instances if present else pod.autoscaling.min)
        )
    if pod_id in made.apps or _is_leaving(turn, pod_id, App):
        raise Conflict(f"An app with id [{pod_id}] already exists.")
    enforced = _place(turn, made, pod_id)
    pod = replace(pod, id=pod_id, version=None, version_info=None)
    pod = pod_normalize.canonical(pod, replace_defaults(turn.settings.defaults, enforced))
    faults = pod_validate.pod_faults(pod, turn.settings.rules, roles=_roles(turn, made, pod_id, enforced))
    if faults:
        raise Invalid(faults)
    made.put(pod)


def delete_pod(made: Draft, pod_id: str) -> None:
    if pod_id not in made.pods:
        raise pod_unknown(pod_id)
    del made.pods[pod_id]


# ---- groups ----------------------------------------------------------------------------------------------------------


def ensure_group(turn: Turn, made: Draft, group_id: str) -> None:
    if group_id not in made.groups:
        enforce = turn.settings.new_group_enforce_role and len(ids.segments(group_id)) == 1
        made.groups[group_id] = Group(id=group_id, version="", enforce_role=enforce)


def create_group(turn: Turn, made: Draft, group_id: str, fields: Fields) -> None:
    if group_id in made.apps:
        raise Conflict(f"An app with the path {group_id} already exists.")
    if group_id in made.pods:
        raise Conflict(f"A pod with the path {group_id} already exists.")
    if group_id in made.groups and (group_id != ids.ROOT or made.specs()):
        raise Conflict(f"Group {group_id} is already created. Use PUT to change this group.")
    put_group(turn, made, group_id, fields)


def put_group(turn: Turn, made: Draft, group_id: str, fields: Fields) -> None:
    """Exactly one mode: ``scaleBy``, or the structure: given lists replace the present ones."""
    others = set(fields) - {"id"}
    for mode in ("version", "scaleBy", "switchTo"):
        if mode in fields and others != {mode}:
            raise Invalid([("/", f"'{mode}' is not allowed in conjunction with other properties.")])
    if "scaleBy" in fields:
        _scale_group(made, group_id, float(fields["scaleBy"]))
        return
    if "switchTo" in fields:
        _switch_group(made, group_id, ids.canonical(str(fields["switchTo"]), ids.parent(group_id)))
        return
    for group in [*ids.ancestors(group_id), group_id]:
        ensure_group(turn, made, group)
    group_now = made.groups[group_id]
    if "dependencies" in fields:
        dependencies = tuple(ids.canonical(one, ids.parent(group_id)) for one in fields["dependencies"])
        group_now = replace(group_now, dependencies=dependencies, version="")
    if "enforceRole" in fields:
        if len(ids.segments(group_id)) != 1:
            raise Invalid([("/enforceRole", "enforceRole can only be set for top-level groups.")])
        group_now = replace(group_now, enforce_role=bool(fields["enforceRole"]), version="")
    made.groups[group_id] = group_now
    if "apps" in fields:
        _put_members(turn, made, group_id, fields["apps"])
    if "groups" in fields:
        _put_subgroups(turn, made, group_id, fields["groups"])


def _scale_group(made: Draft, group_id: str, factor: float) -> None:
    if group_id not in made.groups:
        raise group_unknown(group_id)
    if not factor >= 0:
        raise Invalid([("/scaleBy", "must be 0 or more")])
    members = [one for one in made.apps.values() if ids.is_below(one.id, group_id) and one.instances_mode is None]
    for app in members:
        scale(made, app, math.ceil(app.instances * factor))


def _switch_group(made: Draft, live: str, idle: str) -> None:
    """Blue and green: the apps and pods of ``idle`` get the numbers of those of ``live``, in the order of dependencies; when all
    are well, those of ``live`` go to 0, dependents first."""
    for group_id in (live, idle):
        if group_id not in made.groups:
            raise group_unknown(group_id)
    if idle == live or ids.is_below(idle, live) or ids.is_below(live, idle):
        raise Invalid([("/switchTo", f"must be another group than '{live}', neither in it nor around it")])
    specs = made.specs().values()
    leaving = [one for one in specs if ids.is_below(one.id, live) and one.instances > 0]
    coming = {one.id.removeprefix(idle): one for one in specs if ids.is_below(one.id, idle)}
    if not leaving:
        raise Invalid([("/switchTo", f"nothing runs in '{live}': there is nothing to switch from")])
    missing = [one.id for one in leaving if one.id.removeprefix(live) not in coming]
    if missing:
        raise Invalid([("/switchTo", f"'{idle}' has no counterpart of {', '.join(sorted(missing))}")])
    for one in leaving:
        scale(made, coming[one.id.removeprefix(live)], one.instances)
        scale(made, one, 0)
        made.last.add(one.id)


def _put_members(turn: Turn, made: Draft, group_id: str, members: list[Fields]) -> None:
    wanted: dict[str, Fields] = {}
    for index, member in enumerate(members):
        app_id = ids.canonical(str(member["id"]), group_id)
        if ids.parent(app_id) != group_id:
            raise Invalid([(f"/apps({index})/id", f"Identifier is not child of '{group_id}'.")])
        if app_id in wanted:
            raise Invalid([(f"/apps({index})/id", f"{app_id} is given twice")])
        wanted[app_id] = member
    for app_id in [one for one in made.apps if ids.parent(one) == group_id and one not in wanted]:
        del made.apps[app_id]
    for index, (app_id, member) in enumerate(wanted.items()):
        try:
            put_app(turn, made, app_id, member, partial=False, must_exist=False)
        except Invalid as error:
            raise Invalid([(f"/apps({index}){path}", text) for path, text in error.faults]) from error


def _put_subgroups(turn: Turn, made: Draft, group_id: str, subgroups: list[Fields]) -> None:
    wanted: dict[str, Fields] = {}
    for index, subgroup in enumerate(subgroups):
        child = ids.canonical(str(subgroup.get("id", "")), group_id)
        if ids.parent(child) != group_id or child == group_id:
            raise Invalid([(f"/groups({index})/id", f"Identifier is not child of '{group_id}'.")])
        wanted[child] = subgroup
    for child in [one for one in made.groups if one != ids.ROOT and ids.parent(one) == group_id and one not in wanted]:
        delete_group(made, child)
    for index, (child, subgroup) in enumerate(wanted.items()):
        try:
            put_group(turn, made, child, subgroup)
        except Invalid as error:
            raise Invalid([(f"/groups({index}){path}", text) for path, text in error.faults]) from error


def delete_group(made: Draft, group_id: str) -> None:
    """With everything below; the root itself stays."""
    if group_id not in made.groups:
        raise group_unknown(group_id)
    for spec_id in [one for one in made.specs() if ids.is_below(one, group_id)]:
        made.drop(spec_id)
    for group in [one for one in made.groups if one == group_id or ids.is_below(one, group_id)]:
        if group != ids.ROOT:
            del made.groups[group]


# ---- the whole root --------------------------------------------------------------------------------------------------


def checked_depths(made: Draft, state: State) -> dict[str, int]:
    """Rules over all apps, pods and groups; answers the depth of each app and pod in the dependency graph."""
    both = sorted((made.groups.keys() & made.apps.keys()) | (made.groups.keys() & made.pods.keys()))
    if both:
        raise Conflict(f"Apps, pods and groups may not share an id: {', '.join(both)}")
    depending = state.census.depending or any(spec.dependencies for spec in made.changed().values())
    if not depending and not any(group.dependencies for group in made.groups.values()):
        return {}
    try:
        return depths(made.specs(), made.groups)
    except Cycle as error:
        raise Invalid([("/", CYCLIC)]) from error


def check_residents(made: Draft, state: State, *, force: bool) -> None:
    """Rules of updates where reservations are kept.   Errors: Invalid."""
    faults = [
        fault
        for spec_id, spec in made.changed().items()
        if (present := state.wanted(spec_id)) is not None
        for fault in changes.resident_faults(present, spec, force=force)
    ]
    if faults:
        raise Invalid(faults)


def check_exclusive(*, scale: bool, wipe: bool) -> None:
    if scale and wipe:
        raise BadRequest("You cannot use scale and wipe at the same time.")
