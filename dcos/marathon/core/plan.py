"""From what is and what shall be to the steps between.

Step 1 stops what is gone, step 2 starts what is new (with no instances), then one step per layer of the dependency graph,
leaves first; actions of a step run side by side.   Source: Marathon's DeploymentPlan.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from msgspec.structs import replace

from dcos.model.marathon import App
from dcos.model.marathon_state import Action, ActionKind, Group, Step
from dcos.scheduling import ids


def is_upgrade(before: App, after: App) -> bool:
    """Whether anything but the number of instances differs."""
    blank = partial(replace, instances=0, version=None, version_info=None)
    return blank(before) != blank(after)


class Cycle(Exception):
    """Dependencies go round in a circle."""


def depths(apps: Mapping[str, App], groups: Mapping[str, Group]) -> dict[str, int]:
    """Longest path to a leaf of the dependency graph, per app.   Errors: Cycle."""
    members: dict[str, list[str]] = {}

    def expand(dependency: str) -> list[str]:
        if dependency in apps:
            return [dependency]
        if dependency not in members:
            members[dependency] = [app_id for app_id in apps if ids.is_below(app_id, dependency)]
        return members[dependency]

    edges: dict[str, set[str]] = {}
    dependent_groups = [group for group in groups.values() if group.dependencies]
    for app_id, app in apps.items():
        wanted = list(app.dependencies)
        for group in dependent_groups:
            if ids.is_below(app_id, group.id):
                wanted += group.dependencies
        if wanted:
            edges[app_id] = {one for dependency in wanted for one in expand(dependency)}
    found: dict[str, int] = {}
    for start in edges:
        _visit(start, edges, found)
    return found


def _visit(start: str, edges: Mapping[str, set[str]], found: dict[str, int]) -> None:
    """Depth-first without recursion: chains may be long."""
    stack = [(start, iter(edges[start]))]
    open_ids = {start}
    if start in found:
        return
    while stack:
        node, rest = stack[-1]
        for other in rest:
            if other in open_ids:
                raise Cycle(other)
            if other not in found and other in edges:
                open_ids.add(other)
                stack.append((other, iter(edges[other])))
                break
        else:
            stack.pop()
            open_ids.discard(node)
            found[node] = 1 + max((found.get(other, 0) for other in edges[node]), default=-1)


def steps(
    originals: Mapping[str, App | None],
    targets: Mapping[str, App | None],
    depth: Mapping[str, int],
    sentenced: Mapping[str, tuple[str, ...]],
) -> tuple[Step, ...]:
    """The plan over the touched apps; ``depth`` says in which layer each is."""
    stops = [
        Action(kind=ActionKind.STOP, app_id=app_id)
        for app_id, before in originals.items()
        if before is not None and targets.get(app_id) is None
    ]
    starts = []
    layers: dict[int, list[Action]] = {}
    for app_id, target in targets.items():
        if target is None:
            continue
        original = originals.get(app_id)
        kind = ActionKind.RESTART
        if original is None:
            starts.append(Action(kind=ActionKind.START, app_id=app_id))
            kind = ActionKind.SCALE
        elif target.instances == 0 or original.config_version == target.config_version:
            kind = ActionKind.SCALE
        action = Action(kind=kind, app_id=app_id, sentenced=sentenced.get(app_id, ()))
        layers.setdefault(depth.get(app_id, 0), []).append(action)
    made = [stops, starts, *(layers[layer] for layer in sorted(layers))]
    return tuple(Step(actions=tuple(actions)) for actions in made if actions)
