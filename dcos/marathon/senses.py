"""How a leading Marathon sees what its subscription does not tell: the cluster, how instances answer, what is measured.

Behind one interface, so that a simulation has senses of its own.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from dcos.client.mesos import MesosMaster
from dcos.client.scheduler_service import masters
from dcos.marathon import asking, cluster_feed
from dcos.marathon.cluster_feed import Look
from dcos.marathon.config import Config
from dcos.marathon.measure import HttpSources, Sources
from dcos.marathon.probes import Ask
from dcos.runtime.app import App
from dcos.runtime.http import session


class Senses(Protocol):
    """Each is opened when it is needed, and closed with the leadership."""

    def looking(self) -> AbstractAsyncContextManager[Look]: ...

    def asking(self) -> AbstractAsyncContextManager[Ask]: ...

    def measuring(self) -> AbstractAsyncContextManager[Sources]: ...


class RealSenses:
    """Over HTTP."""

    def __init__(self, app: App[Config]) -> None:
        self._app = app

    @property
    def _credential(self) -> tuple[str, str] | None:
        config = self._app.config
        principal, secret = config.mesos_authentication_principal, config.mesos_secret
        return (principal, secret) if principal and secret else None

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Look]:
        detect = masters(self._app.config.master, self._app)
        async with MesosMaster(detect, credential=self._credential) as master:
            yield functools.partial(cluster_feed.look, master)

    def asking(self) -> AbstractAsyncContextManager[Ask]:
        return asking.over_network()

    @asynccontextmanager
    async def measuring(self) -> AsyncIterator[Sources]:
        url = self._app.config.prometheus_url
        async with session(timeout_s=None) as http:
            yield HttpSources(http, prometheus_url=url, credential=self._credential)
