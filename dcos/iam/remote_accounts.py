"""Accounts of people for whom an outside provider vouches: made at the first login, never taken over from another kind."""

from __future__ import annotations

from collections.abc import Collection

from dcos.iam import persist
from dcos.iam.core.errors import IamError
from dcos.iam.core.users import User, check_uid
from dcos.iam.identity import Identity
from dcos.iam.requests import audit


class NoAccount(Exception):
    """The provider's word does not open an account; says why, for the log."""


async def remote_account(
    identity: Identity, uid: str, description: str, *, kind: str, name: str, also: Collection[str] = (), create: bool
) -> User:
    """The account of ``uid`` at the provider ``name`` of that kind (``also``: other ids under which it is known).

    Errors: NoAccount.
    """
    try:
        check_uid(uid)
    except IamError as error:
        raise NoAccount(f"what the provider says cannot be a uid: {error.text}") from error
    user = await persist.user(identity.store, uid)
    if user is None and create:
        user = User(uid=uid, description=description, provider_type=kind, provider_id=name)
        await persist.add_user(identity.store, user)
        audit("user-import", uid, "-", "allow", "first login", what=name)
    if user is None or user.provider_type != kind or user.provider_id not in {name, *also}:
        raise NoAccount(f"{uid} is no account of this provider")
    return user
