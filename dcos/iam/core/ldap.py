"""A directory (LDAP) as a source of users: its settings, and the names and filters made from them.

Templates hold ``%(username)s`` or ``%(groupname)s``; what is put there is escaped, so that a name never changes what is searched.
Source: DC/OS IAM API, directory back-end; RFC 4514 and 4515 for escapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from dcos.iam.core.errors import IamError

USERNAME, GROUPNAME = "%(username)s", "%(groupname)s"
DEFAULT_MEMBERS = ("member", "uniqueMember", "memberUid")
_ATTRIBUTE = re.compile(r"\(([a-zA-Z][a-zA-Z0-9\-]*)=%\(username\)s\)")
_IN_FILTER = re.compile(r"[\\*()\x00/]")
_IN_NAME = re.compile(r'[,\\#+<>;"=/]')


class Search(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    search_base: str
    search_filter_template: str


class GroupSearch(Search, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True):
    member_attributes: tuple[str, ...] = DEFAULT_MEMBERS


class LdapConfig(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab", omit_defaults=True
):
    host: str
    port: int
    enforce_starttls: bool
    use_ldaps: bool
    dntemplate: str | None = None
    lookup_dn: str | None = None
    lookup_password: str | None = None
    user_search: Search | None = None
    group_search: GroupSearch | None = None
    ca_certs: str | None = None
    client_cert: str | None = None

    @property
    def login_attribute(self) -> str | None:
        """Whose value people log in with, as the filter of the user search says."""
        template = self.user_search.search_filter_template if self.user_search is not None else ""
        found = _ATTRIBUTE.search(template)
        if found is None and self.dntemplate is not None:
            found = re.match(r"([a-zA-Z][a-zA-Z0-9\-]*)=%\(username\)s(?:,|$)", self.dntemplate)
        return found[1] if found is not None else None


def config_of(body: Mapping[str, Any]) -> LdapConfig:
    """Errors: IamError."""
    try:
        made = msgspec.convert(dict(body), LdapConfig)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    if not made.host or not 0 < made.port < 65536:
        raise _invalid("host and port must name a server")
    if made.enforce_starttls and made.use_ldaps:
        raise _invalid("enforce-starttls and use-ldaps exclude each other")
    if (made.lookup_dn is None) != (made.lookup_password is None):
        raise _invalid("lookup-dn and lookup-password belong together")
    if made.dntemplate is None and made.user_search is None:
        raise _invalid("one of dntemplate and user-search must be given")
    if made.dntemplate is not None and USERNAME not in made.dntemplate:
        raise _invalid(f"dntemplate must hold {USERNAME}")
    if made.user_search is not None and USERNAME not in made.user_search.search_filter_template:
        raise _invalid(f"the filter of user-search must hold {USERNAME}")
    if made.group_search is not None and GROUPNAME not in made.group_search.search_filter_template:
        raise _invalid(f"the filter of group-search must hold {GROUPNAME}")
    if made.client_cert is not None:
        raise _invalid("client-cert is not supported by this version")
    return made


def shown(config: LdapConfig) -> dict[str, Any]:
    """Without the password."""
    view: dict[str, Any] = msgspec.to_builtins(config)
    view.pop("lookup-password", None)
    return view


def user_filter(search: Search, username: str) -> str:
    return search.search_filter_template.replace(USERNAME, in_filter(username))


def group_filter(search: Search, groupname: str) -> str:
    return search.search_filter_template.replace(GROUPNAME, in_filter(groupname))


def user_dn(template: str, username: str) -> str:
    return template.replace(USERNAME, in_name(username))


def in_filter(text: str) -> str:
    """RFC 4515."""
    return _IN_FILTER.sub(lambda match: f"\\{ord(match[0]):02x}", text)


def in_name(text: str) -> str:
    """RFC 4514, as part of a distinguished name."""
    escaped = _IN_NAME.sub(lambda match: f"\\{ord(match[0]):02x}", text).replace("\0", "\\00")
    return re.sub(r"^ | $", r"\\20", escaped)


def not_configured() -> IamError:
    return IamError(400, "No directory back-end has been configured yet.", "ERR_LDAP_CONFIG_NOT_AVAILABLE")


def _invalid(text: str) -> IamError:
    return IamError(400, f"The LDAP configuration is invalid: {text}.", "ERR_LDAP_CONFIG_INVALID")
