"""Other nodes' bundles over HTTP: masters on their own port, agents through their Admin Router."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from dcos.node.config import Config
from dcos.node.core.bundle import Bundle
from dcos.node.core.report import Target
from dcos.node.discovery import url_of

PATH = "/system/health/v1/node/diagnostics"
_ANSWER_S = 10.0
_SILENCE_S = 60.0
_PIECE = 1 << 18


class NodeAway(Exception):
    """It does not answer; the text says what was tried."""


class NodeRefused(NodeAway):
    """It answered with an error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Nodes:
    def __init__(self, config: Config, session: aiohttp.ClientSession) -> None:
        self._config = config
        self._session = session

    def _url(self, target: Target, rest: str) -> str:
        return f"{url_of(target, self._config)}{PATH}{rest}"

    async def _ask(self, method: str, target: Target, rest: str, kind: Any) -> Any:
        url = self._url(target, rest)
        try:
            timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
            async with self._session.request(method, url, timeout=timeout, allow_redirects=False) as answer:
                body = await answer.read()
                if answer.status != 200:
                    text = body[:200].decode(errors="replace").strip()
                    raise NodeRefused(answer.status, f"{method} {url}: status {answer.status} {text}")
            return msgspec.json.decode(body, type=kind)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            raise NodeAway(f"{method} {url}: {error or type(error).__name__}") from None

    async def all(self, target: Target) -> list[Bundle]:
        """Errors: NodeAway."""
        found: list[Bundle] = await self._ask("GET", target, "", list[Bundle])
        return found

    async def get(self, target: Target, id: str) -> Bundle:
        """Errors: NodeAway."""
        found: Bundle = await self._ask("GET", target, f"/{id}", Bundle)
        return found

    async def begin(self, target: Target, id: str) -> Bundle:
        """Errors: NodeAway."""
        made: Bundle = await self._ask("PUT", target, f"/{id}", Bundle)
        return made

    async def remove(self, target: Target, id: str) -> Bundle:
        """Errors: NodeAway."""
        found: Bundle = await self._ask("DELETE", target, f"/{id}", Bundle)
        return found

    async def file(self, target: Target, id: str) -> AsyncIterator[bytes]:
        """Its pieces.   Errors: NodeAway."""
        url = self._url(target, f"/{id}/file")
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_S)
            async with self._session.get(url, timeout=timeout, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise NodeRefused(answer.status, f"GET {url}: status {answer.status}")
                async for piece in answer.content.iter_chunked(_PIECE):
                    yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NodeAway(f"GET {url}: {error or type(error).__name__}") from None

    async def save(self, target: Target, id: str, path: Path) -> None:
        """Errors: NodeAway, OSError."""
        with path.open("wb") as out:
            async for piece in self.file(target, id):
                out.write(piece)
