"""Values of the flags about authentication and authorization that master and agent share.   Errors: ValueError, OSError."""

from __future__ import annotations

from typing import Any

from dcos.model.acls import Acls
from dcos.runtime.credentials import CredentialFile, CredentialsFile
from dcos.runtime.log import Logger
from dcos.runtime.settings import contents, without_effect
from dcos.wire.acls import parse
from dcos.wire.firewall import disabled_endpoints


def acls(text: str) -> Acls:
    """JSON, or the path of a file of it."""
    return parse(contents(text))


def acls_text(value: Acls) -> str:
    """How ``/flags`` shows it: not at length."""
    return f"{sum(len(one) for one in value.acls.values())} entries"


def firewall(text: str) -> frozenset[str]:
    """JSON, or the path of a file of it."""
    return disabled_endpoints(contents(text))


def firewall_text(value: frozenset[str]) -> str:
    return ",".join(sorted(value))


def basic(text: str) -> str:
    if text != "basic":
        raise ValueError(f"HTTP authenticator '{text}' not found: there is basic")
    return text


def local(text: str) -> str:
    if text != "local":
        raise ValueError(f"authorizer '{text}' not found: there is local")
    return text


def warn(log: Logger, config: Any) -> None:
    """Once at start: what was given and does nothing, or does not do what its giver may think."""
    for name, why in without_effect(config).items():
        log.warning("flag_without_effect", flag=f"--{name}", why=why)
    for name in config.__dataclass_fields__:
        value = getattr(config, name)
        if isinstance(value, CredentialsFile | CredentialFile) and value.open_to_others:
            log.warning("file_of_secrets_is_open_to_others", flag=f"--{name}", path=str(value.path))
        if isinstance(value, Acls) and value.unknown:
            log.warning("acls_nobody_asks_for", flag=f"--{name}", sections=",".join(value.unknown))
