"""Access control lists: may this principal do that?

An ACL names subjects (principals) and objects (roles, users, principals, paths; for some actions just all or nothing). Of
the ACLs of an action the first that matches both sides decides; where none matches, ``permissive`` does. A request without
principal, or about no object in particular, asks for ANY.

Source: Mesos 1.11 ``acls.proto`` and its local authorizer (the two matrices, ``role/%`` for everything below a role).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final


class Kind(StrEnum):
    SOME = "SOME"
    ANY = "ANY"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class Entity:
    """Whom or what; ``values`` count for SOME only."""

    kind: Kind = Kind.SOME
    values: frozenset[str] = frozenset()


ANY: Final = Entity(Kind.ANY)


@dataclass(frozen=True, slots=True)
class Acl:
    principals: Entity
    objects: Entity


@dataclass(frozen=True, slots=True)
class Section:
    """A list of the ACLs' JSON: its name, and how its objects are called."""

    name: str
    objects: str
    hierarchical: bool = False
    """Objects are roles: ``a/%`` means all below ``a``."""
    whole: bool = False
    """Objects are given implicitly: ANY or NONE only."""


class Action(Enum):
    """What can be allowed; the value is where its ACLs are."""

    REGISTER_FRAMEWORK = Section("register_frameworks", "roles", hierarchical=True)
    RUN_TASK = Section("run_tasks", "users")
    RESERVE_RESOURCES = Section("reserve_resources", "roles", hierarchical=True)
    UNRESERVE_RESOURCES = Section("unreserve_resources", "reserver_principals")
    CREATE_VOLUME = Section("create_volumes", "roles", hierarchical=True)
    DESTROY_VOLUME = Section("destroy_volumes", "creator_principals")
    RESIZE_VOLUME = Section("resize_volumes", "roles", hierarchical=True)
    CREATE_BLOCK_DISK = Section("create_block_disks", "roles", hierarchical=True)
    DESTROY_BLOCK_DISK = Section("destroy_block_disks", "roles", hierarchical=True)
    CREATE_MOUNT_DISK = Section("create_mount_disks", "roles", hierarchical=True)
    DESTROY_MOUNT_DISK = Section("destroy_mount_disks", "roles", hierarchical=True)
    DESTROY_RAW_DISK = Section("destroy_raw_disks", "roles", hierarchical=True)
    TEARDOWN_FRAMEWORK = Section("teardown_frameworks", "framework_principals")
    GET_QUOTA = Section("get_quotas", "roles", hierarchical=True)
    UPDATE_QUOTA = Section("update_quotas", "roles", hierarchical=True)
    VIEW_ROLE = Section("view_roles", "roles", hierarchical=True)
    UPDATE_WEIGHT = Section("update_weights", "roles", hierarchical=True)
    GET_ENDPOINT = Section("get_endpoints", "paths")
    VIEW_FRAMEWORK = Section("view_frameworks", "users")
    VIEW_TASK = Section("view_tasks", "users")
    VIEW_EXECUTOR = Section("view_executors", "users")
    VIEW_CONTAINER = Section("view_containers", "users")
    ACCESS_SANDBOX = Section("access_sandboxes", "users")
    ACCESS_MESOS_LOG = Section("access_mesos_logs", "logs", whole=True)
    VIEW_FLAGS = Section("view_flags", "flags", whole=True)
    SET_LOG_LEVEL = Section("set_log_level", "level", whole=True)
    LAUNCH_NESTED_CONTAINER_AS_USER = Section("launch_nested_containers_as_user", "users")
    LAUNCH_NESTED_CONTAINER_UNDER_PARENT = Section("launch_nested_containers_under_parent_with_user", "users")
    LAUNCH_SESSION_AS_USER = Section("launch_nested_container_sessions_as_user", "users")
    LAUNCH_SESSION_UNDER_PARENT = Section("launch_nested_container_sessions_under_parent_with_user", "users")
    ATTACH_CONTAINER_INPUT = Section("attach_containers_input", "users")
    ATTACH_CONTAINER_OUTPUT = Section("attach_containers_output", "users")
    KILL_NESTED_CONTAINER = Section("kill_nested_containers", "users")
    WAIT_NESTED_CONTAINER = Section("wait_nested_containers", "users")
    REMOVE_NESTED_CONTAINER = Section("remove_nested_containers", "users")
    LAUNCH_STANDALONE_CONTAINER = Section("launch_standalone_containers", "users", whole=True)
    KILL_STANDALONE_CONTAINER = Section("kill_standalone_containers", "users", whole=True)
    WAIT_STANDALONE_CONTAINER = Section("wait_standalone_containers", "users", whole=True)
    REMOVE_STANDALONE_CONTAINER = Section("remove_standalone_containers", "users", whole=True)
    VIEW_STANDALONE_CONTAINER = Section("view_standalone_containers", "users", whole=True)
    REGISTER_AGENT = Section("register_agents", "agents", whole=True)
    UPDATE_MAINTENANCE_SCHEDULE = Section("update_maintenance_schedules", "machines", whole=True)
    GET_MAINTENANCE_SCHEDULE = Section("get_maintenance_schedules", "machines", whole=True)
    START_MAINTENANCE = Section("start_maintenances", "machines", whole=True)
    STOP_MAINTENANCE = Section("stop_maintenances", "machines", whole=True)
    GET_MAINTENANCE_STATUS = Section("get_maintenance_statuses", "machines", whole=True)
    DRAIN_AGENT = Section("drain_agents", "agents", whole=True)
    DEACTIVATE_AGENT = Section("deactivate_agents", "agents", whole=True)
    REACTIVATE_AGENT = Section("reactivate_agents", "agents", whole=True)
    MARK_AGENT_GONE = Section("mark_agents_gone", "agents", whole=True)
    MODIFY_RESOURCE_PROVIDER_CONFIG = Section("modify_resource_provider_configs", "resource_providers", whole=True)
    MARK_RESOURCE_PROVIDER_GONE = Section("mark_resource_providers_gone", "resource_providers", whole=True)
    VIEW_RESOURCE_PROVIDER = Section("view_resource_providers", "resource_providers", whole=True)
    PRUNE_IMAGES = Section("prune_images", "images", whole=True)


AUTHORIZABLE_ENDPOINTS: Final = frozenset(
    {
        "/containerizer/debug",
        "/containers",
        "/files/debug",
        "/logging/toggle",
        "/metrics/snapshot",
        "/monitor/statistics",
    }
)
"""What ``get_endpoints`` may name."""


def _covers(request: Entity, acl: Entity) -> bool:
    return acl.kind is Kind.SOME and request.kind is Kind.SOME and request.values <= acl.values


def matches(request: Entity, acl: Entity) -> bool:
    """Whether the ACL has anything to say about the request."""
    match request.kind:
        case Kind.NONE:
            return acl.kind is Kind.NONE
        case Kind.ANY:
            return acl.kind is not Kind.SOME
        case Kind.SOME:
            return acl.kind is not Kind.SOME or _covers(request, acl)


def allows(request: Entity, acl: Entity) -> bool:
    """Whether the ACL, which matches, says yes."""
    match request.kind:
        case Kind.NONE:
            return acl.kind is Kind.NONE
        case Kind.ANY:
            return acl.kind is Kind.ANY
        case Kind.SOME:
            return acl.kind is Kind.ANY or _covers(request, acl)


def _below(pattern: str, role: Entity) -> bool:
    """``a/%`` and a role below ``a``."""
    return role.kind is Kind.SOME and all(one.startswith(pattern[:-1]) for one in role.values)


@dataclass(frozen=True, slots=True)
class Acls:
    """All ACLs of a process. Without any, everything is allowed."""

    permissive: bool = True
    acls: Mapping[Action, tuple[Acl, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    """Sections that no action has; they are ignored, which its writer wants to hear."""

    def allows(self, action: Action, principal: str | None, what: str | None = None, _: object = None) -> bool:
        """May ``principal`` (None: nobody known) do ``action`` to ``what`` (None: to anything)?"""
        who = ANY if principal is None else Entity(values=frozenset({principal}))
        wanted = ANY if what is None else Entity(values=frozenset({what}))
        for acl in self.acls.get(action, ()):
            for objects in _parts(acl.objects) if action.value.hierarchical else (acl.objects,):
                if isinstance(objects, str):
                    if _below(objects, wanted) and matches(who, acl.principals):
                        return allows(who, acl.principals)
                elif matches(who, acl.principals) and matches(wanted, objects):
                    return allows(who, acl.principals) and allows(wanted, objects)
        return self.permissive

    def decides(self, action: Action, _: str | None = None) -> bool:
        """Whether the answer can be no at all."""
        return not self.permissive or bool(self.acls.get(action))

    def missing(self, action: Action, principal: str | None, what: str | None = None, about: object = None) -> str:
        return ""

    def asker(self, named: str | None, _: str | None) -> str | None:
        return named

    def bare(self, _: str | None) -> bool:
        return self.permissive


EVERYTHING: Final = Acls()


def _parts(objects: Entity) -> tuple[Entity | str, ...]:
    """Roles taken apart: each ``x/%`` alone, then the plain ones together."""
    if objects.kind is not Kind.SOME:
        return (objects,)
    patterns = tuple(sorted(one for one in objects.values if one.endswith("/%")))
    plain = objects.values.difference(patterns)
    return (*patterns, Entity(values=plain)) if plain else patterns
