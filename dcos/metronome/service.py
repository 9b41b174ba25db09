"""The process: serve HTTP, stand for election, and while leading run jobs through the leading Mesos master."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import ClientSession

from dcos.client.scheduler import SchedulerClient
from dcos.client.scheduler_loop import SchedulerLoop
from dcos.client.scheduler_service import attend, connected, fresh_ids, leading, stand, subscriber
from dcos.metronome import api
from dcos.metronome.api import Leading, Service
from dcos.metronome.config import SUPPORTED_FEATURES, Config
from dcos.metronome.core import events
from dcos.metronome.core.scheduler import Result, Scheduler
from dcos.metronome.core.state import CoreSettings
from dcos.metronome.persist import Repository
from dcos.model.v1.types import (
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
)
from dcos.runtime import app as shell
from dcos.runtime.app import App
from dcos.runtime.credentials import secret_of
from dcos.runtime.http import listen, session
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import scheme
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.match import Policy
from dcos.store.base import Store
from dcos.store.detect import MARATHON_LABEL
from dcos.store.election import Candidate, Epoch
from dcos.store.url import ZkUrl


def core_settings(config: Config) -> CoreSettings:
    return CoreSettings(
        role=config.mesos_role,
        policy=Policy(gpu_scheduling=config.gpu_scheduling_behavior),
        task=TaskSettings(
            user=config.mesos_user or None,
            bridge_name=config.mesos_bridge_name,
            spaces=config.security != "disabled",
        ),
        history_count=config.history_count,
        decline_s=config.decline_offer_duration,
        min_revive_interval_s=config.min_revive_offers_interval,
        launch_confirm_timeout_s=config.task_launch_confirm_timeout,
        launch_timeout_s=config.task_launch_timeout,
        kill_retry_s=config.kill_retry_timeout,
        reconcile_interval_s=config.reconciliation_interval,
    )


def framework_info(config: Config, own: str, framework_id: str | None) -> FrameworkInfo:
    """What Metronome is to the master."""
    kinds = FrameworkInfoCapabilityType
    capabilities = [kinds.PARTITION_AWARE, kinds.TASK_KILLING_STATE, kinds.MULTI_ROLE, kinds.RESERVATION_REFINEMENT]
    if "gpu_resources" in config.features_enable:
        capabilities.append(kinds.GPU_RESOURCES)
    return FrameworkInfo(
        user=config.mesos_user or "root",
        name=config.framework_name,
        id=FrameworkID(value=framework_id) if framework_id else None,
        failover_timeout=config.failover_timeout,
        checkpoint=True,
        roles=(config.mesos_role,),
        hostname=own.rpartition(":")[0],
        principal=config.mesos_authentication_principal,
        webui_url=f"{scheme()}://{own}",
        capabilities=tuple(FrameworkInfoCapability(type=kind) for kind in capabilities),
    )


class Metronome:
    """One instance: HTTP always, the scheduler while it leads."""

    def __init__(
        self,
        app: App[Config],
        store: Store,
        service: Service,
        base: str,
        *,
        subscribe: Callable[[FrameworkInfo], SchedulerClient],
        ids: Iterator[str],
    ) -> None:
        """``subscribe`` makes the client of the leading master; ``ids`` gives UUID texts."""
        self._app = app
        self._store = store
        self._service = service
        self._base = base
        self._subscribe = subscribe
        self._ids = ids

    async def stand(self) -> None:
        """Contend for leadership for ever.   Errors: Exit."""
        candidate = Candidate(
            self._store,
            f"{self._base}/leader",
            label=MARATHON_LABEL,
            data=self._service.own.encode(),
            epoch_path=f"{self._base}/state/epoch",
        )
        await stand(self._app, candidate, told=self._told, lead=self._lead)

    def _told(self, leader: str | None) -> None:
        self._service.leading = leader

    async def _lead(self, epoch: Epoch) -> None:
        app, config = self._app, self._app.config
        repository = Repository(self._store, f"{self._base}/state", marker=f"{self._service.own}-{next(self._ids)}")
        try:
            async with leading(repository.forget_framework):
                state = await repository.load(epoch)
                core = Scheduler(state, core_settings(config), self._ids)
                loop = SchedulerLoop[events.Asked, Result](
                    core, repository.save, app.clock, name="metronome", on_change=lambda: None
                )
                app.log.info("state_loaded", jobs=len(state.jobs), runs=len(state.runs), epoch=epoch.number)
                await loop.start()
                client = self._subscribe(framework_info(config, self._service.own, state.framework_id))
                async with client, asyncio.TaskGroup() as group:
                    group.create_task(loop.run(), name="leader")
                    group.create_task(loop.tick(), name="tick")
                    attend(group, loop, client)
                    self._service.leader = Leading(loop, state)
                    app.ready("leads")
        finally:
            self._service.leader = None


def _guards(app: App[Config], http: ClientSession) -> tuple[Any, ...]:
    """What asks for rights, before handlers."""
    if app.config.security == "disabled":
        return ()
    from dcos.client.gate import gate  # what checks tokens takes cryptography along: 8 MB
    from dcos.metronome.access import guarded

    return (guarded(gate("metronome", app, app.config.bouncer, http)),)


async def run(app: App[Config]) -> None:
    config = app.config
    unsupported = sorted(set(config.features_enable) - SUPPORTED_FEATURES)
    if unsupported:
        app.log.warning("features_without_effect", features=",".join(unsupported))
    address = config.http_address or detect_ip(config.ip, config.ip_discovery_command)
    own = f"{config.hostname or address}:{config.http_port}"
    async with session(timeout_s=None) as http:
        proxy = api.leader_proxy(http, lambda: service.leading, own, timeout_s=config.leader_proxy_timeout)
        service = Service(config=config, own=own, proxy=proxy)
        async with (
            listen(api.application(service, *_guards(app, http)), host=address, port=config.http_port),
            connected(config.zk, session_timeout_s=config.zk_session_timeout) as store,
        ):
            secret = secret_of(config.mesos_authentication_secret, config.mesos_authentication_secret_file)

            def subscribe(framework: FrameworkInfo) -> SchedulerClient:
                return subscriber(app, config.master, framework, config.mesos_authentication_principal, secret)

            base = ZkUrl.parse(config.zk).path
            await Metronome(app, store, service, base, subscribe=subscribe, ids=fresh_ids()).stand()


def main() -> int:
    return shell.main("dcos-metronome", Config, run, prefix="METRONOME_")
