"""Who leads the masters, told to the link: by ZooKeeper's election, or one master for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator

from dcos.agent.config import Config
from dcos.agent.link import AgentLink
from dcos.runtime.app import App
from dcos.store.detect import address_of, follow_leading_master
from dcos.store.url import ZkUrl


async def follow(leaders: AsyncIterator[str | None], link: AgentLink) -> None:
    async for leader in leaders:
        link.lead(leader)


def leaders(app: App[Config]) -> AsyncIterator[str | None]:
    """``host:port`` of the leading master, now and at each change.   Errors: ValueError for a bad ``--master``."""
    text = app.config.master
    if not text.startswith("zk://"):
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdigit():
            raise ValueError(f"--master: {text!r} must be zk://host:port,.../path or host:port")
        return _always(text)
    try:
        url = ZkUrl.parse(text)
    except ValueError as error:
        raise ValueError(f"--master: {error}") from None
    return _elected(app, url)


async def _always(leader: str) -> AsyncIterator[str | None]:
    yield leader


async def _elected(app: App[Config], url: ZkUrl) -> AsyncIterator[str | None]:
    async for master in follow_leading_master(url, rng=app.rng, session_timeout_s=app.config.zk_session_timeout):
        yield None if master is None else address_of(master)
