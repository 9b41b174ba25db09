"""Marathon's API as another service uses it: apps as JSON, the caller's Authorization passed on.

Errors: those of ``dcos.client.neighbour``.   Source: Marathon's v2 API.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from dcos.client.neighbour import Answered, exchange

App = dict[str, Any]


class Marathon:
    """``authorization``: the header of the user on whose behalf this asks; None where there is none."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, authorization: str | None = None) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {"Authorization": authorization} if authorization else None

    async def _ask(self, method: str, path: str, *, body: Any = None, **query: str) -> Any:
        return await exchange(
            self._session, "marathon", method, self._url + path, body=body, query=query, headers=self._headers
        )

    async def apps(self, *, label: str | None = None) -> list[App]:
        """``label``: a selector, such as the bare name of a label that must exist."""
        answer = await self._ask("GET", "/v2/apps", **({"label": label} if label else {}))
        return list((answer or {}).get("apps", []))

    async def app(self, app_id: str) -> App | None:
        """None where there is no such app."""
        try:
            answer = await self._ask("GET", f"/v2/apps/{app_id.strip('/')}")
        except Answered as error:
            if error.status == 404:
                return None
            raise
        found: App = answer["app"]
        return found

    async def create(self, app: App) -> App:
        created: App = await self._ask("POST", "/v2/apps", body=app)
        return created

    async def replace(self, app: App) -> str:
        """Put ``app`` in place of the one with its id, whatever runs; returns the deployment's id."""
        path = f"/v2/apps/{app['id'].strip('/')}"
        answer = await self._ask("PUT", path, body=app, force="true", partialUpdate="false")
        return str(answer["deploymentId"])

    async def delete(self, app_id: str) -> None:
        await self._ask("DELETE", f"/v2/apps/{app_id.strip('/')}", force="true")

    async def deployments(self) -> list[dict[str, Any]]:
        return list(await self._ask("GET", "/v2/deployments") or [])
