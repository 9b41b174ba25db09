"""Tasks' files, through the agent of this node: it knows where they are and who may see them.

Files are read by ranges of ``/files/download``, which has the bytes as they are; ``/files/read`` has them as text, in which
an offset is not what it was.   Source: Mesos's files endpoints.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import aiohttp

from dcos.runtime import http

_RANGE = re.compile(r"bytes (?:\d+-\d+|\*)/(\d+)")
_IDENTITY: Final = {"Accept-Encoding": "identity"}


class SandboxError(Exception):
    """``status``: of the answer that is due."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class NoFile(SandboxError):
    """It is not there, or is not there any more."""

    def __init__(self, path: str) -> None:
        super().__init__(404, f"{path}: there is no such file\n")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file, and how long it is."""

    data: bytes
    size: int


class Sandboxes:
    """``agent``: its URL; ``credential``: (principal, secret) for an agent that wants a name and was told none."""

    def __init__(self, session: aiohttp.ClientSession, agent: str, credential: tuple[str, str] | None) -> None:
        self._session = session
        self._agent = agent
        self._named = http.basic(credential)

    def file(self, path: str, authorization: str | None) -> SandboxFile:
        """``path`` below the agent; ``authorization``: the asker's header."""
        return SandboxFile(self, path, self.headers(authorization))

    def headers(self, authorization: str | None) -> dict[str, str]:
        return self._named or ({"Authorization": authorization} if authorization else {})

    async def browse(self, path: str, authorization: str | None) -> bytes:
        """The JSON of a folder's files.   Errors: SandboxError."""
        async with self.asked("GET", "browse", path, self.headers(authorization)) as answer:
            await _check(answer, path)
            return await _body(answer)

    def asked(self, method: str, what: str, path: str, headers: dict[str, str]) -> _Asked:
        return _Asked(self._session, method, f"{self._agent}/files/{what}", path, headers)


class _Asked:
    """A request, as an async context; trouble on the way is SandboxError."""

    def __init__(
        self, session: aiohttp.ClientSession, method: str, url: str, path: str, headers: dict[str, str]
    ) -> None:
        self._request = session.request(
            method, url, params={"path": path}, headers=headers | _IDENTITY, allow_redirects=False
        )

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            self._answer = await self._request
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _away(error) from None
        return self._answer

    async def __aexit__(self, *_: object) -> None:
        self._answer.release()


class SandboxFile:
    """One file. Every call opens it anew: another may be in its place by now."""

    def __init__(self, sandboxes: Sandboxes, path: str, headers: dict[str, str]) -> None:
        self._sandboxes = sandboxes
        self._headers = headers
        self.path = path

    def beside(self, suffix: str) -> SandboxFile:
        """``stdout`` and ``.1``: the file before it."""
        return SandboxFile(self._sandboxes, self.path + suffix, self._headers)

    async def read(self, offset: int, length: int) -> Part:
        """At most ``length`` bytes; none from its end on.   Errors: SandboxError."""
        headers = self._headers | {"Range": f"bytes={offset}-{offset + max(1, length) - 1}"}
        async with self._sandboxes.asked("GET", "download", self.path, headers) as answer:
            told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if answer.status == 416 and told:
                return Part(b"", int(told[1]))
            await _check(answer, self.path)
            if not told:
                raise SandboxError(502, "the agent does not serve parts of files\n")
            data = await _body(answer)
            return Part(data[:length], int(told[1]))

    async def tag(self) -> str | None:
        """What changes when the file does; None: there is none.   Errors: SandboxError."""
        async with self._sandboxes.asked("HEAD", "download", self.path, self._headers) as answer:
            if answer.status == 404:
                return None
            await _check(answer, self.path)
            return answer.headers.get("ETag", "") + answer.headers.get("Last-Modified", "")

    def download(self, extra: dict[str, str]) -> _Asked:
        """The agent's own answer, with the asker's ``Range``."""
        return self._sandboxes.asked("GET", "download", self.path, self._headers | extra)


async def _check(answer: aiohttp.ClientResponse, path: str) -> None:
    if answer.status in (200, 206):
        return
    if answer.status == 404:
        raise NoFile(path)
    text = (await _body(answer))[:500].decode(errors="replace").strip()
    status = answer.status if answer.status in (400, 401, 403) else 502
    raise SandboxError(status, f"the agent answered {answer.status} {text}\n")


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    try:
        return await answer.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _away(error) from None


def _away(error: Exception) -> SandboxError:
    return SandboxError(502, f"the agent does not answer: {error or type(error).__name__}\n")
