"""What a Prometheus knows, and what a process serves in its text format.

Source: Prometheus HTTP API v1 (/api/v1/query); text exposition format 0.0.4.
"""

from __future__ import annotations

import math
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

MAX_BYTES = 4 << 20


class NoValue(Exception):
    """The text says why there is none."""


class _Sample(msgspec.Struct, frozen=True):
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct, frozen=True, rename="camel"):
    result_type: str
    result: Any


class _Answer(msgspec.Struct, frozen=True):
    status: str
    data: _Data | None = None
    error: str = ""


async def query(session: aiohttp.ClientSession, url: str, text: str, *, timeout_s: float = 10.0) -> float:
    """The first value of an instant query.   Errors: NoValue."""
    where = url.rstrip("/") + "/api/v1/query"
    try:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with session.get(where, params={"query": text}, timeout=timeout, allow_redirects=False) as response:
            raw = await response.content.read(MAX_BYTES)
        answer = msgspec.json.decode(raw, type=_Answer)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NoValue(f"{where}: {error or type(error).__name__}") from error
    except msgspec.MsgspecError as error:
        raise NoValue(f"{where}: status {response.status}, not an answer of Prometheus") from error
    if answer.status != "success" or answer.data is None:
        raise NoValue(f"{where}: {answer.error or answer.status}")
    return first_value(answer.data.result_type, answer.data.result)


def first_value(kind: str, result: Any) -> float:
    """Errors: NoValue."""
    try:
        if kind == "scalar":
            return float(result[1])
        if kind == "vector" and result:
            return float(result[0]["value"][1])
    except (TypeError, ValueError, LookupError) as error:
        raise NoValue(f"a {kind} that cannot be read") from error
    raise NoValue(
        "the query has no result" if kind == "vector" else f"the query gives a {kind}, not a vector or scalar"
    )


def counter(text: str, name: str) -> float:
    """Sum of all series of the counter ``name``.   Errors: NoValue."""
    names = {name, f"{name}_total"}
    values: list[float] = []
    try:
        for family in text_string_to_metric_families(text):
            values += [one.value for one in family.samples if one.name in names]
    except ValueError as error:
        raise NoValue(f"not Prometheus text: {error}") from error
    if not values:
        raise NoValue(f"no series named {name}")
    total = math.fsum(values)
    if not math.isfinite(total):
        raise NoValue(f"{name} is {total}")
    return total
