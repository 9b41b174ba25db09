"""Accounts, groups, permissions and secrets, as the identity service and the secret store have them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from dcos.client.adminrouter.failures import Refused
from dcos.client.adminrouter.transport import BYTES, Transport

_IAM: Final = "/acs/api/v1"
_SECRETS: Final = "/secrets/v1"
_MADE_BY: Final = "Created with the security CLI"


class Security:
    """All of it at one front door. Errors of all: Refused and its kin."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    # ---- accounts and groups -----------------------------------------------------------------------------------------

    def accounts(self, *, service: bool) -> list[dict[str, Any]]:
        query = {"type": "service"} if service else None
        return _array(self._transport.get(f"{_IAM}/users", query=query))

    def account(self, uid: str) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.get(_account(uid))
        return found

    def permissions(self, uid: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = self._transport.get(f"{_account(uid)}/permissions")
        return found

    def add_account(self, uid: str, body: dict[str, str]) -> None:
        self._transport.send("PUT", _account(uid), body)

    def delete_account(self, uid: str) -> None:
        self._transport.send("DELETE", _account(uid))

    def groups(self) -> list[dict[str, Any]]:
        return _array(self._transport.get(f"{_IAM}/groups"))

    def group(self, gid: str) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.get(_group(gid))
        return found

    def add_group(self, gid: str, description: str) -> None:
        self._transport.send("PUT", _group(gid), {"description": description})

    def delete_group(self, gid: str) -> None:
        self._transport.send("DELETE", _group(gid))

    def members(self, gid: str) -> list[dict[str, Any]]:
        """Users and service accounts."""
        found = []
        for query in (None, {"type": "service"}):
            found += [row["user"] for row in _array(self._transport.get(f"{_group(gid)}/users", query=query))]
        return found

    def add_member(self, gid: str, uid: str) -> None:
        self._transport.send("PUT", f"{_group(gid)}/users/{quote(uid, safe='')}")

    def delete_member(self, gid: str, uid: str) -> None:
        self._transport.send("DELETE", f"{_group(gid)}/users/{quote(uid, safe='')}")

    # ---- permissions -------------------------------------------------------------------------------------------------

    def grant(self, kind: str, who: str, rid: str, action: str, description: str | None) -> None:
        """``kind``: users or groups. Makes the access list if there is none."""
        try:
            self._transport.send("PUT", _acl(rid), {"description": description or _MADE_BY})
        except Refused as error:
            if error.status != 409:
                raise
        self._transport.send("PUT", f"{_acl(rid)}/{kind}/{quote(who, safe='')}/{quote(action, safe='')}")

    def holders(self, rid: str) -> dict[str, list[dict[str, Any]]]:
        """``users`` and ``groups`` that have something on the resource, each with its ``actions``."""
        found: dict[str, list[dict[str, Any]]] = self._transport.get(f"{_acl(rid)}/permissions")
        return found

    def revoke(self, kind: str, who: str, rid: str, action: str) -> None:
        self._transport.send("DELETE", f"{_acl(rid)}/{kind}/{quote(who, safe='')}/{quote(action, safe='')}")

    # ---- secrets -----------------------------------------------------------------------------------------------------

    def secret(self, store: str, path: str) -> bytes:
        return self._transport.request("GET", _secret(store, path), headers={"Accept": BYTES}).body

    def secrets(self, store: str, path: str) -> list[str]:
        return list(map(str, _array(self._transport.get(_secret(store, path), query={"list": "true"}))))

    def add_secret(self, store: str, path: str, value: str | bytes) -> None:
        self._transport.send("PUT", _secret(store, path), _body(value))

    def change_secret(self, store: str, path: str, value: str | bytes) -> None:
        self._transport.send("PATCH", _secret(store, path), _body(value))

    def delete_secret(self, store: str, path: str) -> None:
        self._transport.send("DELETE", _secret(store, path))

    def stores(self) -> list[dict[str, Any]]:
        return _array(self._transport.get(f"{_SECRETS}/store"))


def _array(said: Any) -> list[Any]:
    found = said.get("array") if isinstance(said, dict) else None
    return found if isinstance(found, list) else []


def _account(uid: str) -> str:
    return f"{_IAM}/users/{quote(uid, safe='@')}"


def _group(gid: str) -> str:
    return f"{_IAM}/groups/{quote(gid, safe='@')}"


def _acl(rid: str) -> str:
    """Slashes are escaped twice."""
    return f"{_IAM}/acls/{quote(rid.replace('/', '%2F'), safe=':')}"


def _secret(store: str, path: str) -> str:
    return f"{_SECRETS}/secret/{quote(store, safe='')}/{quote(path.strip('/'), safe='/')}"


def _body(value: str | bytes) -> dict[str, str] | bytes:
    return value if isinstance(value, bytes) else {"value": value}
