"""Finding the leader, with the znodes that Mesos and Marathon write."""

from __future__ import annotations

import asyncio

import pytest

from dcos.store import detect
from dcos.store.memory import MemoryEnsemble

INFO = (
    b'{"address":{"hostname":"m%d","ip":"10.0.0.%d","port":5050},"capabilities":[{"type":"AGENT_UPDATE"}],'
    b'"hostname":"m%d","id":"uuid-%d","ip":16777226,"pid":"master@10.0.0.%d:5050","port":5050,"version":"1.12.0"}'
)


def info(n: int) -> bytes:
    return INFO % (n, n, n, n, n)


async def test_the_leading_master_is_the_smallest_number() -> None:
    store = MemoryEnsemble().session()
    assert await detect.leading_master(store, "/mesos") is None
    await store.create("/mesos/log_replicas", parents=True)
    assert await detect.leading_master(store, "/mesos") is None
    await store.create("/mesos/json.info_0000000010", info(2))
    await store.create("/mesos/json.info_0000000009", info(1))
    found = await detect.leading_master(store, "/mesos")
    assert found is not None
    assert (found.id, detect.address_of(found)) == ("uuid-1", "10.0.0.1:5050")


async def test_the_old_address_is_in_network_order() -> None:
    assert detect.address_of(detect.master_info(b'{"id":"x","ip":16777226,"port":5050}')) == "10.0.0.1:5050"


async def test_changes_of_the_leading_master_are_followed() -> None:
    ensemble = MemoryEnsemble()
    store, other = ensemble.session(), ensemble.session()
    seen = detect.watch_leading_master(store, "/mesos")
    assert await anext(seen) is None
    first = await other.create("/mesos/json.info_", info(1), sequence=True, parents=True)
    assert getattr(await anext(seen), "id", None) == "uuid-1"
    await other.create("/mesos/json.info_", info(2), sequence=True)
    await other.delete(first)
    assert getattr(await anext(seen), "id", None) == "uuid-2"
    await other.delete("/mesos", recursive=True)
    assert await anext(seen) is None


async def test_a_second_candidate_is_no_news() -> None:
    ensemble = MemoryEnsemble()
    store, other = ensemble.session(), ensemble.session()
    await other.create("/mesos/json.info_", info(1), sequence=True, parents=True)
    seen = detect.watch_leading_master(store, "/mesos")
    assert getattr(await anext(seen), "id", None) == "uuid-1"
    waiting = asyncio.ensure_future(anext(seen))
    await other.create("/mesos/json.info_", info(2), sequence=True)
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    waiting.cancel()


async def test_unreadable_data_counts_as_no_master(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryEnsemble().session()
    await store.create("/mesos/json.info_1", b"{", parents=True)
    assert await anext(detect.watch_leading_master(store, "/mesos")) is None
    assert "bad_master_info" in caplog.text


async def test_the_leading_marathon() -> None:
    store = MemoryEnsemble().session()
    assert await detect.leading_marathon(store) is None
    await store.create("/marathon/leader/member_0000000001", b"10.0.0.1:8080", parents=True)
    assert await detect.leading_marathon(store) == "10.0.0.1:8080"
    assert await anext(detect.watch_leading_marathon(store)) == "10.0.0.1:8080"
