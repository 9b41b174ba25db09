"""The two flags of every service that checks permissions."""

from __future__ import annotations

from typing import Any

from dcos import registry
from dcos.runtime.settings import one_of, setting


def security_level() -> Any:
    return setting(
        "disabled",
        "Whether callers need a token and permissions: disabled, permissive or strict.",
        parse=one_of("disabled", "permissive", "strict"),
    )


def identity_service() -> Any:
    return setting(
        f"http://127.0.0.1:{registry.port_of('dcos-bouncer')}", "The identity service that knows keys and permissions."
    )
