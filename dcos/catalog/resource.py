"""``/package/resource``: a file that some package names, fetched for clients that cannot reach it.

Nothing of it is kept; a server that sends less than it said breaks the client's connection too, so that nobody takes half a file
for a whole one.   Source: cosmos PackageResourceHandler.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlsplit

import aiohttp
from aiohttp import web

from dcos.catalog.core.errors import endpoint_syntax, endpoint_unreachable, generic_http, timed_out

_CHUNK: Final = 2**16
QUIET_S: Final = 60.0
"""A server that sends nothing for so long is given up."""
_TIMES: Final = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=QUIET_S)


async def passed_on(request: web.Request, session: aiohttp.ClientSession, url: str) -> web.StreamResponse:
    """Errors: EndpointUriSyntax, EndpointUriConnection, GenericHttpError, TimeoutError."""
    try:
        upstream = await session.get(
            url, timeout=_TIMES, headers={"Accept-Encoding": "identity"}, auto_decompress=False, max_redirects=5
        )
    except aiohttp.InvalidURL:
        raise endpoint_syntax(url) from None
    except TimeoutError:
        raise timed_out("GET", url, QUIET_S) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise endpoint_unreachable(url, type(error).__name__) from None
    async with upstream:
        return await _stream(request, url, upstream)


def given_out(data: bytes, url: str) -> web.Response:
    """One that lies in this service."""
    headers = {"Content-Disposition": f'attachment; filename="{_file_name(url)}"'}
    return web.Response(body=data, content_type="application/octet-stream", headers=headers)


async def _stream(request: web.Request, url: str, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    if upstream.status != 200:
        raise generic_http("GET", url, upstream.status, f"Unexpected answer status {upstream.status} from {url}")
    length = upstream.content_length
    if not length:
        raise generic_http("GET", url, upstream.status, f"Response from {url} has no content length")
    headers = {
        "Content-Type": upstream.headers.get("Content-Type", "application/octet-stream"),
        "Content-Length": str(length),
        "Content-Disposition": f'attachment; filename="{_file_name(url)}"',
    }
    if encoding := upstream.headers.get("Content-Encoding"):
        headers["Content-Encoding"] = encoding
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(request)
    try:
        async for chunk in upstream.content.iter_chunked(_CHUNK):
            await answer.write(chunk)
    except (aiohttp.ClientError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
        return answer
    await answer.write_eof()
    return answer


def _file_name(url: str) -> str:
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1]) or "resource"
    return "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._- +") else "_" for sign in name)
