"""Asking a directory (LDAP): whether a password is right, who there is, who is in a group. Blocking work runs beside the loop."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import ldap3
from ldap3.core.exceptions import (
    LDAPException,
    LDAPInvalidCredentialsResult,
    LDAPInvalidDnError,
    LDAPInvalidDNSyntaxResult,
    LDAPNoSuchObjectResult,
    LDAPSizeLimitExceededResult,
)

from dcos.iam.core.ldap import LdapConfig, group_filter, user_dn, user_filter

_TIMEOUT_S = 4
_THREADS = 8
T = TypeVar("T")


class DirectoryError(Exception):
    """The directory does not answer as it should; says why, without a password."""


@dataclass(frozen=True, slots=True)
class Entry:
    dn: str
    attributes: dict[str, list[str]]

    def first(self, name: str) -> str | None:
        found = next((values for key, values in self.attributes.items() if key.lower() == name.lower()), [])
        return found[0] if found else None


class Directory:
    """Close it at the end."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ldap")

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def authenticate(self, config: LdapConfig, username: str, password: str) -> bool:
        """Whether the directory knows somebody of that name with that password.   Errors: DirectoryError."""
        return await self._beside(lambda: _authenticate(config, username, password))

    async def person(self, config: LdapConfig, username: str) -> Entry | None:
        """Errors: DirectoryError."""
        return await self._beside(lambda: _person(config, username))

    async def members(self, config: LdapConfig, groupname: str) -> list[str] | None:
        """Login names of a group's members; None: there is no such group.   Errors: DirectoryError."""
        return await self._beside(lambda: _members(config, groupname))

    async def _beside(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (LDAPException, OSError) as error:
            raise DirectoryError(f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _bound(config: LdapConfig, dn: str | None, password: str | None) -> Iterator[Any]:
    """A connection as ``dn`` (None: nobody).   Errors: LDAPException."""
    tls = None
    if config.use_ldaps or config.enforce_starttls:
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=config.ca_certs)
    server = ldap3.Server(
        config.host,
        port=config.port,
        use_ssl=config.use_ldaps,
        tls=tls,
        get_info=ldap3.NONE,
        connect_timeout=_TIMEOUT_S,
    )
    connection = ldap3.Connection(
        server,
        user=dn,
        password=password,
        authentication=ldap3.SIMPLE if dn is not None else ldap3.ANONYMOUS,
        receive_timeout=_TIMEOUT_S,
        read_only=True,
        raise_exceptions=True,
        auto_referrals=False,
    )
    try:
        connection.open()
        if config.enforce_starttls:
            connection.start_tls()
        connection.bind()
        yield connection
    finally:
        with contextlib.suppress(LDAPException, OSError):
            connection.unbind()
        if connection.socket is not None:
            connection.socket.close()


def _authenticate(config: LdapConfig, username: str, password: str) -> bool:
    if not password:
        return False  # a bind without a password is nobody's, and always succeeds
    if config.user_search is not None:
        found = _person(config, username)
        if found is None:
            return False
        dn = found.dn
    else:
        assert config.dntemplate is not None
        dn = user_dn(config.dntemplate, username)
    try:
        with _bound(config, dn, password):
            return True
    except (LDAPInvalidCredentialsResult, LDAPInvalidDNSyntaxResult, LDAPInvalidDnError, LDAPNoSuchObjectResult):
        return False


def _person(config: LdapConfig, username: str) -> Entry | None:
    with _bound(config, config.lookup_dn, config.lookup_password) as connection:
        if config.user_search is not None:
            found = _search(
                connection, config.user_search.search_base, user_filter(config.user_search, username), ldap3.SUBTREE
            )
            return found[0] if len(found) == 1 else None
        assert config.dntemplate is not None
        found = _search(connection, user_dn(config.dntemplate, username), "(objectClass=*)", ldap3.BASE)
        return found[0] if found else None


def _members(config: LdapConfig, groupname: str) -> list[str] | None:
    assert config.group_search is not None
    with _bound(config, config.lookup_dn, config.lookup_password) as connection:
        wanted = group_filter(config.group_search, groupname)
        groups = _search(connection, config.group_search.search_base, wanted, ldap3.SUBTREE)
        if len(groups) != 1:
            return None
        names = []
        for attribute in config.group_search.member_attributes:
            values = next((v for k, v in groups[0].attributes.items() if k.lower() == attribute.lower()), [])
            for value in values:
                name = value if attribute.lower() == "memberuid" else _login_name(config, connection, value)
                if name is not None:
                    names.append(name)
        return sorted(set(names))


def _login_name(config: LdapConfig, connection: Any, dn: str) -> str | None:
    found = _search(connection, dn, "(objectClass=*)", ldap3.BASE)
    return found[0].first(config.login_attribute or "uid") if found else None


def _search(connection: Any, base: str, wanted: str, scope: Any) -> list[Entry]:
    try:
        connection.search(base, wanted, search_scope=scope, attributes=ldap3.ALL_ATTRIBUTES, size_limit=2)
    except (LDAPNoSuchObjectResult, LDAPSizeLimitExceededResult):
        return []  # nobody, or more than one who could be meant
    return [
        Entry(
            one["dn"], {key: [_text(value) for value in _several(values)] for key, values in one["attributes"].items()}
        )
        for one in connection.response or ()
        if one.get("type") == "searchResEntry"
    ]


def _several(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
