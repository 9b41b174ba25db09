"""What happens to operations on the agent's resources, and what they want done."""

from __future__ import annotations

from dataclasses import dataclass

from dcos.model.v1.types import OfferOperation, Operation, Resource

# ---- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperationAsked:
    """By the master, perhaps again."""

    uuid: bytes
    operation: OfferOperation
    framework_id: str | None
    now: float


@dataclass(frozen=True, slots=True)
class VolumesChanged:
    """``ChangeVolumes`` is done, or failed with ``error``."""

    uuid: bytes
    error: str | None
    now: float


@dataclass(frozen=True, slots=True)
class OperationAcknowledged:
    uuid: bytes
    status_uuid: bytes


# ---- effects ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SaveResources:
    """Everything that differs from the flags, and every operation whose end is not acknowledged: in one write."""

    resources: tuple[Resource, ...]
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class ChangeVolumes:
    """Make and destroy volumes on disk; both may have been done already."""

    uuid: bytes
    made: tuple[Resource, ...]
    destroyed: tuple[Resource, ...]


@dataclass(frozen=True, slots=True)
class LinkVolumes:
    """A running container (of a custom executor) now holds ``resources``: its sandbox shows their volumes, no others."""

    container_id: str
    resources: tuple[Resource, ...]
