"""The package catalog through Admin Router.   Source: Cosmos's API, media types as its own client sends them."""

from __future__ import annotations

from typing import Any, Final

from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]
_VERSIONS: Final = {"package.describe": 3, "package.install": 2}
"""Versions of answers asked for, where not the first."""


class Cosmos:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, path: str, body: Json) -> Json:
        kind = path.strip("/").replace("/", ".")
        headers = {
            "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
            "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{_VERSIONS.get(kind, 1)}",
        }
        sent = {key: value for key, value in body.items() if value is not None}
        answer: Json = self._transport.send("POST", path, sent, headers=headers)
        return answer

    def search(self, query: str | None) -> Json:
        return self._call("/package/search", {"query": query})

    def describe(self, name: str, version: str | None) -> Json:
        """The package as its repository has it."""
        package: Json = self._call("/package/describe", {"packageName": name, "packageVersion": version})["package"]
        return package

    def versions(self, name: str) -> dict[str, str]:
        """Version to release version."""
        body = {"packageName": name, "includePackageVersions": False}
        found: dict[str, str] = self._call("/package/list-versions", body)["results"]
        return found

    def render(self, name: str, version: str | None, options: Json | None, app_id: str | None) -> Json:
        body = {"packageName": name, "packageVersion": version, "options": options, "appId": app_id}
        app: Json = self._call("/package/render", body)["marathonJson"]
        return app

    def install(self, name: str, version: str | None, options: Json | None, app_id: str | None) -> Json:
        body = {"packageName": name, "packageVersion": version, "options": options, "appId": app_id}
        return self._call("/package/install", body)

    def list(self, name: str | None, app_id: str | None) -> Json:
        return self._call("/package/list", {"packageName": name, "appId": app_id})

    def uninstall(self, name: str, app_id: str | None, every: bool) -> Json:
        return self._call("/package/uninstall", {"packageName": name, "appId": app_id, "all": every or None})

    def repositories(self) -> Json:
        return self._call("/package/repository/list", {})

    def repository_status(self) -> Json:
        """Ours: what each offers, and what is left out of it."""
        return self._call("/package/repository/status", {})

    def add_repository(self, name: str, uri: str, index: int | None) -> Json:
        return self._call("/package/repository/add", {"name": name, "uri": uri, "index": index})

    def remove_repository(self, name: str) -> Json:
        return self._call("/package/repository/delete", {"name": name})
