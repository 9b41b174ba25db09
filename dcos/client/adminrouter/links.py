"""Links between clusters, ``/cluster/v1/links``: a service of DC/OS Enterprise, which open clusters answer with 404."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from dcos.client.adminrouter.failures import NotFound
from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]
_PATH: Final = "/cluster/v1/links"


class Links:
    """A link is ``{id, name, url, login_provider: {id, type}}``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def all(self) -> list[Json]:
        """Empty where the cluster keeps none."""
        try:
            found = self._transport.get(_PATH)
        except NotFound:
            return []
        return list(found.get("links") or []) if isinstance(found, dict) else []

    def add(self, link: Json) -> None:
        self._transport.send("POST", _PATH, link)

    def remove(self, cluster_id: str) -> None:
        self._transport.request("DELETE", f"{_PATH}/{quote(cluster_id, safe='')}")
