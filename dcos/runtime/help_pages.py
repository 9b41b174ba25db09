"""``/help``: what there is to ask, endpoint by endpoint, as Markdown, as HTML for browsers and as JSON.

``/help`` lists the processes, ``/help/<process>`` its endpoints, ``/help/<process>/<endpoint>`` tells about one.

Source: libprocess' help process (paths, codes and texts of refusals, headings).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

from dcos.runtime.mesos_http import json_body, text_response

MARKDOWN = "text/x-markdown"


@dataclass(frozen=True, slots=True)
class Page:
    """An endpoint. ``process`` and ``path``: ``master`` and ``/state``."""

    process: str
    path: str
    summary: str
    description: str = ""
    query: Mapping[str, str] | None = None
    """Parameters of the request and what they say."""
    named: bool = True
    """Whether callers have to name themselves where authentication is on."""
    authorization: str = ""
    """Which ACLs are asked, and what they hide or refuse."""

    @property
    def text(self) -> str:
        parts = [f"### USAGE ###\n>        /{self.process}{self.path}", f"### TL;DR; ###\n{self.summary}"]
        if self.description:
            parts.append(f"### DESCRIPTION ###\n{self.description}")
        if self.query:
            rows = "\n".join(f">        {name:<16} {said}" for name, said in self.query.items())
            parts.append(f"Query parameters:\n\n{rows}")
        said = (
            "requires authentication iff HTTP authentication is enabled"
            if self.named
            else "does not require authentication"
        )
        parts.append(f"### AUTHENTICATION ###\nThis endpoint {said}.")
        if self.authorization:
            parts.append(f"### AUTHORIZATION ###\n{self.authorization}")
        return "\n\n".join(parts) + "\n"


class Help:
    """``prefix``: what may stand before ``/help``, as ``/master``."""

    def __init__(self, pages: Iterable[Page], prefix: str = "/master") -> None:
        self._prefix = prefix
        self._processes: dict[str, dict[str, Page]] = {}
        for page in sorted(pages, key=lambda one: (one.process, one.path)):
            self._processes.setdefault(page.process, {})[page.path] = page

    @property
    def pages(self) -> tuple[Page, ...]:
        return tuple(page for pages in self._processes.values() for page in pages.values())

    def markdown(self, path: str) -> str:
        """Of ``/help`` and what is below it.   Errors: ValueError with the text of the refusal."""
        _, *words = [word for word in path.split("/") if word]
        if not words:
            return _listed("HELP", [f"/{name}" for name in self._processes])
        process, rest = words[0], "/" + "/".join(words[1:])
        pages = self._processes.get(process)
        if pages is None:
            raise ValueError(f"No help available for '/{process}'.\n")
        if not words[1:] and list(pages) == [""]:
            return pages[""].text
        if not words[1:]:
            return _listed(f"`/{process}`", [f"/{process}{name}" for name in pages])
        if rest not in pages:
            raise ValueError(f"No help available for '/{process}{rest}'.\n")
        return pages[rest].text

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("format") == "json":
            return json_body(request, self._json())
        try:
            text = self.markdown(request.path.removeprefix(self._prefix))
        except ValueError as error:
            return text_response(400, str(error))
        if "text/html" in request.headers.get("Accept", ""):
            return web.Response(text=_page(text), content_type="text/html")
        return web.Response(text=text, content_type=MARKDOWN)

    async def processes(self, request: web.Request) -> web.StreamResponse:
        """``/__processes__``: who answers here. Nothing waits in queues of theirs."""
        return json_body(request, [{"id": name, "events": []} for name in self._processes])

    def _json(self) -> object:
        return {
            "processes": [
                {"id": name, "endpoints": [{"name": path, "text": page.text} for path, page in pages.items()]}
                for name, pages in self._processes.items()
            ]
        }


def _listed(title: str, paths: Iterable[str]) -> str:
    every = list(paths)
    lines = [f"## {title}", "", *(f"> [{path}][{path}]" for path in every), ""]
    return "\n".join([*lines, *(f"[{path}]: /help{path}" for path in every)]) + "\n"


def _page(markdown: str) -> str:
    """Readable in any browser; nothing is fetched from elsewhere."""
    shown = html.escape(re.sub(r"(?m)^\[[^\]]+\]: .*\n?", "", markdown))
    linked = re.sub(r"\[(/[^\]]+)\]\[[^\]]+\]", r'<a href="/help\1">\1</a>', shown)
    return f"<!DOCTYPE html>\n<html><head><title>Help</title></head><body><pre>{linked}</pre></body></html>\n"
