"""Who the masters are, where no list says so: an Exhibitor is asked, every so often, as masters come and go.

Source: 5.2 of the cluster facts; dcos-net's loader of its configuration (``MASTER_SOURCE``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import msgspec

from dcos.net.core.vips import is_address
from dcos.runtime import http
from dcos.runtime.log import get_logger
from dcos.runtime.tls import scheme

LIST, EXHIBITOR, EXHIBITOR_URI = "master_list", "exhibitor", "exhibitor_uri"
_AGAIN_S = 5.0
"""Seconds after a failure."""
_TIMEOUT_S = 5.0
_log = get_logger("masters")


class _Member(msgspec.Struct, frozen=True):
    hostname: str


_decode = msgspec.json.Decoder(tuple[_Member, ...]).decode


class NoMasters(Exception):
    """An Exhibitor does not say who the masters are."""


def exhibitor_url(source: str, address: str, uri: str) -> str | None:
    """Where to ask; None: nowhere, the list counts.   Errors: ValueError naming the setting that is missing."""
    if source == EXHIBITOR_URI:
        if not uri:
            raise ValueError("exhibitor_uri: must be given where master_source is exhibitor_uri")
        return uri
    if source == EXHIBITOR:
        if not address:
            raise ValueError("exhibitor_address: must be given where master_source is exhibitor")
        return f"{scheme()}://{f'[{address}]' if ':' in address else address}:8181/exhibitor/v1/cluster/status"
    return None


async def asked(url: str, every_s: float) -> AsyncIterator[tuple[str, ...]]:
    """The masters' addresses, at first and after each change; the last ones stay while nobody answers."""
    known: tuple[str, ...] = ()
    async with http.session(timeout_s=_TIMEOUT_S) as session:
        while True:
            delay_s = every_s
            try:
                found = await _ask(session, url)
            except NoMasters as error:
                _log.warning("exhibitor_does_not_say", url=url, error=str(error), again_in_s=_AGAIN_S)
                delay_s = min(_AGAIN_S, every_s)
            else:
                if found != known:
                    _log.info("masters", addresses=",".join(found))
                    known = found
                    yield known
            await asyncio.sleep(delay_s)


async def _ask(session: aiohttp.ClientSession, url: str) -> tuple[str, ...]:
    """Errors: NoMasters."""
    try:
        async with session.get(url) as response:
            raw = await response.read()
            if response.status != 200:
                raise NoMasters(f"status {response.status}")
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise NoMasters(str(error) or type(error).__name__) from error
    try:
        hosts = tuple(dict.fromkeys(one.hostname for one in _decode(raw)))
    except msgspec.MsgspecError as error:
        raise NoMasters(str(error)) from error
    strange = [host for host in hosts if not is_address(host)]
    if strange or not hosts:
        raise NoMasters(f"{strange[0]!r} is not an address" if strange else "it has no members")
    return hosts
