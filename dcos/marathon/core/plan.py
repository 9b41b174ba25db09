"""From what is and what shall be to the steps between.

Step 1 stops what is gone, step 2 starts what is new (with no instances), then one step per layer of the dependency graph,
leaves first; actions of a step run side by side.   Source: Marathon's DeploymentPlan.
"""

from __future__ import annotations

from collections.abc import Mapping

from dcos.model.marathon_state import Action, ActionKind, Group, Step
from dcos.model.pods import Pod
from dcos.model.run_spec import RunSpec
from dcos.scheduling import ids


class Cycle(Exception):
    """Dependencies go round in a circle."""


def depths(specs: Mapping[str, RunSpec], groups: Mapping[str, Group]) -> dict[str, int]:
    """Longest path to a leaf of the dependency graph, per app and pod.   Errors: Cycle."""
    members: dict[str, list[str]] = {}

    def expand(dependency: str) -> list[str]:
        if dependency in specs:
            return [dependency]
        if dependency not in members:
            members[dependency] = [spec_id for spec_id in specs if ids.is_below(spec_id, dependency)]
        return members[dependency]

    edges: dict[str, set[str]] = {}
    dependent_groups = [group for group in groups.values() if group.dependencies]
    for spec_id, spec in specs.items():
        wanted = list(spec.dependencies)
        for group in dependent_groups:
            if ids.is_below(spec_id, group.id):
                wanted += group.dependencies
        if wanted:
            edges[spec_id] = {one for dependency in wanted for one in expand(dependency)}
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
    originals: Mapping[str, RunSpec | None],
    targets: Mapping[str, RunSpec | None],
    depth: Mapping[str, int],
    sentenced: Mapping[str, tuple[str, ...]],
) -> tuple[Step, ...]:
    """The plan over the touched apps and pods; ``depth`` says in which layer each is."""
    stops = [
        Action(kind=ActionKind.STOP, app_id=spec_id, pod=isinstance(before, Pod))
        for spec_id, before in originals.items()
        if before is not None and targets.get(spec_id) is None
    ]
    starts = []
    layers: dict[int, list[Action]] = {}
    for spec_id, target in targets.items():
        if target is None:
            continue
        original = originals.get(spec_id)
        is_pod = isinstance(target, Pod)
        kind = ActionKind.RESTART
        if original is None:
            starts.append(Action(kind=ActionKind.START, app_id=spec_id, pod=is_pod))
            kind = ActionKind.SCALE
        elif target.instances == 0 or original.config_version == target.config_version:
            kind = ActionKind.SCALE
        action = Action(kind=kind, app_id=spec_id, pod=is_pod, sentenced=sentenced.get(spec_id, ()))
        layers.setdefault(depth.get(spec_id, 0), []).append(action)
    made = [stops, starts, *(layers[layer] for layer in sorted(layers))]
    return tuple(Step(actions=tuple(actions)) for actions in made if actions)
