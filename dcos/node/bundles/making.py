"""Bundles that are being made on this node, of either kind: started, watched, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from dcos.node.bundles.store import Store
from dcos.node.core.bundle import OVER, Bundle, Kind, Status
from dcos.runtime.log import Logger

Make = Callable[[Bundle], Awaitable[list[str]]]
"""Writes the bundle's file; tells what could not be had."""
Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]


class Making:
    def __init__(self, store: Store, spawn: Spawn, log: Logger) -> None:
        self.store = store
        self._spawn = spawn
        self._log = log
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def running(self, kind: Kind) -> list[Bundle]:
        found = (self.store.get(id) for id in self._tasks)
        return [bundle for bundle in found if bundle is not None and bundle.type is kind]

    def begin(self, id: str, kind: Kind, make: Make) -> Bundle:
        """Errors: Exists, NoRoom."""
        bundle = self.store.begin(id, kind)
        task = self._spawn(self._work(bundle, make), f"bundle {id}")
        self._tasks[id] = task
        task.add_done_callback(lambda _: self._tasks.pop(id, None))
        return bundle

    async def _work(self, bundle: Bundle, make: Make) -> None:
        bundle = msgspec.structs.replace(bundle, status=Status.IN_PROGRESS)
        self.store.save(bundle)
        try:
            errors = await make(bundle)
        except asyncio.CancelledError:
            self.store.drop_file(bundle.id)
            self.store.save(self.store.ended(bundle, Status.CANCELED))
            if bundle.id in self._tasks:  # else somebody gave this one up, and the service goes on
                raise
        except Exception as error:  # a bundle is made when something is broken: that must not end the service
            self._log.exception("bundle_failed", id=bundle.id)
            self.store.drop_file(bundle.id)
            self.store.save(self.store.ended(bundle, Status.FAILED, str(error) or type(error).__name__))
        else:
            self.store.save(self.store.ended(bundle, Status.DONE, *errors))
            self._log.info("bundle_done", id=bundle.id, not_had=len(errors))

    async def remove(self, bundle: Bundle) -> Bundle:
        """Give up what is being made, else delete its file; the state stays."""
        task = self._tasks.pop(bundle.id, None)
        if task is not None and bundle.status not in OVER:
            task.cancel()
            await asyncio.wait({task})
        elif bundle.status is Status.DONE:
            self.store.drop_file(bundle.id)
            self.store.save(
                msgspec.structs.replace(self.store.ended(bundle, Status.DELETED), stopped_at=bundle.stopped_at)
            )
        return self.store.get(bundle.id) or bundle
