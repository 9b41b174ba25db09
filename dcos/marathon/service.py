"""The process: serve HTTP, stand for election, and while leading run the scheduler core against the leading master."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from ssl import SSLContext
from typing import Any, Final

from aiohttp import ClientSession

from dcos.client.scheduler import SchedulerClient
from dcos.client.scheduler_service import attend, connected, fresh_ids, leading, stand, subscriber
from dcos.marathon import api, api_apps, api_groups, api_pods, api_system, api_tasks, backup
from dcos.marathon.api import Service
from dcos.marathon.cluster_feed import IDLE_S, ClusterFeed
from dcos.marathon.config import SUPPORTED_FEATURES, Config
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.core.validate import Rules
from dcos.marathon.leader import Leader
from dcos.marathon.measure import Measurer
from dcos.marathon.metrics import Metrics
from dcos.marathon.persist import Repository
from dcos.marathon.probes import Prober
from dcos.marathon.senses import RealSenses, Senses
from dcos.marathon.stream import Bus
from dcos.marathon.subscribed_roles import SubscribedRoles
from dcos.model.v1.types import (
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
)
from dcos.runtime import app as shell
from dcos.runtime import heap
from dcos.runtime.app import App, Exit
from dcos.runtime.http import listen, session
from dcos.runtime.net import detect_ip
from dcos.runtime.tls import Identity, Settings, keep_fresh, own, scheme
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.match import Policy
from dcos.store.base import Store
from dcos.store.detect import MARATHON_LABEL
from dcos.store.election import Candidate, Epoch
from dcos.store.url import ZkUrl

ROLES_S: Final = 0.2


def core_settings(config: Config) -> CoreSettings:
    return CoreSettings(
        role=config.mesos_role,
        principal=config.mesos_authentication_principal,
        defaults=Defaults(role=config.mesos_role, network_name=config.default_network_name),
        rules=Rules(features=frozenset(config.enable_features) & SUPPORTED_FEATURES, default_role=config.mesos_role),
        policy=Policy(
            default_accepted_roles=config.accepted_roles(),
            draining_s=config.draining_seconds,
            gpu_scheduling=config.gpu_scheduling_behavior,
        ),
        task=TaskSettings(
            user=config.mesos_user or None,
            env_vars_prefix=config.env_vars_prefix,
            bridge_name=config.mesos_bridge_name,
            spaces=config.security != "disabled",
        ),
        service_ports=(config.local_port_min, config.local_port_max),
        max_instances_per_offer=config.max_instances_per_offer,
        offer_matching_timeout_s=config.offer_matching_timeout,
        launch_tokens=config.launch_tokens,
        launch_token_refresh_s=config.launch_token_refresh_interval,
        reservation_timeout_s=config.task_reservation_timeout,
        scale_check_initial_s=config.scale_apps_initial_delay,
        scale_check_interval_s=config.scale_apps_interval,
        decline_s=config.decline_offer_duration,
        min_revive_interval_s=config.min_revive_offers_interval,
        launch_confirm_timeout_s=config.task_launch_confirm_timeout,
        launch_timeout_s=config.task_launch_timeout,
        kill_retry_s=config.kill_retry_timeout,
        reconcile_initial_s=config.reconciliation_initial_delay,
        reconcile_interval_s=config.reconciliation_interval,
        max_running_deployments=config.max_running_deployments,
        max_versions=config.zk_max_versions,
        new_group_enforce_role=config.new_group_enforce_role == "top",
    )


def framework_info(config: Config, own: str, state: State) -> FrameworkInfo:
    """What Marathon is to the master."""
    kinds = FrameworkInfoCapabilityType
    capabilities = [kinds.PARTITION_AWARE, kinds.MULTI_ROLE, kinds.REGION_AWARE, kinds.RESERVATION_REFINEMENT]
    if "task_killing" in config.enable_features:
        capabilities.append(kinds.TASK_KILLING_STATE)
    if "gpu_resources" in config.enable_features:
        capabilities.append(kinds.GPU_RESOURCES)
    return FrameworkInfo(
        user=config.mesos_user or "root",
        name=config.framework_name,
        id=FrameworkID(value=state.framework_id) if state.framework_id else None,
        failover_timeout=config.failover_timeout,
        checkpoint=config.checkpoint,
        roles=state.roles(config.mesos_role),
        hostname=own.rpartition(":")[0],
        principal=config.mesos_authentication_principal,
        webui_url=config.webui_url or f"{scheme()}://{own}",
        capabilities=tuple(FrameworkInfoCapability(type=kind) for kind in capabilities),
    )


class Marathon:
    """One instance: HTTP always, the scheduler while it leads."""

    def __init__(
        self,
        app: App[Config],
        store: Store,
        service: Service,
        candidate: Candidate,
        base: str,
        *,
        subscribe: Callable[[FrameworkInfo], SchedulerClient],
        ids: Iterator[str],
        senses: Senses,
    ) -> None:
        self._app = app
        self._store = store
        self._service = service
        self._candidate = candidate
        self._base = base
        self._subscribe = subscribe
        self._ids = ids
        self._senses = senses

    async def stand(self) -> None:
        """Contend for leadership for ever.   Errors: Exit."""
        await stand(self._app, self._candidate, told=self._told, lead=self._lead)

    def _told(self, leader: str | None) -> None:
        self._service.leading = leader

    async def _lead(self, epoch: Epoch) -> None:
        app = self._app
        repository = Repository(self._store, self._base, marker=f"{self._service.own}-{next(self._ids)}")
        try:
            async with leading(repository.forget_framework):
                await backup.fulfil(self._store, self._base, epoch)
                state = await repository.load(epoch)
                core = Scheduler(state, core_settings(app.config), self._ids)
                changed = asyncio.Event()
                leader = Leader(core, repository, self._service.bus, self._service.metrics, app.clock, changed.set)
                prober = Prober(state, leader.tell, app.rng, self._senses.asking)
                app.log.info(
                    "state_loaded",
                    apps=len(state.apps),
                    pods=len(state.pods),
                    instances=len(state.instances),
                    epoch=epoch.number,
                )
                await leader.start()
                async with asyncio.TaskGroup() as group:
                    group.create_task(leader.run(), name="leader")
                    group.create_task(leader.tick(), name="tick")
                    group.create_task(prober.run(), name="prober")
                    group.create_task(self._schedule(leader, prober, changed), name="schedule")
                    group.create_task(self._look(leader), name="look")
                    group.create_task(self._measure(leader), name="measure")
                    self._service.leader = leader
                    self._service.metrics.leads(state)
                    app.ready("leads")
        finally:
            self._service.leader = None
            self._service.metrics.leads(None)

    async def _schedule(self, leader: Leader, prober: Prober, changed: asyncio.Event) -> None:
        """Hold the subscription; pass events in and calls out."""
        config = self._app.config
        info = framework_info(config, self._service.own, leader.state)
        client = self._subscribe(info)
        async with client, asyncio.TaskGroup() as group:
            attend(group, leader, client)
            roles = SubscribedRoles(leader, client, config.mesos_role, changed.set)
            prober.changed()
            while True:
                await changed.wait()
                changed.clear()
                prober.changed()
                roles.keep()
                await asyncio.sleep(ROLES_S)

    async def _look(self, leader: Leader) -> None:
        """Look at the cluster; the master is asked, and followed, only from when something needs it."""
        while True:
            await asyncio.sleep(IDLE_S)
            if leader.state.wants_cluster(leader.now()):
                break
        async with self._senses.looking() as look:
            await ClusterFeed(leader.state, look, leader.tell, leader.now).run()

    async def _measure(self, leader: Leader) -> None:
        """Measure for autoscaling and rollouts."""
        async with self._senses.measuring() as sources:
            await Measurer(leader.state, leader.tell, leader.now, sources).run()


_EXIT_SETTINGS: Final = 2


def _secured(app: App[Config]) -> tuple[str, int, SSLContext] | None:
    """Where HTTPS is served, and with what.   Errors: Exit."""
    config = app.config
    identity = own()
    if config.ssl_keystore_path is not None:
        try:
            identity = Identity(Settings(config.ssl_keystore_path, config.ssl_keystore_path))
        except (OSError, ValueError) as error:
            raise Exit(_EXIT_SETTINGS, f"--ssl_keystore_path: {error}") from error
        app.spawn(keep_fresh(identity), name="keystore")
    if identity is None:
        return None
    address = config.https_address or config.http_address or detect_ip(config.ip, config.ip_discovery_command)
    return address, config.https_port, identity.server


def _guards(app: App[Config], http: ClientSession) -> tuple[Any, ...]:
    """What asks for rights, before handlers."""
    if app.config.security == "disabled":
        return ()
    from dcos.client.gate import gate  # what checks tokens takes cryptography along: 8 MB
    from dcos.marathon.access import Guard, guarded

    return (guarded(Guard(gate("marathon", app, app.config.bouncer, http))),)


async def run(app: App[Config]) -> None:
    heap.freeze_survivors()
    config = app.config
    unsupported = sorted(set(config.enable_features) - SUPPORTED_FEATURES)
    if unsupported:
        app.log.warning("features_without_effect", features=",".join(unsupported))
    host = config.hostname or detect_ip(config.ip, config.ip_discovery_command)
    url = ZkUrl.parse(config.zk)
    secured = _secured(app)
    async with session(timeout_s=None) as http:
        service = Service(
            config=config,
            own=f"{host}:{config.http_port}",
            secured=secured is not None,
            bus=Bus(app.clock.now, config.event_stream_max_outstanding_messages),
            proxy=api.leader_proxy(
                http,
                lambda: service.leading,
                f"{host}:{config.http_port}",
                connect_s=config.leader_proxy_connection_timeout,
                read_s=config.leader_proxy_read_timeout,
            ),
            metrics=Metrics(app.clock.monotonic),
            abdicate=lambda: None,
            wish=lambda wish: backup.note(store, base, wish),
        )
        service.metrics.event_streams = lambda: service.bus.attached
        application = api.application(service, *_guards(app, http))
        for resources in (api_system, api_apps, api_pods, api_tasks, api_groups):
            resources.add_routes(application)
        async with (
            listen(
                application,
                host=config.http_address or detect_ip(config.ip, config.ip_discovery_command),
                port=config.http_port,
                secured=secured,
            ),
            connected(config.zk, session_timeout_s=config.zk_session_timeout) as store,
        ):
            base = url.below("state")
            candidate = Candidate(
                store,
                url.below("leader"),
                label=MARATHON_LABEL,
                data=service.own.encode(),
                epoch_path=f"{base}/epoch",
            )

            def abdicate() -> None:
                app.spawn(candidate.resign(), name="abdicate")

            service.abdicate = abdicate

            def subscribe(framework: FrameworkInfo) -> SchedulerClient:
                principal, secret = config.mesos_authentication_principal, config.mesos_secret
                return subscriber(app, config.master, framework, principal, secret)

            marathon = Marathon(
                app, store, service, candidate, base, subscribe=subscribe, ids=fresh_ids(), senses=RealSenses(app)
            )
            await marathon.stand()


def main() -> int:
    return shell.main("dcos-marathon", Config, run, prefix="MARATHON_")
