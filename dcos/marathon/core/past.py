"""Earlier roots: what each change of apps, pods and groups replaced, so that a group can be looked at and brought back.

A root is not stored whole: walking back from the present one, each change is undone. Definitions that a change removed lie
with it; those that it replaced are versions of their app or pod. The last ``zk_max_versions`` changes are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from dcos.marathon.core.root import Draft
from dcos.marathon.core.state import State
from dcos.marathon.core.turn import Turn
from dcos.model.marathon import App
from dcos.model.marathon_state import Group
from dcos.model.past import RootChange
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.scheduling import ids


@dataclass(slots=True)
class Past:
    """A root as it was. ``specs``: per app or pod its version, or the definition where it is wanted no more."""

    version: str
    specs: dict[str, str | RunSpec]
    groups: dict[str, Group]


def note(
    turn: Turn,
    made: Draft,
    version: str,
    originals: Mapping[str, RunSpec | None],
    targets: Mapping[str, RunSpec | None],
) -> None:
    """Keep what this change replaces; call before it is made."""
    state = turn.state
    groups = {group.id: group for group in state.groups.values() if made.groups.get(group.id) is not group}
    created = tuple(group_id for group_id in made.groups if group_id not in state.groups)
    removed = [spec for spec_id, spec in originals.items() if spec is not None and targets.get(spec_id) is None]
    if not (originals or groups or created):
        return
    turn.save_root_change(
        RootChange(
            version=version,
            before=present(state),
            originals={spec_id: spec.version if spec else None for spec_id, spec in originals.items()},
            apps=tuple(spec for spec in removed if isinstance(spec, App)),
            pods=tuple(spec for spec in removed if isinstance(spec, Pod)),
            groups=tuple(groups.values()),
            created_groups=created,
        )
    )


def present(state: State) -> str:
    """The version of the root as it is."""
    if state.past:
        return state.past[-1].version
    stored = [one.version or "" for one in (*state.groups.values(), *state.all_wanted().values())]
    return max(stored, default="")


def concerns(change: RootChange, group_id: str) -> bool:
    """Whether it changed the group or anything in it."""
    touched = [*change.originals, *change.created_groups, *(group.id for group in change.groups)]
    return any(one == group_id or ids.is_below(one, group_id) for one in touched)


def versions(state: State, group_id: str) -> list[str]:
    """Of the group, newest first."""
    oldest = state.past[0].before if state.past else present(state)
    return [*(change.version for change in reversed(state.past) if concerns(change, group_id)), oldest]


def at(state: State, version: str) -> Past | None:
    """The root of that version; None where there is none or it is not kept."""
    oldest = state.past[0].before if state.past else present(state)
    if version not in {oldest, *(change.version for change in state.past)}:
        return None
    wanted = state.all_wanted()
    root = Past(version, {spec_id: spec.version or "" for spec_id, spec in wanted.items()}, dict(state.groups))
    for change in reversed(state.past):
        if change.version <= version:
            break
        if not change.can_be_undone:
            return None
        _undo(root, change)
    return root


def _undo(root: Past, change: RootChange) -> None:
    for spec_id, before in change.originals.items():
        if before is None:
            root.specs.pop(spec_id, None)
        else:
            root.specs[spec_id] = before
    root.specs |= {app.id: app for app in change.apps}
    root.specs |= {pod.id: pod for pod in change.pods}
    for group_id in change.created_groups:
        root.groups.pop(group_id, None)
    root.groups.update({group.id: group for group in change.groups})


def bring_back(made: Draft, group_id: str, root: Past, specs: Mapping[str, RunSpec]) -> None:
    """Want the group as it was; ``specs``: the definitions of what was in it."""
    for spec_id in [one for one in made.specs() if ids.is_below(one, group_id) and one not in specs]:
        made.drop(spec_id)
    for spec in specs.values():
        now = made.apps.get(spec.id) or made.pods.get(spec.id)
        if now is None or now.version != spec.version:
            made.drop(spec.id)
            made.put(replace(spec, version=None, version_info=None))
    inside = {one: group for one, group in root.groups.items() if one == group_id or ids.is_below(one, group_id)}
    for one in [one for one in made.groups if ids.is_below(one, group_id) and one not in inside]:
        del made.groups[one]
    for one, group in inside.items():
        if made.groups.get(one) is not group:
            made.groups[one] = replace(group, version="")


def inside(root: Past, group_id: str) -> dict[str, str | RunSpec]:
    """What was in the group, at any depth."""
    return {spec_id: spec for spec_id, spec in root.specs.items() if ids.is_below(spec_id, group_id)}
