"""One id for all, whoever comes first and whatever was lost."""

from __future__ import annotations

import asyncio
import uuid

from dcos.install.cluster_id import PATH, agree, valid
from dcos.store.memory import MemoryEnsemble, MemoryStore

KNOWN = "5a7bf1ee-6d1f-4d6c-8a43-0d3c1f4b9a10"


def store(ensemble: MemoryEnsemble) -> MemoryStore:
    return ensemble.session()


def fresh() -> str:
    return str(uuid.uuid4())


async def test_all_get_the_same() -> None:
    ensemble = MemoryEnsemble()
    ids = await asyncio.gather(*(agree(store(ensemble), "", fresh) for _ in range(5)))
    assert len(set(ids)) == 1
    assert valid(ids[0])


async def test_a_node_that_knows_it_brings_it_back() -> None:
    assert await agree(store(MemoryEnsemble()), KNOWN, fresh) == KNOWN


async def test_zookeepers_word_wins() -> None:
    ensemble = MemoryEnsemble()
    first = await agree(store(ensemble), "", fresh)
    assert await agree(store(ensemble), KNOWN, fresh) == first


async def test_rubbish_is_replaced() -> None:
    ensemble = MemoryEnsemble()
    await store(ensemble).create(PATH, b"not an id")
    assert await agree(store(ensemble), KNOWN, fresh) == KNOWN
    assert valid(" 5A7BF1EE-6D1F-4D6C-8A43-0D3C1F4B9A10\n") == KNOWN
    assert valid("x") == ""
