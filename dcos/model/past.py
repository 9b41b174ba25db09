"""What Marathon remembers of earlier roots. Each change is one stored document."""

from __future__ import annotations

import msgspec

from dcos.model.marathon import App
from dcos.model.marathon_state import Group, Record
from dcos.model.pods import Pod


class RootChange(Record, frozen=True):
    """What one change of apps, pods and groups replaced."""

    version: str
    """Of the root that it made."""
    before: str = ""
    """Of the root that it changed."""
    originals: dict[str, str | None] = msgspec.field(default_factory=dict)
    """The version that each touched app or pod had; None: there was none."""
    apps: tuple[App, ...] = ()
    pods: tuple[Pod, ...] = ()
    """Definitions that were removed."""
    groups: tuple[Group, ...] = ()
    """Groups that were changed or removed, as they were."""
    created_groups: tuple[str, ...] = ()
    can_be_undone: bool = True
    """False: an earlier Marathon did not keep what it removed."""
