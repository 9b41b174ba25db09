"""May a restarted agent with changed flags keep its id?   Source: Mesos docs/agent-recovery.md, reconfiguration_policy."""

from __future__ import annotations

from dcos.model.resources import Resources
from dcos.model.v1.types import AgentInfo, Attribute


def difference(policy: str, before: AgentInfo, now: AgentInfo) -> str | None:
    """What forbids the change (words for a person); None if it is allowed."""
    if before.hostname != now.hostname:
        return f"hostname changed from {before.hostname!r} to {now.hostname!r}"
    if before.port != now.port:
        return f"port changed from {before.port} to {now.port}"
    if before.domain is not None and before.domain != now.domain:
        return "domain changed"
    old, new = Resources.of(before.resources), Resources.of(now.resources)
    if policy == "equal":
        if before.domain != now.domain:
            return "domain changed"
        if old != new:
            return f"resources changed from {old} to {new}"
        if _by_name(before.attributes) != _by_name(now.attributes):
            return "attributes changed"
        return None
    if not new.contains(old):
        return f"resources shrank from {old} to {new}"
    have = _by_name(now.attributes)
    for name, attribute in _by_name(before.attributes).items():
        if name not in have:
            return f"attribute {name!r} is gone"
        if not _covers(have[name], attribute):
            return f"attribute {name!r} changed"
    return None


def _by_name(attributes: tuple[Attribute, ...]) -> dict[str, Attribute]:
    return {one.name: one for one in attributes}


def _covers(new: Attribute, old: Attribute) -> bool:
    """Equal, or ranges that grew."""
    if new == old:
        return True
    if new.ranges is None or old.ranges is None:
        return False
    return all(
        any(wide.begin <= one.begin and one.end <= wide.end for wide in new.ranges.range) for one in old.ranges.range
    )
