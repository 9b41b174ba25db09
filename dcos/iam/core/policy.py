"""Groups and access lists: who is in what, and what each may do. Frozen; every change makes a new value.

An access list (ACL) is a permission id with the actions that accounts and groups have on it. The group ``superusers`` has
``full`` on ``dcos:superuser``, always, and never loses its last member.   Source: DC/OS IAM API, groups and ACLs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import msgspec

from dcos.iam.core.errors import IamError, invalid_data
from dcos.model.permissions import ACTIONS, FULL, SUPERUSER, Grants

GROUPS_URL = "/acs/api/v1/groups/"
ACLS_URL = "/acs/api/v1/acls/"
SUPERUSERS = "superusers"
GROUP_PROVIDERS = ("internal", "ldap")
_GID = re.compile(r"[a-zA-Z0-9\-_@.]+")
_GID_MAX = 96
_RID = re.compile(r"[!-~]+")
_RID_MAX = 1024


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``members``: uids, sorted."""

    gid: str
    description: str = ""
    provider_type: str = "internal"
    members: tuple[str, ...] = ()


class Acl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``users`` and ``groups``: actions by uid and gid, none of them empty."""

    rid: str
    description: str = ""
    users: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    groups: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    def of(self, kind: str) -> dict[str, tuple[str, ...]]:
        return self.users if kind == "users" else self.groups


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it, as it was at one moment."""

    groups: Mapping[str, Group] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)

    def groups_of(self, uid: str) -> Iterator[Group]:
        return (group for group in self.groups.values() if uid in group.members)

    def grants(self, uid: str) -> Grants:
        """What ``uid`` may do, groups included."""
        gids = [group.gid for group in self.groups_of(uid)]
        found: dict[str, frozenset[str]] = {}
        for acl in self.acls.values():
            actions = {*acl.users.get(uid, ()), *(one for gid in gids for one in acl.groups.get(gid, ()))}
            if actions:
                found[acl.rid] = frozenset(actions)
        return Grants(found)


# ---- what a request says ---------------------------------------------------------------------------------------------


def check_gid(gid: str) -> str:
    """Errors: IamError."""
    if len(gid) > _GID_MAX or not _GID.fullmatch(gid):
        raise IamError(400, f"Invalid group ID: must match {_GID.pattern}, at most {_GID_MAX}", "ERR_INVALID_GROUP_ID")
    return gid


def check_rid(rid: str) -> str:
    """Errors: IamError."""
    if len(rid) > _RID_MAX or not _RID.fullmatch(rid):
        text = f"Invalid resource ID: printable characters without spaces, at most {_RID_MAX}"
        raise IamError(400, text, "ERR_INVALID_RESOURCE_ID")
    return rid


def check_action(action: str) -> str:
    """Errors: IamError."""
    if action not in ACTIONS:
        raise IamError(400, f"Invalid action: must be one of {', '.join(ACTIONS)}", "ERR_INVALID_ACTION")
    return action


def new_group(gid: str, body: Mapping[str, str]) -> Group:
    """``body`` as ``described`` passed it.   Errors: IamError."""
    provider = body.get("provider_type", "internal")
    if provider not in GROUP_PROVIDERS:
        raise invalid_data(f"provider_type must be one of {', '.join(GROUP_PROVIDERS)}.")
    return Group(gid=gid, description=body["description"], provider_type=provider)


# ---- changes ---------------------------------------------------------------------------------------------------------


def with_member(group: Group, uid: str) -> Group:
    """Errors: IamError (it is one)."""
    if uid in group.members:
        raise IamError(409, f"User `{uid}` already is a member of group `{group.gid}`.", "ERR_USER_ALREADY_IN_GROUP")
    return msgspec.structs.replace(group, members=tuple(sorted((*group.members, uid))))


def without_member(group: Group, uid: str) -> Group:
    """Errors: IamError (it is none, or the last superuser)."""
    if uid not in group.members:
        raise IamError(400, f"User `{uid}` is not a member of group `{group.gid}`.", "ERR_USER_NOT_IN_GROUP")
    if group.gid == SUPERUSERS and group.members == (uid,):
        raise IamError(400, f"User `{uid}` is the last member of `{SUPERUSERS}`.", "ERR_NO_MORE_SUPERUSERS")
    return msgspec.structs.replace(group, members=tuple(one for one in group.members if one != uid))


def granted(acl: Acl, kind: str, who: str, action: str) -> Acl:
    """Errors: IamError (it was before)."""
    had = acl.of(kind).get(who, ())
    if action in had:
        text = f"`{who}` already has action `{action}` on `{acl.rid}`."
        raise IamError(409, text, "ERR_ACTION_ALREADY_STORED")
    return _with(acl, kind, {**acl.of(kind), who: tuple(one for one in ACTIONS if one in (*had, action))})


def revoked(acl: Acl, kind: str, who: str, action: str | None) -> Acl:
    """Without ``action`` (None: all actions) of ``who``.   Errors: IamError."""
    had = acl.of(kind).get(who)
    one = "User" if kind == "users" else "Group"
    if had is None:
        raise IamError(400, f"{one} `{who}` has no permission on `{acl.rid}`.", f"ERR_{one.upper()}_NOT_IN_ACL")
    if action is not None and action not in had:
        raise IamError(400, f"{one} `{who}` has no action `{action}` on `{acl.rid}`.", "ERR_ACTION_NOT_YET_STORED")
    if (acl.rid, kind, who) == (SUPERUSER, "groups", SUPERUSERS) and action in (None, FULL):
        refuse_superusers()
    left = () if action is None else tuple(name for name in had if name != action)
    rest = {name: actions for name, actions in acl.of(kind).items() if name != who}
    return _with(acl, kind, {**rest, who: left} if left else rest)


def refuse_superusers() -> None:
    """Errors: IamError, always."""
    text = f"The group `{SUPERUSERS}` always has `{FULL}` on `{SUPERUSER}`."
    raise IamError(400, text, "ERR_IS_SUPERUSER_GROUP")


def forgotten(acl: Acl, kind: str, who: str) -> Acl:
    """Without ``who``, that is being deleted."""
    return _with(acl, kind, {name: actions for name, actions in acl.of(kind).items() if name != who})


def _with(acl: Acl, kind: str, holders: dict[str, tuple[str, ...]]) -> Acl:
    if kind == "users":
        return msgspec.structs.replace(acl, users=holders)
    return msgspec.structs.replace(acl, groups=holders)


# ---- shown -----------------------------------------------------------------------------------------------------------


def group_url(gid: str) -> str:
    return GROUPS_URL + gid


def acl_url(rid: str) -> str:
    """Slashes twice escaped, as clients send them."""
    return ACLS_URL + quote(rid, safe=":").replace("%2F", "%252F")


def shown_group(group: Group) -> dict[str, Any]:
    return {
        "gid": group.gid,
        "url": group_url(group.gid),
        "description": group.description,
        "provider_type": group.provider_type,
    }


def shown_acl(acl: Acl) -> dict[str, Any]:
    return {"rid": acl.rid, "url": acl_url(acl.rid), "description": acl.description}


def shown_actions(acl: Acl, kind: str, who: str) -> list[dict[str, str]]:
    base = f"{acl_url(acl.rid)}/{kind}/{who}"
    return [{"name": name, "url": f"{base}/{name}"} for name in acl.of(kind).get(who, ())]
