"""What an error says to a person, and what may help against it.   No I/O."""

from __future__ import annotations

from dcos.cli.config_store import ConfigError
from dcos.client.adminrouter import errors
from dcos.client.adminrouter.failures import ClientError, LoginNeeded, NotFound, Refused, Unreachable, Untrusted

_AWAY = frozenset({502, 503, 504})


def explained(error: Exception) -> str:
    """Several lines where the service told several things."""
    if isinstance(error, LoginNeeded):
        return "authentication required, please run `dcos auth login`"
    return errors.explained(error) if isinstance(error, Refused) else str(error)


def hint(error: Exception) -> str:
    """Empty where nothing is known to help, or the error says it already."""
    if isinstance(error, LoginNeeded | ConfigError):
        return ""
    if isinstance(error, Untrusted):
        return "`dcos config set core.ssl_verify <file>` trusts an authority; `cluster setup --insecure` trusts anybody"
    if isinstance(error, Unreachable):
        return (
            "`dcos cluster list` shows which clusters answer; `dcos config show core.dcos_url` where this one should be"
        )
    if isinstance(error, Refused):
        return _refused(error)
    return "" if not isinstance(error, ClientError) else "`dcos -vv ...` shows what was asked and answered"


def _refused(error: Refused) -> str:
    if error.status == 403:
        return "an administrator may give it: `dcos security org users grant <user> <resource> <action>`"
    if error.status in _AWAY:
        return "`dcos status` shows which services are up"
    if error.status == 409 and "deployments" in error.body:
        return "`dcos marathon deployment list` shows what is under way; --force overrides it"
    if isinstance(error, NotFound) and not error.body:
        return "the cluster has nothing at this address; `dcos status` shows its services"
    return ""
