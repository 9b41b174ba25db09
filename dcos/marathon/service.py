"""The process: serve HTTP, stand for election, and while leading run the scheduler core against the leading master."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from dcos.client.scheduler import FrameworkError, SchedulerClient
from dcos.marathon import api, api_apps, api_groups, api_tasks
from dcos.marathon.api import Service
from dcos.marathon.config import SUPPORTED_FEATURES, Config
from dcos.marathon.core import events
from dcos.marathon.core.normalize import Defaults
from dcos.marathon.core.scheduler import Scheduler
from dcos.marathon.core.state import CoreSettings, State
from dcos.marathon.core.validate import Rules
from dcos.marathon.leader import Leader
from dcos.marathon.persist import Repository
from dcos.marathon.probes import Prober
from dcos.marathon.stream import Bus
from dcos.model.v1.scheduler import Call, CallType, CallUpdateFramework
from dcos.model.v1.types import (
    Address,
    FrameworkID,
    FrameworkInfo,
    FrameworkInfoCapability,
    FrameworkInfoCapabilityType,
    MasterInfo,
)
from dcos.runtime import app as shell
from dcos.runtime.app import App, Exit
from dcos.runtime.http import listen, session
from dcos.runtime.net import detect_ip
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.match import Policy
from dcos.store.base import SessionLost, Store
from dcos.store.detect import MARATHON_LABEL, follow_leading_master
from dcos.store.election import Candidate, Epoch
from dcos.store.journal import Deposed, SchemaTooNew
from dcos.store.url import ZkUrl
from dcos.store.zookeeper import connect_url

EXIT_LEADERSHIP: Final = 100
EXIT_FRAMEWORK: Final = 101
EXIT_SCHEMA: Final = 102
REMOVED: Final = "Framework has been removed"
ROLES_S: Final = 0.2


def fresh_ids() -> Iterator[str]:
    while True:
        yield str(uuid.uuid4())


def core_settings(config: Config) -> CoreSettings:
    return CoreSettings(
        role=config.mesos_role,
        defaults=Defaults(role=config.mesos_role, network_name=config.default_network_name),
        rules=Rules(features=frozenset(config.enable_features) & SUPPORTED_FEATURES, default_role=config.mesos_role),
        policy=Policy(default_accepted_roles=config.accepted_roles(), gpu_scheduling=config.gpu_scheduling_behavior),
        task=TaskSettings(
            user=config.mesos_user or None, env_vars_prefix=config.env_vars_prefix, bridge_name=config.mesos_bridge_name
        ),
        service_ports=(config.local_port_min, config.local_port_max),
        max_instances_per_offer=config.max_instances_per_offer,
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
        webui_url=config.webui_url or f"http://{own}",
        capabilities=tuple(FrameworkInfoCapability(type=kind) for kind in capabilities),
    )


async def masters(app: App[Config]) -> AsyncIterator[MasterInfo | None]:
    """The leading master, from ZooKeeper or as given by host:port."""
    given = app.config.master
    if given.startswith("zk://"):
        async for info in follow_leading_master(ZkUrl.parse(given), rng=app.rng):
            yield info
        return
    host, _, port = given.rpartition(":")
    address = Address(hostname=host, ip=host, port=int(port))
    yield MasterInfo(id="", ip=0, port=int(port), hostname=host, address=address)
    await asyncio.Event().wait()


class Marathon:
    """One instance: HTTP always, the scheduler while it leads."""

    def __init__(self, app: App[Config], store: Store, service: Service, candidate: Candidate, base: str) -> None:
        self._app = app
        self._store = store
        self._service = service
        self._candidate = candidate
        self._base = base

    async def stand(self) -> None:
        """Contend for leadership for ever.   Errors: Exit."""
        app = self._app
        try:
            async for standing in self._candidate.standings():
                self._service.leading = standing.leader.decode() if standing.leader else None
                app.log.info("election", leading=standing.leading, leader=self._service.leading)
                if standing.leading and standing.epoch is not None:
                    app.spawn(self._lead(standing.epoch), name="lead")
                else:
                    app.ready(f"follows {self._service.leading}")
        except SessionLost as error:
            self._service.leader = None
            raise Exit(EXIT_LEADERSHIP, f"leadership lost: {error}") from error

    async def _lead(self, epoch: Epoch) -> None:
        app = self._app
        marker = f"{self._service.own}-{uuid.uuid4()}"
        repository = Repository(self._store, self._base, marker=marker)
        try:
            state = await repository.load(epoch)
        except SchemaTooNew as error:
            raise Exit(EXIT_SCHEMA, str(error)) from error
        core = Scheduler(state, core_settings(app.config), fresh_ids())
        changed = asyncio.Event()
        leader = Leader(core, repository, self._service.bus, app.clock, changed.set)
        prober = Prober(state, leader.tell, app.rng)
        app.log.info("state_loaded", apps=len(state.apps), instances=len(state.instances), epoch=epoch.number)
        try:
            await leader.start()
            async with asyncio.TaskGroup() as group:
                group.create_task(leader.run(), name="leader")
                group.create_task(leader.tick(), name="tick")
                group.create_task(prober.run(), name="prober")
                group.create_task(self._schedule(leader, prober, changed), name="schedule")
                self._service.leader = leader
                app.ready("leads")
        except* Deposed as errors:
            raise Exit(EXIT_LEADERSHIP, f"another instance leads: {errors.exceptions[0]}") from errors
        except* SessionLost as errors:
            raise Exit(EXIT_LEADERSHIP, "the ZooKeeper session is lost") from errors
        except* FrameworkError as errors:
            text = str(errors.exceptions[0])
            if REMOVED in text:
                await repository.forget_framework()
            raise Exit(EXIT_FRAMEWORK, f"the master ended the subscription: {text}") from errors
        finally:
            self._service.leader = None

    async def _schedule(self, leader: Leader, prober: Prober, changed: asyncio.Event) -> None:
        """Hold the subscription; pass events in and calls out."""
        app, config = self._app, self._app.config
        credential = None
        if config.mesos_authentication_principal and config.mesos_authentication_secret:
            credential = (config.mesos_authentication_principal, config.mesos_authentication_secret)
        info = framework_info(config, self._service.own, leader.state)
        client = SchedulerClient(masters(app), info, jitter=app.rng.random, credential=credential)
        async with client, asyncio.TaskGroup() as group:
            group.create_task(leader.listen(client), name="listen")
            group.create_task(leader.send(client), name="send")
            prober.changed()
            while True:
                await changed.wait()
                changed.clear()
                prober.changed()
                await self._keep_roles(leader, client)
                await asyncio.sleep(ROLES_S)

    async def _keep_roles(self, leader: Leader, client: SchedulerClient) -> None:
        """Subscribe with every role that an app has."""
        roles = leader.state.roles(self._app.config.mesos_role)
        if roles == client.framework.roles:
            return
        client.framework = msgspec.structs.replace(client.framework, roles=roles)
        update = CallUpdateFramework(framework_info=client.framework)
        leader.pass_on(Call(type=CallType.UPDATE_FRAMEWORK, update_framework=update))
        leader.tell(events.CallLost(wants_offers=True))


@asynccontextmanager
async def connected(config: Config) -> AsyncIterator[Store]:
    store = await connect_url(ZkUrl.parse(config.zk), session_timeout_s=config.zk_session_timeout)
    try:
        yield store
    finally:
        await store.close()


async def run(app: App[Config]) -> None:
    config = app.config
    unsupported = sorted(set(config.enable_features) - SUPPORTED_FEATURES)
    if unsupported:
        app.log.warning("features_without_effect", features=",".join(unsupported))
    host = config.hostname or detect_ip(config.ip, config.ip_discovery_command)
    url = ZkUrl.parse(config.zk)
    async with session(timeout_s=None) as http:
        service = Service(
            config=config,
            own=f"{host}:{config.http_port}",
            bus=Bus(app.clock.now, config.event_stream_max_outstanding_messages),
            proxy=api.leader_proxy(
                http,
                lambda: service.leading,
                f"{host}:{config.http_port}",
                connect_s=config.leader_proxy_connection_timeout,
                read_s=config.leader_proxy_read_timeout,
            ),
            abdicate=lambda: None,
        )
        application = api.application(service)
        for resources in (api_apps, api_tasks, api_groups):
            resources.add_routes(application)
        async with (
            listen(
                application,
                host=config.http_address or detect_ip(config.ip, config.ip_discovery_command),
                port=config.http_port,
            ),
            connected(config) as store,
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
            await Marathon(app, store, service, candidate, base).stand()


def main() -> int:
    return shell.main("dcos-marathon", Config, run, prefix="MARATHON_")
