"""Groups and access lists in ZooKeeper, and the copy of them that answers questions.

    /groups/<gid>     {"version": 1, "group": {...}}
    /acls/<rid>       {"version": 1, "acl": {...}}; the id's slashes and percent signs are escaped
    /policy           empty; written along with every change of the above: its version is the version of all of it

Every master's bouncer watches ``/policy`` and reads all again when it changed. A change is one transaction over the nodes that it
touches, with the versions that it was decided on; if somebody else was faster it is decided again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

import msgspec

from dcos.iam import persist
from dcos.iam.core.errors import IamError, unknown_group, unknown_resource
from dcos.iam.core.policy import (
    SUPERUSERS,
    Acl,
    Group,
    Policy,
    forgotten,
    granted,
    refuse_superusers,
    with_member,
    without_member,
)
from dcos.model.permissions import FULL, SUPERUSER, Permission
from dcos.store.base import BadVersion, Create, Delete, NodeExists, NoNode, Operation, Set, Store

GROUPS = "/groups"
ACLS = "/acls"
REVISION = "/policy"
_TRIES = 10
_TOGETHER = 100
"""Operations in one transaction."""
T = TypeVar("T", Group, Acl)


class StoredGroup(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    group: Group


class StoredAcl(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    acl: Acl


def _group_node(gid: str) -> str:
    return f"{GROUPS}/{persist.node_name(gid)}"


def _acl_node(rid: str) -> str:
    return f"{ACLS}/{persist.node_name(quote(rid, safe=':@*'))}"


def _encoded(value: Group | Acl) -> tuple[str, bytes]:
    if isinstance(value, Group):
        return _group_node(value.gid), msgspec.json.encode(StoredGroup(version=persist.SCHEMA_VERSION, group=value))
    return _acl_node(value.rid), msgspec.json.encode(StoredAcl(version=persist.SCHEMA_VERSION, acl=value))


class PolicyStore:
    """One session's. ``policy`` is what was last read; ``prepare`` before anything else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._versions: dict[str, int] = {}
        self._reading = asyncio.Lock()
        self.policy = Policy()

    async def prepare(self, first: str | None) -> None:
        """Make what must be there; ``first``: who becomes superuser when there never was one.   Errors: StoreError."""
        for path in (GROUPS, ACLS, REVISION):
            with contextlib.suppress(NodeExists):
                await self._store.create(path, parents=True)
        members = (first,) if first is not None else ()
        group = Group(gid=SUPERUSERS, description="May do everything", members=members)
        acl = Acl(rid=SUPERUSER, description="Everything", groups={SUPERUSERS: (FULL,)})
        for value in (group, acl):
            with contextlib.suppress(NodeExists):
                await self._commit([Create(*_encoded(value))])
        await self.refresh()
        if first is not None and not self.group(SUPERUSERS).members:
            await self.make_superuser(first)

    async def follow(self) -> None:
        """Read again at every change of any master, for ever.   Errors: StoreError (SessionLost)."""
        async for _ in self._store.watch_node(REVISION):
            await self.refresh()

    async def refresh(self) -> None:
        async with self._reading:
            versions: dict[str, int] = {}
            groups: dict[str, Group] = {}
            acls: dict[str, Acl] = {}
            for path, node in await self._below(GROUPS):
                group = persist.decode(path, node[0], StoredGroup).group
                groups[group.gid], versions[path] = group, node[1]
            for path, node in await self._below(ACLS):
                acl = persist.decode(path, node[0], StoredAcl).acl
                acls[acl.rid], versions[path] = acl, node[1]
            self._versions = versions
            self.policy = Policy(dict(sorted(groups.items())), dict(sorted(acls.items())))

    async def _below(self, path: str) -> list[tuple[str, tuple[bytes, int]]]:
        paths = [f"{path}/{name}" for name in await self._store.children(path) or ()]
        found = await self._store.get_many(paths)
        return [(one, (node.data, node.version)) for one, node in zip(paths, found, strict=True) if node is not None]

    # ---- reads -------------------------------------------------------------------------------------------------------

    def group(self, gid: str) -> Group:
        """Errors: IamError."""
        found = self.policy.groups.get(gid)
        if found is None:
            raise unknown_group(gid)
        return found

    def acl(self, rid: str) -> Acl:
        """Errors: IamError."""
        found = self.policy.acls.get(rid)
        if found is None:
            raise unknown_resource(rid)
        return found

    # ---- changes -----------------------------------------------------------------------------------------------------

    async def add(self, value: Group | Acl) -> None:
        """Errors: IamError (it exists)."""
        try:
            await self._commit([Create(*_encoded(value))])
        except NodeExists:
            if isinstance(value, Group):
                raise IamError(409, f"Group with gid `{value.gid}` already exists.", "ERR_GROUP_EXISTS") from None
            raise IamError(409, f"ACL with resource ID `{value.rid}` already exists.", "ERR_ACL_EXISTS") from None
        await self.refresh()

    async def change_group(self, gid: str, change: Callable[[Group], Group]) -> None:
        """Errors: IamError, those of ``change`` included."""
        await self._decided(lambda: [self._set(change(self.group(gid)))])

    async def change_acl(self, rid: str, change: Callable[[Acl], Acl]) -> None:
        """Errors: IamError, those of ``change`` included."""
        await self._decided(lambda: [self._set(change(self.acl(rid)))])

    async def delete_group(self, gid: str) -> None:
        """With its permissions.   Errors: IamError."""
        if gid == SUPERUSERS:
            refuse_superusers()

        def decide() -> list[Operation]:
            self.group(gid)
            held = [acl for acl in self.policy.acls.values() if gid in acl.groups]
            path = _group_node(gid)
            return [*(self._set(forgotten(acl, "groups", gid)) for acl in held), Delete(path, self._versions[path])]

        await self._decided(decide)

    async def delete_acl(self, rid: str) -> None:
        """Errors: IamError."""
        if rid == SUPERUSER:
            refuse_superusers()

        def decide() -> list[Operation]:
            self.acl(rid)
            path = _acl_node(rid)
            return [Delete(path, self._versions[path])]

        await self._decided(decide)

    def check_may_go(self, uid: str) -> None:
        """Errors: IamError (the last superuser stays)."""
        superusers = self.policy.groups.get(SUPERUSERS)
        if superusers is not None and uid in superusers.members:
            without_member(superusers, uid)

    async def forget_user(self, uid: str) -> None:
        """Take memberships and permissions of an account that is deleted.   Errors: IamError (the last superuser)."""

        def decide() -> list[Operation]:
            held = [acl for acl in self.policy.acls.values() if uid in acl.users]
            return [
                *(self._set(without_member(group, uid)) for group in self.policy.groups_of(uid)),
                *(self._set(forgotten(acl, "users", uid)) for acl in held),
            ]

        await self._decided(decide)

    async def make_superuser(self, uid: str) -> None:
        if uid not in self.group(SUPERUSERS).members:
            await self.change_group(SUPERUSERS, lambda group: with_member(group, uid))

    async def ensure(self, uid: str, wanted: Permission) -> None:
        """Grant it unless it is; makes the access list."""
        if wanted.rid not in self.policy.acls:
            with contextlib.suppress(IamError):
                await self.add(Acl(rid=wanted.rid))
        if wanted.action not in self.acl(wanted.rid).users.get(uid, ()):
            await self.change_acl(wanted.rid, lambda acl: granted(acl, "users", uid, wanted.action))

    def _set(self, value: T) -> Set:
        path, data = _encoded(value)
        return Set(path, data, version=self._versions[path])

    async def _decided(self, decide: Callable[[], Sequence[Operation]]) -> None:
        """Decide on what is known and write it; again on what is known then if that was old."""
        for _ in range(_TRIES):
            await self.refresh()
            operations = decide()
            try:
                for start in range(0, len(operations), _TOGETHER):
                    await self._commit(operations[start : start + _TOGETHER])
            except (BadVersion, NoNode):
                continue
            if operations:
                await self.refresh()
            return
        raise IamError(503, "It is being changed by others.", "ERR_BUSY", {"Retry-After": "1"})

    async def _commit(self, operations: Sequence[Operation]) -> None:
        await self._store.transact([*operations, Set(REVISION, b"")])
