"""Diagnostics bundles through Admin Router: the current API and the one of older clusters.   Source: dcos-diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]
_PATH: Final = "/system/health/v1/diagnostics"
_LEGACY: Final = "/system/health/v1/report/diagnostics"


class Diagnostics:
    """A bundle is ``{id, type, size, status, started_at, stopped_at, errors}``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def bundles(self) -> list[Json]:
        return list(self._transport.get(_PATH) or [])

    def bundle(self, bundle_id: str) -> Json:
        """Errors: NotFound."""
        found: Json = self._transport.get(_one(bundle_id))
        return found

    def create(self, bundle_id: str, *, masters: bool, agents: bool) -> Json:
        made: Json = self._transport.send("PUT", _one(bundle_id), {"masters": masters, "agents": agents})
        return made or {}

    def delete(self, bundle_id: str) -> None:
        self._transport.request("DELETE", _one(bundle_id))

    def file(self, bundle_id: str) -> Iterator[bytes]:
        """The archive, in parts.   Errors: NotFound while it is not done."""
        yield from self._transport.stream(f"{_one(bundle_id)}/file")


class LegacyDiagnostics:
    """One bundle at a time, of nodes that are named; what answers is ``{response_http_code, status, errors, extra}``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, nodes: Sequence[str]) -> Json:
        made: Json = self._transport.send("POST", f"{_LEGACY}/create", {"nodes": list(nodes)})
        return made

    def cancel(self) -> Json:
        done: Json = self._transport.send("POST", f"{_LEGACY}/cancel")
        return done

    def delete(self, name: str) -> Json:
        done: Json = self._transport.send("POST", f"{_LEGACY}/delete/{quote(name)}")
        return done

    def bundles(self) -> dict[str, list[Json]]:
        """Node address to ``{file_name, file_size}`` each."""
        found = self._transport.get(f"{_LEGACY}/list/all")
        return {str(ip): list(files or []) for ip, files in found.items()}

    def status(self) -> dict[str, Json]:
        """Node address to its status."""
        found: dict[str, Json] = self._transport.get(f"{_LEGACY}/status/all")
        return found

    def file(self, name: str) -> Iterator[bytes]:
        yield from self._transport.stream(f"{_LEGACY}/serve/{quote(name)}")


def _one(bundle_id: str) -> str:
    return f"{_PATH}/{quote(bundle_id, safe='')}"
