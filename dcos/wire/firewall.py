"""``--firewall_rules``: endpoints that nobody may call.   Source: Mesos 1.11 (``Firewall`` of its flags.proto)."""

from __future__ import annotations

import msgspec

from dcos.wire.errors import WireError


def disabled_endpoints(text: str) -> frozenset[str]:
    """``{"disabled_endpoints": {"paths": ["/files/browse"]}}`` to the paths.   Errors: WireError."""
    try:
        given = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WireError("", f"not valid JSON: {error}") from None
    if not isinstance(given, dict):
        raise WireError("", "must be a JSON object")
    disabled = given.get("disabled_endpoints") or {}
    paths = disabled.get("paths", []) if isinstance(disabled, dict) else None
    if not isinstance(paths, list) or not all(isinstance(one, str) and one.startswith("/") for one in paths):
        raise WireError("disabled_endpoints.paths", "must be a list of paths that start with /")
    return frozenset(one.rstrip("/") for one in paths)
