"""Reading a repository: tries, redirects, encodings, the limit of time. Servers that lie: tests/integration/catalog."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from dcos.catalog.core.errors import CatalogError
from dcos.catalog.fetch import Fetcher, Limits
from dcos.runtime import http
from dcos.testing.packages import package
from dcos.wire.cosmos import RepositoryEntry, universe_repository
from dcos.wire.universe import to_json

BODY = json.dumps({"packages": [to_json(package())]}).encode()
V5 = {"Content-Type": str(universe_repository(5))}


class Server:
    def __init__(self) -> None:
        self.url = ""
        self.asked: list[web.Request] = []
        self.answers: list[web.Response] = []
        """One after the other; the last of them again and again."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path == "/never":
            await asyncio.sleep(3600)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    def entry(self, path: str = "/repo") -> RepositoryEntry:
        return RepositoryEntry("far", self.url + path)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.handle)
    async with http.listen(app, host="127.0.0.1", port=0) as (host, port):
        made.url = f"http://{host}:{port}"
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http.session() as made:
        yield made


def fetcher(session: aiohttp.ClientSession, **limits: float) -> Fetcher:
    return Fetcher(
        session, release="3.0.0", user_agent="cosmos/x dcos/3.0.0", limits=Limits(**({"pause_s": 0.0} | limits))
    )  # type: ignore[arg-type]


async def test_who_asks_and_for_what(server: Server, session: aiohttp.ClientSession) -> None:
    server.answers = [web.Response(body=gzip.compress(BODY), headers=V5 | {"Content-Encoding": "gzip"})]
    found = await fetcher(session).fetch(server.entry(), adding=False)
    assert ([one.name for one in found.packages], found.form) == (["demo"], "v5")
    headers = server.asked[0].headers
    assert headers["User-Agent"] == "cosmos/x dcos/3.0.0"
    assert headers["Accept-Encoding"] == "gzip"
    kinds = [universe_repository(schema) for schema in (5, 4, 3)]
    assert headers["Accept"] == ",".join([*map(str, kinds), "application/zip;q=0.1"])


async def test_trouble_that_passes(server: Server, session: aiohttp.ClientSession) -> None:
    bad = web.Response(status=503)
    server.answers = [bad, bad, web.Response(body=BODY, headers=V5)]
    assert (await fetcher(session).fetch(server.entry(), adding=False)).packages
    assert len(server.asked) == 3


@pytest.mark.parametrize(("adding", "status", "tries"), [(True, 503, 1), (False, 503, 3), (False, 404, 1)])
async def test_trouble_that_stays(
    server: Server, session: aiohttp.ClientSession, adding: bool, status: int, tries: int
) -> None:
    server.answers = [web.Response(status=status)]
    with pytest.raises(CatalogError) as caught:
        await fetcher(session).fetch(server.entry(), adding=adding)
    assert (caught.value.type, caught.value.status) == ("UniverseClientHttpError", 400 if adding else 500)
    assert len(server.asked) == tries


def moved(to: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": to})


async def test_redirects(server: Server, session: aiohttp.ClientSession) -> None:
    good = web.Response(body=BODY, headers=V5)
    server.answers = [moved("/a", 301), moved("/b", 307), moved("c", 308), good]
    assert (await fetcher(session).fetch(server.entry("/x/repo"), adding=True)).packages
    assert [one.path for one in server.asked] == ["/x/repo", "/a", "/b", "/c"]
    server.answers = [moved("/again")]
    with pytest.raises(CatalogError, match="more than 2 redirects") as caught:
        await fetcher(session, redirects=2).fetch(server.entry(), adding=True)
    assert caught.value.type == "RepositoryUriConnection"


@pytest.mark.parametrize("location", ["https://127.0.0.1/x", "ftp://x", ""])
async def test_redirects_that_are_not_followed(server: Server, session: aiohttp.ClientSession, location: str) -> None:
    server.answers = [moved(location)]
    with pytest.raises(CatalogError) as caught:
        await fetcher(session).fetch(server.entry(), adding=True)
    assert caught.value.type == "UnsupportedRedirect"
    assert caught.value.data is not None
    assert caught.value.data["supported"] == ["http"]


async def test_the_limit_of_time(server: Server, session: aiohttp.ClientSession) -> None:
    with pytest.raises(CatalogError, match=r"not read within 0\.05 s"):
        await fetcher(session, seconds=0.05).fetch(server.entry("/never"), adding=False)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (
            {"Content-Type": "application/vnd.dcos.universe.repo+json;charset=utf-8;version=v9"},
            "UnsupportedContentType",
        ),
        ({"Content-Type": "application/vnd.dcos.universe.repo+json"}, "UnsupportedContentType"),
        (V5 | {"Content-Encoding": "deflate"}, "UnsupportedContentEncoding"),
    ],
)
async def test_forms(server: Server, session: aiohttp.ClientSession, headers: dict[str, str], kind: str) -> None:
    server.answers = [web.Response(body=BODY, headers=headers)]
    with pytest.raises(CatalogError) as caught:
        await fetcher(session).fetch(server.entry(), adding=True)
    assert caught.value.type == kind
    assert caught.value.data is not None
    assert caught.value.data["actual"] == headers.get("Content-Encoding", headers["Content-Type"])
