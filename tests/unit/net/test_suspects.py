"""Who tells whom that an agent is silent, over the store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection

from dcos.net.suspects import PATH, Suspects
from dcos.store.memory import MemoryEnsemble
from dcos.testing.patience import PATIENCE_S

DEAD = "10.0.0.9"


class Node:
    def __init__(self, ensemble: MemoryEnsemble) -> None:
        self.store = ensemble.session()
        self.asked: list[str] = []
        self.suspects = Suspects(self._ask)

    def _ask(self, ips: Collection[str]) -> None:
        self.asked += ips


@contextlib.asynccontextmanager
async def following(*nodes: Node) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(one.suspects.follow(one.store)) for one in nodes]
    try:
        yield tasks
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def listed(node: Node, wanted: list[str]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while list(await node.store.children(PATH) or ()) != wanted:
            await asyncio.sleep(0)


async def test_what_one_finds_all_ask_about() -> None:
    ensemble = MemoryEnsemble()
    first, second, third = (Node(ensemble) for _ in range(3))
    async with following(first, second, third):
        first.suspects.find(frozenset({DEAD}))
        async with asyncio.timeout(PATIENCE_S):
            while not (second.asked == third.asked == [DEAD]):
                await asyncio.sleep(0)
        assert DEAD not in first.asked[1:]
        first.suspects.find(frozenset())
        await listed(second, [])


async def test_who_still_finds_it_goes_on_saying_so() -> None:
    ensemble = MemoryEnsemble()
    first, second, third = (Node(ensemble) for _ in range(3))
    async with following(first, second, third):
        first.suspects.find(frozenset({DEAD}))
        await listed(third, [DEAD])
        second.suspects.find(frozenset({DEAD}))
        await first.store.close()
        async with asyncio.timeout(PATIENCE_S):
            while not (node := await third.store.get(f"{PATH}/{DEAD}")) or not second.suspects._told:
                await asyncio.sleep(0)
        assert node is not None


async def test_what_is_no_address_is_nobody() -> None:
    ensemble = MemoryEnsemble()
    node = Node(ensemble)
    async with following(node):
        await ensemble.session().create(f"{PATH}/nobody", parents=True)
        await ensemble.session().create(f"{PATH}/{DEAD}", parents=True)
        async with asyncio.timeout(PATIENCE_S):
            while not node.asked:
                await asyncio.sleep(0)
        assert node.asked == [DEAD]
