"""One batch of decisions: the time, fresh ids, and the effects so far.

Every change of stored state goes through it, so that state and effects cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dcos.marathon.core import effects
from dcos.marathon.core.state import MAX_HISTORY, CoreSettings, State, is_probed, moves, seconds_of
from dcos.model.marathon_state import (
    APP_TASK,
    Deployment,
    EndedInstance,
    Group,
    History,
    Instance,
    Release,
    TaskFailure,
    iso,
)
from dcos.model.past import RootChange
from dcos.model.run_spec import RunSpec
from dcos.model.v1.scheduler import Call


class Turn:
    """One batch of decisions over ``state``."""

    def __init__(self, state: State, settings: CoreSettings, now: float, ids: Iterator[str]) -> None:
        self.state = state
        self.settings = settings
        self.now = now
        self._ids = ids
        self.effects: list[effects.Effect] = []

    def fresh(self) -> str:
        """A new UUID text."""
        return next(self._ids)

    def new_version(self) -> str:
        """Now as a version; later than every version given before."""
        version = iso(self.now)
        if version <= self.state.last_version:
            version = _next_millisecond(self.state.last_version)
        self.state.last_version = version
        return version

    # ---- the world ----

    def send(self, call: Call, reason: str = "") -> None:
        self.effects.append(effects.Send(call, reason))

    def publish(self, kind: str, **fields: Any) -> None:
        self.effects.append(effects.Publish(kind, fields))

    # ---- stored state ----

    def save_spec(self, spec: RunSpec) -> None:
        assert spec.version is not None
        self.state.want(spec)
        self.state.specs[spec.id, spec.version] = spec
        if is_probed(spec):
            self.state.probed.add(spec.id)
        versions = self.state.versions.setdefault(spec.id, [])
        versions.append(spec.version)
        self.effects.append(effects.SaveSpec(spec))
        self.state.dirty.add(spec.id)
        self._forget_old(spec.id, versions)

    def _forget_old(self, spec_id: str, versions: list[str]) -> None:
        surplus = len(versions) - self.settings.max_versions
        if surplus <= 0:
            return
        used = self.used_versions(spec_id)
        for version in [one for one in versions if one not in used][:surplus]:
            versions.remove(version)
            self.state.specs.pop((spec_id, version), None)
            self.effects.append(effects.ForgetVersion(spec_id, version))

    def used_versions(self, spec_id: str) -> set[str]:
        used = {instance.version for instance in self.state.instances_of(spec_id)}
        wanted = self.state.wanted(spec_id)
        if wanted is not None:
            used.add(wanted.version or "")
        for deployment in self.state.deployments.values():
            used |= {version or "" for version in (deployment.originals.get(spec_id), deployment.targets.get(spec_id))}
        return used

    def remove_spec(self, spec_id: str) -> None:
        self.state.unwant(spec_id)
        self.state.watching.pop(spec_id, None)
        self.effects.append(effects.RemoveSpec(spec_id))
        self.state.dirty.add(spec_id)

    def forget_spec(self, spec_id: str) -> None:
        versions = tuple(self.state.versions.pop(spec_id, ()))
        for version in versions:
            self.state.specs.pop((spec_id, version), None)
        self.state.probed.discard(spec_id)
        state = self.state
        for known in (state.delays, state.failures, state.measured, state.autoscaling, state.everywhere, state.rooms):
            known.pop(spec_id, None)
        state.moved_at.pop(spec_id, None)
        state.swept.pop(spec_id, None)
        self.state.histories.pop(spec_id, None)
        self.effects.append(effects.ForgetSpec(spec_id, versions))

    def save_group(self, group: Group) -> None:
        self.state.groups[group.id] = group
        self.effects.append(effects.SaveGroup(group))

    def drop_group(self, group_id: str) -> None:
        del self.state.groups[group_id]
        self.effects.append(effects.DropGroup(group_id))

    def save_root_change(self, change: RootChange) -> None:
        self.state.past.append(change)
        self.effects.append(effects.SaveRootChange(change))
        while len(self.state.past) > self.settings.max_versions:
            self.effects.append(effects.DropRootChange(self.state.past.pop(0).version))

    def save_instance(self, instance: Instance) -> None:
        before = self.state.instances.get(instance.id)
        self.state.instances[instance.id] = instance
        self.state.moved(before, instance)
        self.state.keep(before, instance)
        if moves(instance):
            self.state.moving.add(instance.id)
        else:
            self.state.moving.discard(instance.id)
        self.state.by_spec.setdefault(instance.app_id, {})[instance.id] = instance
        self.state.dirty.add(instance.app_id)
        self.effects.append(effects.SaveInstance(instance))
        if before is None or before.condition is not instance.condition:
            self.publish_condition(instance)

    def publish_condition(self, instance: Instance) -> None:
        self.publish(
            "instance_changed_event",
            instanceId=instance.id,
            condition=instance.condition.value,
            runSpecId=instance.app_id,
            agentId=instance.agent.agent_id,
            host=instance.agent.host,
            runSpecVersion=instance.version,
        )

    def drop_instance(self, instance: Instance) -> None:
        """Forget it. What it had reserved is released."""
        state = self.state
        known = state.instances.pop(instance.id, None)
        state.moving.discard(instance.id)
        if known is not None:
            state.moved(known, None)
            state.keep(known, None)
            if known.reservation is not None:
                in_parts = known.task.name != APP_TASK
                self.release(known.id, known.agent.agent_id, known.role, in_parts=in_parts)
        siblings = state.by_spec.get(instance.app_id, {})
        siblings.pop(instance.id, None)
        if not siblings:
            state.by_spec.pop(instance.app_id, None)
            state.spreads.pop(instance.app_id, None)
            state.numbers.pop(instance.app_id, None)
        state.forget_health(instance.id)
        state.dirty.add(instance.app_id)
        self.effects.append(effects.DropInstance(instance.id))

    def release(self, instance_id: str, agent_id: str, role: str, *, in_parts: bool) -> None:
        """Remember to give an instance's reservation back."""
        release = Release(instance_id=instance_id, agent_id=agent_id, role=role, since=self.now, in_parts=in_parts)
        self.state.forget_release(instance_id)
        self.state.add_release(release)
        self.state.wants_revive = True
        self.effects.append(effects.SaveRelease(release))

    def note_release(self, instance_id: str, agent_id: str, role: str) -> None:
        """The operations that give it back, or the part of it that is free, are being sent."""
        known = self.state.releases.get(instance_id)
        if known is None or known.in_parts or known.agent_id != agent_id:
            self.release(instance_id, agent_id, role, in_parts=known is None or known.in_parts)
        self.state.release_asked.add(instance_id)

    def drop_release(self, instance_id: str) -> None:
        """Nothing is left of it."""
        self.state.forget_release(instance_id)
        self.effects.append(effects.DropRelease(instance_id))

    def may_launch(self, used: int) -> bool:
        """Whether one more instance may be launched from an offer that ``used`` are launched from."""
        return used < self.settings.max_instances_per_offer and self.state.tokens > 0

    def save_deployment(self, deployment: Deployment, *, look: bool = True) -> None:
        """``look``: decide anew about what it changes."""
        if deployment.id not in self.state.deployments:
            self.state.locks.update(dict.fromkeys(deployment.affected, deployment.id))
        self.state.deployments[deployment.id] = deployment
        if look:
            self.state.dirty |= deployment.affected
        self.effects.append(effects.SaveDeployment(deployment))

    def drop_deployment(self, deployment: Deployment) -> None:
        del self.state.deployments[deployment.id]
        self.state.finished.pop(deployment.id, None)
        self.state.dirty |= deployment.affected
        for spec_id in deployment.affected:
            self.state.waits.pop(spec_id, None)
            self.state.locks.pop(spec_id, None)
        self.effects.append(effects.DropDeployment(deployment.id))

    def save_failure(self, failure: TaskFailure) -> None:
        self.state.failures[failure.app_id] = failure
        self.effects.append(effects.SaveFailure(failure))

    def save_end(self, spec_id: str, ended: EndedInstance) -> None:
        known = self.state.histories.get(spec_id, History(app_id=spec_id)).ended
        history = History(app_id=spec_id, ended=(ended, *known)[:MAX_HISTORY])
        self.state.histories[spec_id] = history
        self.effects.append(effects.SaveHistory(history))

    def save_framework_id(self, framework_id: str) -> None:
        if self.state.framework_id != framework_id:
            self.state.framework_id = framework_id
            self.effects.append(effects.SaveFrameworkId(framework_id))


def _next_millisecond(version: str) -> str:
    return iso(seconds_of(version) + 0.001)
