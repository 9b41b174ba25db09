"""Groups, memberships, access lists and permissions below ``/acs/api/v1``.   Source: DC/OS IAM API (enterprise edition)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from dcos.iam import persist
from dcos.iam.core import policy as rules
from dcos.iam.core.errors import IamError, invalid_data, unknown_user
from dcos.iam.core.policy import Acl
from dcos.iam.core.users import USERS_URL, User, check_uid, shown, strings
from dcos.iam.policy_store import PolicyStore
from dcos.iam.requests import done, json_object
from dcos.iam.requests import shown as answer
from dcos.model.permissions import Permission
from dcos.store.base import Store

_FRESH = {"Cache-Control": "private, max-age=5"}


class PolicyApi:
    """One method per endpoint. ``policy`` and ``store`` raise Disconnected while there is no session."""

    def __init__(self, policy: Callable[[], PolicyStore], store: Callable[[], Store]) -> None:
        self._policy = policy
        self._store = store

    def routes(self, prefix: str) -> list[web.RouteDef]:
        member = f"{prefix}/groups/{{gid}}/users/{{uid}}"
        acl = f"{prefix}/acls/{{rid}}"
        held = acl + "/{kind:users|groups}/{who}"
        return [
            web.get(f"{prefix}/users/{{uid}}/groups", self.groups_of_user),
            web.get(f"{prefix}/users/{{uid}}/permissions", self.permissions_of_user),
            web.get(f"{prefix}/groups", self.groups),
            web.get(f"{prefix}/groups/", self.groups),
            web.get(f"{prefix}/groups/{{gid}}", self.group),
            web.put(f"{prefix}/groups/{{gid}}", self.add_group),
            web.patch(f"{prefix}/groups/{{gid}}", self.change_group),
            web.delete(f"{prefix}/groups/{{gid}}", self.delete_group),
            web.get(f"{prefix}/groups/{{gid}}/users", self.members),
            web.get(f"{prefix}/groups/{{gid}}/permissions", self.permissions_of_group),
            web.put(member, self.add_member),
            web.delete(member, self.delete_member),
            web.get(f"{prefix}/acls", self.acls),
            web.get(f"{prefix}/acls/", self.acls),
            web.get(acl, self.acl),
            web.put(acl, self.add_acl),
            web.patch(acl, self.change_acl),
            web.delete(acl, self.delete_acl),
            web.get(f"{acl}/permissions", self.permissions_of_acl),
            web.get(held, self.actions),
            web.delete(held, self.revoke_all),
            web.get(held + "/{action}", self.allowed),
            web.put(held + "/{action}", self.grant),
            web.delete(held + "/{action}", self.revoke),
            web.get(f"{prefix}/internal/policyquery", self.query),
        ]

    # ---- of users ----------------------------------------------------------------------------------------------------

    async def _known(self, uid: str) -> User:
        user = await persist.user(self._store(), check_uid(uid))
        if user is None:
            raise unknown_user(uid)
        return user

    async def groups_of_user(self, request: web.Request) -> web.Response:
        uid = (await self._known(_part(request, "uid"))).uid
        shown_groups = [
            {"membershipurl": _membership(group.gid, uid), "group": rules.shown_group(group)}
            for group in self._policy().policy.groups_of(uid)
        ]
        return answer({"array": shown_groups})

    async def permissions_of_user(self, request: web.Request) -> web.Response:
        uid = (await self._known(_part(request, "uid"))).uid
        policy = self._policy().policy
        direct = [_held(acl, "users", uid) for acl in policy.acls.values() if uid in acl.users]
        by_group = [
            _held(acl, "groups", group.gid) | {"gid": group.gid, "membershipurl": _membership(group.gid, uid)}
            for group in policy.groups_of(uid)
            for acl in policy.acls.values()
            if group.gid in acl.groups
        ]
        return answer({"direct": direct, "groups": by_group}, headers=_FRESH)

    async def query(self, request: web.Request) -> web.Response:
        """Whether somebody may do something; an account that is unknown may do nothing."""
        missing = [name for name in ("rid", "uid", "action") if not request.query.get(name)]
        if missing:
            raise IamError(400, f"Missing query parameters: {', '.join(missing)}.", "ERR_MISSING_QUERY_PARAMETERS")
        wanted = Permission(rules.check_rid(request.query["rid"]), rules.check_action(request.query["action"]))
        uid = request.query["uid"]
        return answer({"allowed": self._policy().policy.grants(uid).allow(wanted)})

    # ---- groups ------------------------------------------------------------------------------------------------------

    async def groups(self, _: web.Request) -> web.Response:
        return answer({"array": [rules.shown_group(group) for group in self._policy().policy.groups.values()]})

    async def group(self, request: web.Request) -> web.Response:
        return answer(rules.shown_group(self._policy().group(_gid(request))))

    async def add_group(self, request: web.Request) -> web.Response:
        body = strings(await json_object(request), frozenset({"description", "provider_type"}))
        made = rules.new_group(_gid(request), _described(body))
        await self._policy().add(made)
        return done(request, 201, "group-add", made.gid)

    async def change_group(self, request: web.Request) -> web.Response:
        text = _described(strings(await json_object(request), frozenset({"description"})))["description"]
        gid = _gid(request)
        await self._policy().change_group(gid, lambda group: msgspec.structs.replace(group, description=text))
        return done(request, 204, "group-change", gid)

    async def delete_group(self, request: web.Request) -> web.Response:
        gid = _gid(request)
        await self._policy().delete_group(gid)
        return done(request, 204, "group-delete", gid)

    async def members(self, request: web.Request) -> web.Response:
        kind = request.query.get("type")
        if kind not in (None, "service"):
            raise IamError(400, "The query parameter type must be `service`.")
        group = self._policy().group(_gid(request))
        store = self._store()
        found = await asyncio.gather(*(persist.user(store, uid) for uid in group.members))
        users = [user for user in found if user is not None and user.is_service == (kind == "service")]
        return answer(
            {"array": [{"membershipurl": _membership(group.gid, user.uid), "user": shown(user)} for user in users]}
        )

    async def add_member(self, request: web.Request) -> web.Response:
        gid, uid = _gid(request), (await self._known(_part(request, "uid"))).uid
        await self._policy().change_group(gid, lambda group: rules.with_member(group, uid))
        return done(request, 204, "member-add", f"{gid}/{uid}")

    async def delete_member(self, request: web.Request) -> web.Response:
        gid, uid = _gid(request), check_uid(_part(request, "uid"))
        await self._policy().change_group(gid, lambda group: rules.without_member(group, uid))
        return done(request, 204, "member-delete", f"{gid}/{uid}")

    async def permissions_of_group(self, request: web.Request) -> web.Response:
        policy = self._policy()
        gid = policy.group(_gid(request)).gid
        return answer(
            {"array": [_held(acl, "groups", gid) for acl in policy.policy.acls.values() if gid in acl.groups]}
        )

    # ---- access lists ------------------------------------------------------------------------------------------------

    async def acls(self, _: web.Request) -> web.Response:
        return answer({"array": [rules.shown_acl(acl) for acl in self._policy().policy.acls.values()]})

    async def acl(self, request: web.Request) -> web.Response:
        return answer(rules.shown_acl(self._policy().acl(_rid(request))))

    async def add_acl(self, request: web.Request) -> web.Response:
        body = _described(strings(await json_object(request), frozenset({"description"})))
        made = Acl(rid=_rid(request), description=body["description"])
        await self._policy().add(made)
        return done(request, 201, "acl-add", made.rid)

    async def change_acl(self, request: web.Request) -> web.Response:
        text = _described(strings(await json_object(request), frozenset({"description"})))["description"]
        rid = _rid(request)
        await self._policy().change_acl(rid, lambda acl: msgspec.structs.replace(acl, description=text))
        return done(request, 204, "acl-change", rid)

    async def delete_acl(self, request: web.Request) -> web.Response:
        rid = _rid(request)
        await self._policy().delete_acl(rid)
        return done(request, 204, "acl-delete", rid)

    async def permissions_of_acl(self, request: web.Request) -> web.Response:
        acl = self._policy().acl(_rid(request))
        return answer(
            {
                "users": [
                    {"uid": uid, "userurl": USERS_URL + uid, "actions": rules.shown_actions(acl, "users", uid)}
                    for uid in acl.users
                ],
                "groups": [
                    {"gid": gid, "groupurl": rules.group_url(gid), "actions": rules.shown_actions(acl, "groups", gid)}
                    for gid in acl.groups
                ],
            }
        )

    async def actions(self, request: web.Request) -> web.Response:
        kind, who = await self._holder(request)
        acl = self._policy().acl(_rid(request))
        return answer({"array": rules.shown_actions(acl, kind, who)})

    async def allowed(self, request: web.Request) -> web.Response:
        """A user's groups count."""
        kind, who = await self._holder(request)
        policy, rid = self._policy(), _rid(request)
        wanted = Permission(policy.acl(rid).rid, rules.check_action(_part(request, "action")))
        if kind == "users":
            return answer({"allowed": policy.policy.grants(who).allow(wanted)})
        actions = policy.acl(rid).groups.get(who, ())
        return answer({"allowed": wanted.action in actions or "full" in actions})

    async def grant(self, request: web.Request) -> web.Response:
        kind, who = await self._holder(request)
        rid, action = _rid(request), rules.check_action(_part(request, "action"))
        await self._policy().change_acl(rid, lambda acl: rules.granted(acl, kind, who, action))
        return done(request, 204, "grant", f"{rid} {action} {kind}/{who}")

    async def revoke(self, request: web.Request) -> web.Response:
        return await self._revoke(request, rules.check_action(_part(request, "action")))

    async def revoke_all(self, request: web.Request) -> web.Response:
        return await self._revoke(request, None)

    async def _revoke(self, request: web.Request, action: str | None) -> web.Response:
        kind, who = await self._holder(request)
        rid = _rid(request)
        await self._policy().change_acl(rid, lambda acl: rules.revoked(acl, kind, who, action))
        return done(request, 204, "revoke", f"{rid} {action or 'all'} {kind}/{who}")

    async def _holder(self, request: web.Request) -> tuple[str, str]:
        """``users`` or ``groups``, and whose; it exists.   Errors: IamError."""
        kind, who = _part(request, "kind"), _part(request, "who")
        if kind == "users":
            return kind, (await self._known(who)).uid
        return kind, self._policy().group(rules.check_gid(who)).gid


def _part(request: web.Request, name: str) -> str:
    return unquote(request.match_info[name])


def _gid(request: web.Request) -> str:
    return rules.check_gid(_part(request, "gid"))


def _rid(request: web.Request) -> str:
    """Slashes come as ``%252F``; the router unescapes once."""
    return rules.check_rid(_part(request, "rid"))


def _described(body: dict[str, str]) -> dict[str, str]:
    if "description" not in body:
        raise invalid_data("A description must be given.")
    return body


def _membership(gid: str, uid: str) -> str:
    return f"{rules.group_url(gid)}/users/{uid}"


def _held(acl: Acl, kind: str, who: str) -> dict[str, Any]:
    return {
        "rid": acl.rid,
        "description": acl.description,
        "aclurl": rules.acl_url(acl.rid),
        "actions": rules.shown_actions(acl, kind, who),
    }
