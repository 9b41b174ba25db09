"""The shell that a scheduler's process is: stand for election, lead with a subscription to the leading Mesos master.

Whatever ends leadership ends the process: another one, started anew, knows nothing that is not stored.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, Final

from dcos.client.scheduler import FrameworkError, SchedulerClient
from dcos.client.scheduler_loop import SchedulerLoop
from dcos.model.v1.types import Address, FrameworkInfo, MasterInfo
from dcos.runtime.app import App, Exit
from dcos.store.base import SessionLost, Store
from dcos.store.detect import follow_leading_master
from dcos.store.election import Candidate, Epoch
from dcos.store.journal import Deposed, SchemaTooNew
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect_url

EXIT_LEADERSHIP: Final = 100
EXIT_FRAMEWORK: Final = 101
EXIT_SCHEMA: Final = 102
REMOVED: Final = "Framework has been removed"


def fresh_ids() -> Iterator[str]:
    while True:
        yield str(uuid.uuid4())


async def masters(given: str, app: App[Any]) -> AsyncIterator[MasterInfo | None]:
    """The leading master, from ZooKeeper (``zk://...``) or as given by host:port."""
    if given.startswith("zk://"):
        async for info in follow_leading_master(ZkUrl.parse(given), rng=app.rng):
            yield info
        return
    host, _, port = given.rpartition(":")
    address = Address(hostname=host, ip=host, port=int(port))
    yield MasterInfo(id="", ip=0, port=int(port), hostname=host, address=address)
    await asyncio.Event().wait()


@asynccontextmanager
async def connected(zk: str, *, session_timeout_s: float) -> AsyncIterator[Store]:
    """A session with the ensemble that ``zk`` names."""
    store = await connect_url(ZkUrl.parse(zk), session_timeout_s=session_timeout_s)
    try:
        yield store
    finally:
        await store.close()


async def stand(
    app: App[Any],
    candidate: Candidate,
    *,
    told: Callable[[str | None], None],
    lead: Callable[[Epoch], Coroutine[Any, Any, None]],
) -> None:
    """Contend for leadership for ever; ``told`` hears who leads (host:port).   Errors: Exit."""
    try:
        async for standing in candidate.standings():
            leader = standing.leader.decode() if standing.leader else None
            told(leader)
            app.log.info("election", leading=standing.leading, leader=leader)
            if standing.leading and standing.epoch is not None:
                app.spawn(lead(standing.epoch), name="lead")
            else:
                app.ready(f"follows {leader}")
    except SessionLost as error:
        raise Exit(EXIT_LEADERSHIP, f"leadership lost: {error}") from error


@asynccontextmanager
async def leading(forget_framework: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Turns what ends leadership within the block into an Exit."""
    try:
        yield
    except* SchemaTooNew as errors:
        raise Exit(EXIT_SCHEMA, str(errors.exceptions[0])) from errors
    except* Deposed as errors:
        raise Exit(EXIT_LEADERSHIP, f"another instance leads: {errors.exceptions[0]}") from errors
    except* SessionLost as errors:
        raise Exit(EXIT_LEADERSHIP, "the ZooKeeper session is lost") from errors
    except* FrameworkError as errors:
        text = str(errors.exceptions[0])
        if REMOVED in text:
            await forget_framework()
        raise Exit(EXIT_FRAMEWORK, f"the master ended the subscription: {text}") from errors


def subscriber(
    app: App[Any], master: str, framework: FrameworkInfo, principal: str | None, secret: str | None
) -> SchedulerClient:
    """The client that holds the framework's subscription."""
    credential = (principal, secret) if principal and secret else None
    return SchedulerClient(masters(master, app), framework, jitter=app.rng.random, credential=credential)


def attend(group: asyncio.TaskGroup, loop: SchedulerLoop[Any, Any], client: SchedulerClient) -> None:
    """Pass what the master says to the loop, and its calls to the master."""
    group.create_task(loop.listen(client), name="listen")
    group.create_task(loop.send(client), name="send")
