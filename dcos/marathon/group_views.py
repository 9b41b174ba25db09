"""The tree of groups as the API shows it, made in one walk over apps, pods and groups.   Source: Marathon's GroupInfo."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from dcos.model.marathon import App
from dcos.model.marathon_state import Group
from dcos.model.pods import Pod
from dcos.scheduling import ids

Json = dict[str, Any]


class GroupTree:
    """One moment of the tree."""

    def __init__(self, groups: Mapping[str, Group], apps: Iterable[App], pods: Iterable[Pod]) -> None:
        self._all = groups
        self._apps: dict[str, list[App]] = defaultdict(list)
        self._pods: dict[str, list[Pod]] = defaultdict(list)
        self._groups: dict[str, list[str]] = defaultdict(list)
        self._newest = {group.id: group.version for group in groups.values()}
        for app in apps:
            self._apps[ids.parent(app.id)].append(app)
            self._touch(app.id, app.version)
        for pod in pods:
            self._pods[ids.parent(pod.id)].append(pod)
            self._touch(pod.id, pod.version)
        for group_id in sorted(groups):
            if group_id != ids.ROOT:
                self._groups[ids.parent(group_id)].append(group_id)

    def _touch(self, spec_id: str, version: str | None) -> None:
        for group_id in ids.ancestors(spec_id):
            self._newest[group_id] = max(self._newest.get(group_id, ""), version or "")

    def version(self, group_id: str) -> str:
        """When it or anything in it changed last."""
        return self._newest[group_id]

    def info(
        self, group_id: str, embed: Collection[str], of_app: Callable[[App], Json], of_pod: Callable[[Pod], Json]
    ) -> Json:
        """``embed``: which of groups, apps, pods are listed."""
        group = self._all[group_id]
        made: Json = {
            "id": group.id,
            "dependencies": list(group.dependencies),
            "version": self.version(group_id),
            "enforceRole": group.enforce_role,
        }
        if "groups" in embed:
            made["groups"] = [self.info(one, embed, of_app, of_pod) for one in self._groups.get(group_id, ())]
        if "apps" in embed:
            made["apps"] = [of_app(app) for app in self._apps.get(group_id, ())]
        if "pods" in embed:
            made["pods"] = [of_pod(pod) for pod in self._pods.get(group_id, ())]
        return made
