"""The directory (LDAP): its settings, a test of them, importing users and groups, and logging in with its passwords.

Who is in the directory and logs in for the first time gets an account without any permission.
Source: DC/OS IAM API (enterprise edition).
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dcos.iam import persist
from dcos.iam.core import ldap as rules
from dcos.iam.core.errors import IamError, invalid_data
from dcos.iam.core.ldap import LdapConfig
from dcos.iam.core.policy import Group, check_gid, with_member
from dcos.iam.core.users import User, check_uid, strings
from dcos.iam.identity import Identity
from dcos.iam.ldap import Directory, DirectoryError
from dcos.iam.provider_store import LDAP, Missing
from dcos.iam.requests import audit, done, json_object
from dcos.iam.requests import shown as answer
from dcos.runtime import log

_log = log.get_logger("dcos-bouncer")


class LdapApi:
    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._directory = Directory()

    def routes(self, prefix: str) -> list[web.RouteDef]:
        return [
            web.get(f"{prefix}/ldap/config", self.config),
            web.put(f"{prefix}/ldap/config", self.set_config),
            web.delete(f"{prefix}/ldap/config", self.delete_config),
            web.post(f"{prefix}/ldap/config/test", self.test),
            web.post(f"{prefix}/ldap/importuser", self.import_user),
            web.post(f"{prefix}/ldap/importgroup", self.import_group),
        ]

    async def _configured(self) -> LdapConfig | None:
        return await self._identity.providers.get(LDAP, LdapConfig)

    async def _needed(self) -> LdapConfig:
        """Errors: IamError."""
        found = await self._configured()
        if found is None:
            raise rules.not_configured()
        return found

    async def shown(self) -> dict[str, Any]:
        """Rows of ``/auth/providers``."""
        if await self._configured() is None:
            return {}
        return {
            "dcos-ldap": {
                "authentication-type": "dcos-uid-password-ldap",
                "description": "Directory (LDAP)",
                "client-method": "dcos-credential-post-receive-authtoken",
                "config": {"start_flow_url": "/acs/api/v1/auth/login"},
            }
        }

    # ---- settings ----------------------------------------------------------------------------------------------------

    async def config(self, _: web.Request) -> web.Response:
        """Without the lookup password."""
        return answer(rules.shown(await self._needed()))

    async def set_config(self, request: web.Request) -> web.Response:
        await self._identity.providers.put(LDAP, rules.config_of(await json_object(request)))
        return done(request, 200, "ldap-config-set", "-")

    async def delete_config(self, request: web.Request) -> web.Response:
        try:
            await self._identity.providers.delete(LDAP)
        except Missing:
            raise rules.not_configured() from None
        return done(request, 204, "ldap-config-delete", "-")

    async def test(self, request: web.Request) -> web.Response:
        body = strings(await json_object(request), frozenset({"uid", "password"}))
        if not body.get("uid") or not body.get("password"):
            raise invalid_data("uid and password must be given.")
        config = await self._needed()
        try:
            if config.user_search is not None and await self._directory.person(config, body["uid"]) is None:
                return _tested("USER_NOT_FOUND", f"The search found no single entry for `{body['uid']}`.")
            if not await self._directory.authenticate(config, body["uid"], body["password"]):
                return _tested("INVALID_CREDENTIALS", "The directory did not take the credentials.")
        except DirectoryError as error:
            return _tested("CONNECTION_FAILED", str(error))
        return answer({"code": "TEST_PASSED", "description": "The directory took the credentials."})

    # ---- import ------------------------------------------------------------------------------------------------------

    async def import_user(self, request: web.Request) -> web.Response:
        body = strings(await json_object(request), frozenset({"username"}))
        uid = check_uid(body.get("username", ""))
        config = await self._needed()
        try:
            found = await self._directory.person(config, uid)
        except DirectoryError as error:
            raise _search_failed(error) from error
        if found is None:
            raise IamError(400, f"The directory has no user `{uid}`.", "ERR_LDAP_IMPORT_USER_NOT_FOUND")
        await persist.add_user(self._identity.store, _user(uid, found.first("cn")))
        return done(request, 201, "ldap-import-user", uid)

    async def import_group(self, request: web.Request) -> web.Response:
        body = strings(await json_object(request), frozenset({"groupname"}))
        gid = check_gid(body.get("groupname", ""))
        config = await self._needed()
        if config.group_search is None:
            raise invalid_data("The LDAP configuration has no group-search.")
        try:
            members = await self._directory.members(config, gid)
        except DirectoryError as error:
            raise _search_failed(error) from error
        if members is None:
            raise IamError(400, f"The directory has no group `{gid}`.", "ERR_LDAP_IMPORT_GROUP_NOT_FOUND")
        policy = self._identity.known_policy
        if gid not in policy.policy.groups:
            await policy.add(Group(gid=gid, description=gid, provider_type="ldap"))
        for uid in members:
            if not await self._is_account(uid):
                continue
            if uid not in policy.group(gid).members:
                await policy.change_group(gid, lambda group, uid=uid: with_member(group, uid))  # type: ignore[misc]
        return done(request, 201, "ldap-import-group", gid)

    async def _is_account(self, uid: str) -> bool:
        """Makes it where there is none; one of another kind stays out of the directory's groups."""
        try:
            check_uid(uid)
        except IamError:
            _log.warning("ldap_member_cannot_be_a_uid", uid=uid)
            return False
        user = await persist.user(self._identity.store, uid)
        if user is None:
            user = _user(uid, None)
            await persist.add_user(self._identity.store, user)
        return user.provider_type == "ldap"

    # ---- login -------------------------------------------------------------------------------------------------------

    async def by_password(self, user: User | None, uid: str, password: str) -> User | None:
        """The account, if the directory takes the password; made if there is none yet."""
        config = await self._configured()
        if config is None:
            return None
        try:
            check_uid(uid)
            if not await self._directory.authenticate(config, uid, password):
                return None
        except IamError:
            return None
        except DirectoryError as error:
            _log.warning("ldap_trouble", why=str(error))
            return None
        if user is None:
            user = _user(uid, None)
            await persist.add_user(self._identity.store, user)
            audit("user-import", uid, "-", "allow", "first login", what="ldap")
        return user


def _user(uid: str, name: str | None) -> User:
    return User(uid=uid, description=name or uid, provider_type="ldap")


def _tested(code: str, text: str) -> web.Response:
    return answer({"code": code, "description": text}, status=502)


def _search_failed(error: DirectoryError) -> IamError:
    return IamError(400, f"The search failed: {error}", "ERR_LDAP_IMPORT_SEARCH_FAILED")
