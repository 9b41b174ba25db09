"""``dcos-mesos-agent``: puts the agent together and runs it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import socket
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from dcos.agent import executor_socket, isolators, oversubscription
from dcos.agent.api import Api, is_executor
from dcos.agent.callers import admitting
from dcos.agent.checkpoint import Checkpoints
from dcos.agent.config import Config
from dcos.agent.container_api import ContainerApi
from dcos.agent.containerizer import default_dns, oci
from dcos.agent.containerizer.base import Backend, Launcher
from dcos.agent.containerizer.cni import Plugins
from dcos.agent.containerizer.containerizer import Containerizer, Settings
from dcos.agent.containerizer.host import HostBackend
from dcos.agent.containerizer.image_volumes import ImageVolumes
from dcos.agent.containerizer.images import ImageStore
from dcos.agent.containerizer.networks import Networks
from dcos.agent.containerizer.posix import PosixLauncher
from dcos.agent.containerizer.privileges import PrivilegeRules, parse_capabilities
from dcos.agent.containerizer.systemd import Bus, SystemdLauncher
from dcos.agent.containerizer.systemd import available as systemd_available
from dcos.agent.containerizer.volume_sources import VolumeSources
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.environment import AgentEnvironment
from dcos.agent.core.memory import Rules
from dcos.agent.daemon import Daemon
from dcos.agent.disk_usage import DiskUsage
from dcos.agent.executor_api import ExecutorApi
from dcos.agent.fetcher import Fetcher
from dcos.agent.gc import GarbageCollector
from dcos.agent.image_gc import ImageGc
from dcos.agent.image_gc import parse as parse_image_gc
from dcos.agent.leaders import follow, leaders
from dcos.agent.link import AgentLink, proving_dial
from dcos.agent.log_rotation import LogRotation
from dcos.agent.memory_kills import MemoryKills
from dcos.agent.nested import NestedContainers
from dcos.agent.port_usage import PortUsage
from dcos.agent.recovery import EXIT_CHECKPOINTS
from dcos.agent.resource_providers import ResourceProviders
from dcos.agent.resources import agent_attributes, agent_resources, memory_bytes
from dcos.agent.sandbox import WorkDir
from dcos.agent.secrets import Secrets
from dcos.agent.statsd import StatsdPorts
from dcos.agent.views import Views
from dcos.agent.volume_gids import VolumeGids
from dcos.client import mesos_names
from dcos.client.agent_names import FrontDoor
from dcos.model.acls import EVERYTHING
from dcos.model.mesos_permissions import Granted
from dcos.model.v1.types import AgentInfo, ContainerInfo, ContainerInfoType, DomainInfo
from dcos.runtime import access_settings, http, tls
from dcos.runtime import app as runtime_app
from dcos.runtime.app import App, Exit
from dcos.runtime.files import write_atomic
from dcos.runtime.http_access import Namer, needing
from dcos.runtime.net import AddressError, detect_ip
from dcos.runtime.timing import Timer
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

EXIT_SETTINGS = 2
FRONT_DOOR = "https://leader.mesos"
_LOOK_FOR_DOCKER_S = 60.0


async def run(app: App[Config]) -> None:
    """The agent, until the process is asked to end. Tasks stay."""
    config = app.config
    problems = config.problems()
    if problems:
        raise Exit(EXIT_SETTINGS, "; ".join(problems))
    access_settings.warn(app.log, config)
    for isolator, why in isolators.idle(config.isolation).items():
        app.log.warning("isolator_without_effect", isolator=isolator, why=why)
    for flag, module in oversubscription.idle(config.resource_estimator, config.qos_controller).items():
        app.log.warning("module_without_effect", flag=flag, module=module)
    work = WorkDir(config.work_dir.resolve())
    runtime = (
        config.runtime_dir or app.layout.root / "var/run/mesos"
    ).resolve()  # /var/run is a link, which runc refuses in a root's path
    try:
        ip = detect_ip(config.ip, config.ip_discovery_command)
        info = agent_info(config, ip)
        launcher = choose_launcher(config)
        rules = privilege_rules(config)
        contained = default_container(config)
        dns = default_dns.parse(config.default_container_dns or "{}")
        image_gc = None if config.image_gc_config is None else parse_image_gc(config.image_gc_config)
        elected = leaders(app)
        sockets = executor_socket.asked_for(app, runtime)
        beyond = oversubscription.oversubscribed(config.resource_estimator, config.modules)
        preempting = oversubscription.thresholds(config.qos_controller, config.modules)
    except (ValueError, AddressError, WireError) as error:
        raise Exit(EXIT_SETTINGS, str(error)) from error
    if any(one.name == "gpus" for one in info.resources):
        app.log.warning("gpus_are_only_counted", why="tasks are offered --resources of gpus, but get no device")
    for folder in (work.root, runtime):
        folder.mkdir(parents=True, exist_ok=True)
    endpoint = f"{config.advertise_ip or ip}:{info.port}"

    try:
        taken = work.meta / "volume_gid_manager/volume_gids"
        gids = None if config.volume_gid_range is None else VolumeGids(config.volume_gid_range, taken)
    except (OSError, msgspec.MsgspecError) as error:
        raise Exit(EXIT_CHECKPOINTS, f"{taken}: {error}") from error
    try:
        providers = ResourceProviders(config.resource_provider_config_dir, app.log)
    except OSError as error:
        words = f"Config directory '{config.resource_provider_config_dir}' does not exist or cannot be listed: {error}"
        raise Exit(EXIT_SETTINGS, f"--resource_provider_config_dir: {words}") from error
    fetcher = Fetcher(
        cache_dir=config.fetcher_cache_dir or work.root / "fetch",
        cache_bytes=config.fetcher_cache_size,
        frameworks_home=config.frameworks_home,
        stall_s=config.fetcher_stall_timeout,
        hadoop_home=config.hadoop_home,
        now=app.clock.now,
    )
    unusable = images_unusable(config)
    launchers: dict[str, Launcher] = {"posix": PosixLauncher()}
    if systemd_available(config.systemd_runtime_directory):
        launchers["systemd"] = SystemdLauncher(
            unified=is_unified(config.cgroups_hierarchy), memory_bytes=memory_bytes(info.resources)
        )
    images = None if unusable else make_oci(config, work, runtime, rules, sockets, systemd=launcher == "systemd")
    docker = Docker(config, work, dns)
    pulls = {"containerizer/docker/image_pull_ms": docker.pulled} if "docker" in config.containerizers else {}
    if images is not None:
        pulls["containerizer/mesos/provisioner/docker_store/image_pull_ms"] = images.pulled

    identity = tls.own()
    asked = config.jwt_secret_key if config.authenticate_http_executors else None
    token_key = asked.key if asked is not None else own_key(work.root) if identity is not None else None

    def environment() -> AgentEnvironment:
        return AgentEnvironment(
            agent_id=daemon.agent_id or "",
            endpoint=endpoint,
            recovery_timeout_s=config.recovery_timeout,
            shutdown_grace_s=config.executor_shutdown_grace_period,
            http_command_executor=config.http_command_executor,
            extra=config.executor_environment_variables,
            native_library=native_library(config.launcher_dir),
            token_key=token_key,
            authorities=str(identity.settings.authorities) if identity is not None and not identity.plain_too else None,
            domain_socket=None if sockets is None else sockets.path,
        )

    containerizer = Containerizer(
        work=work,
        runtime=runtime,
        launchers=launchers,
        launcher=launcher,
        host=HostBackend(rules),
        oci=images,
        oci_unusable=unusable,
        docker=docker.backend,
        fetcher=fetcher,
        settings=Settings(
            sandbox_directory=config.sandbox_directory,
            switch_user=config.switch_user and os.geteuid() == 0,
            enable_cfs=config.cgroups_enable_cfs,
            limit_swap=config.cgroups_limit_swap,
            revocable_low=config.revocable_cpu_low_priority,
        ),
        agent_environment=environment,
        gids=gids,
        sources=VolumeSources(
            config.host_path_volume_force_creation,
            config.docker_volume_chown,
            None if images is None else ImageVolumes(images.image, work.root / "provisioner"),
        ),
        secrets=secret_store(app, lambda: daemon.link.leader if daemon.link is not None else None),
        statsd=StatsdPorts(config.statsd_socket, app.log) if config.statsd_socket is not None else None,
        rules=rules,
        networks=Networks(Plugins(config.network_cni_config_dir, config.network_cni_plugins_dir or ""), dns=dns),
        log=app.log,
    )
    known = mesos_names.granted(config.security, agent=True) if config.security != "disabled" else None
    core = AgentCore(
        Rules(
            acls=known or config.acls or EVERYTHING,
            ip=config.advertise_ip or ip,
            launcher_dir=config.launcher_dir,
            default_container=contained,
            shutdown_grace_s=config.executor_shutdown_grace_period,
            switch_user=config.switch_user and os.geteuid() == 0,
            containerizers=config.containerizers,
            docker_stop_timeout_s=config.docker_stop_timeout,
            max_completed_executors=config.max_completed_executors_per_framework,
            registration_s=config.executor_registration_timeout,
            holds_limits=launcher == "systemd",
            reregistration_s=config.executor_reregistration_timeout,
        ),
        new_uuid=lambda: app.rng.getrandbits(128).to_bytes(16, "big"),
    )
    core.operations.oversubscribed = beyond
    collector = GarbageCollector(
        work.root,
        delay_s=config.gc_delay,
        headroom=config.gc_disk_headroom,
        interval_s=config.disk_watch_interval,
        clock=app.clock,
        log=app.log,
    )
    daemon = Daemon(
        app,
        core,
        info=info,
        work=work,
        checkpoints=Checkpoints(work),
        containerizer=containerizer,
        collector=collector,
    )
    disk = None
    if "disk/du" in config.isolation:
        disk = DiskUsage(
            core,
            sandbox_of=containerizer.sandbox,
            volumes=containerizer.volumes,
            post=daemon.post,
            interval_s=config.container_disk_watch_interval,
            enforce=config.enforce_container_disk_quota,
            clock=app.clock,
            log=app.log,
        )
    ports = None
    if "network/ports" in config.isolation:
        ports = PortUsage(
            core,
            post=daemon.post,
            interval_s=config.container_ports_watch_interval or 30.0,
            enforce=bool(config.enforce_container_ports),
            total=(lambda: tuple(core.operations.total.ranges("ports")))
            if config.check_agent_port_range_only
            else None,
            clock=app.clock,
            log=app.log,
        )
    daemon.pid = f"slave(1)@{endpoint}"
    views = Views(
        daemon=daemon,
        containerizer=containerizer,
        fetcher=fetcher,
        collector=collector,
        work=work,
        config=config,
        clock=app.clock,
        disks_of=None if disk is None else disk.told_of,
        providers=providers,
        pulls=pulls,
    )
    nested = NestedContainers(
        core=core,
        containerizer=containerizer,
        inside=launchers["posix"],
        launcher=launcher,
        work=work,
        runtime=runtime,
        fetcher=fetcher,
        sandbox_directory=config.sandbox_directory,
        switch_user=config.switch_user and os.geteuid() == 0,
        agent_id=lambda: daemon.agent_id or "",
        ip=config.advertise_ip or ip,
        spawn=lambda work, name: app.spawn(work, name=name),
        log=app.log,
    )
    daemon.nested = nested
    containers = ContainerApi(nested, heartbeat_s=config.http_heartbeat_interval)
    async with contextlib.AsyncExitStack() as serving:
        namer = names(app, serving, known, lambda: daemon.link.leader if daemon.link is not None else None)
        near = ExecutorApi(daemon, daemon.clock, token_key=asked.key if asked is not None else None)
        # at a port that wants to know everybody, executors show their tokens
        strict = identity is not None and not identity.plain_too
        far = ExecutorApi(daemon, daemon.clock, token_key=token_key) if strict else near
        api = Api(views, far, containers, namer, near=near)
        named = but_executors(needing(namer)) if strict else needing(namer)
        served = http.listen(api.application(), host=ip, port=config.port, admits=admitting(ip), named=named)
        await serving.enter_async_context(served)
        if sockets is not None:
            try:
                await serving.enter_async_context(sockets.serve(api.executor_application()))
            except ValueError as error:
                raise Exit(EXIT_SETTINGS, str(error)) from error
        app.log.info("starting", pid=daemon.pid, launcher=launcher, images=unusable or "runc")
        await daemon.recover(
            policy=config.reconfiguration_policy, strict=config.strict, cleanup=config.recover == "cleanup"
        )
        runs = [one.run_id for each in core.frameworks.values() for one in each.executors.values()]
        await containerizer.drop_groups_but(runs)
        link = AgentLink(
            hello=daemon.hello,
            receive=daemon.receive,
            lost=daemon.lost,
            backoff_factor_s=config.registration_backoff_factor,
            rng=app.rng,
            log=app.log,
            dial=proving_dial(config.credential),
        )
        daemon.link = link
        app.ready("waiting for a master")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.run(), name="daemon")
            tasks.create_task(collector.run(), name="gc")
            if config.sandbox_log_max_size:
                tasks.create_task(rotation(app, core, containerizer).run(), name="logs")
            if image_gc is not None:
                store = config.docker_store_dir or work.store
                gc = ImageGc(image_gc, store, containerizer.prune_images, app.log)
                tasks.create_task(gc.run(), name="image gc")
            if disk is not None:
                tasks.create_task(disk.run(), name="disk")
            tasks.create_task(MemoryKills(core, post=daemon.post, clock=app.clock).run(), name="memory")
            if preempting is not None:
                interval_s = config.qos_correction_interval_min
                controller = oversubscription.LoadController(
                    core, preempting, interval_s=interval_s, post=daemon.post, clock=app.clock
                )
                tasks.create_task(controller.run(), name="qos")
            if ports is not None:
                tasks.create_task(ports.run(), name="ports")
            if "docker" in config.containerizers:
                tasks.create_task(docker.care(app, daemon.core.containers), name="docker")
            await daemon.executors_back(config.executor_reregistration_timeout)
            tasks.create_task(link.run(), name="link")
            tasks.create_task(follow(elected, link), name="detect")


def own_key(folder: Path) -> bytes:
    """That signs executors' tokens where none is given: made once, for tokens outlive the agent.   Errors: OSError."""
    path = folder / "executor-key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(path, os.urandom(32), mode=0o600)
    return path.read_bytes()


def but_executors(named: http.Named | None) -> http.Named | None:
    """``named`` for all but the executors' API, which looks at the tokens that it gave."""
    if named is None:
        return None

    async def asked(request: web.Request) -> web.Response | None:
        return None if is_executor(request) else await named(request)

    return asked


def secret_store(app: App[Config], leader: Callable[[], str | None]) -> Secrets | None:
    """By the agent's service account, if it has one."""
    config = app.config
    path = config.service_account_credential
    if path is None:
        return None
    if not path.exists():
        app.log.warning("no_service_account", path=str(path), why="tasks with secrets of the store will fail")
        return None
    return Secrets(account=path, url=config.secrets_url, ca=config.secrets_ca, leader=leader, clock=app.clock)


def names(
    app: App[Config], stack: contextlib.AsyncExitStack, known: Granted | None, leader: Callable[[], str | None]
) -> Namer | None:
    """Who names callers by tokens and certificates; ``known`` is told what they may do. None where nobody is asked."""
    config = app.config
    if known is None:
        return None
    url = config.identity_url or config.secrets_url or FRONT_DOOR
    door = FrontDoor(url, ca=config.secrets_ca, leader=leader, clock=app.clock, log=app.log)
    stack.push_async_callback(door.close)
    required = config.security != mesos_names.PERMISSIVE
    return mesos_names.Names(known, door.rights, required=required, log=app.log, authorizer="mesos_agent")


def agent_info(config: Config, ip: str) -> AgentInfo:
    """What the flags say of this agent (without its id).   Errors: ValueError, WireError."""
    config.work_dir.mkdir(parents=True, exist_ok=True)
    advertised = config.advertise_ip or ip
    hostname = config.hostname
    if hostname is None:
        hostname = advertised
        if config.hostname_lookup:
            try:
                hostname = socket.gethostbyaddr(advertised)[0]
            except OSError:
                hostname = advertised
    domain = None
    if config.domain:
        domain = mesos_json.decode(config.domain.encode(), DomainInfo)
    try:
        resources = agent_resources(config.resources, config.default_role, config.work_dir)
    except ValueError as error:
        raise ValueError(f"--resources: {error}") from None
    try:
        attributes = agent_attributes(config.attributes)
    except ValueError as error:
        raise ValueError(f"--attributes: {error}") from None
    return AgentInfo(
        hostname=hostname,
        port=config.advertise_port or config.port,
        resources=resources,
        attributes=attributes,
        domain=domain,
    )


def default_container(config: Config) -> ContainerInfo | None:
    """Errors: ValueError, WireError."""
    if config.default_container_info is None:
        return None
    info = mesos_json.decode(config.default_container_info.encode(), ContainerInfo)
    if info.type is not ContainerInfoType.MESOS:
        raise ValueError("--default_container_info: only type MESOS can be everybody's")
    return info


def native_library(launcher_dir: str) -> str | None:
    """libmesos beside upstream's launcher, or where packages put it; frameworks in Java bring an operator to install it."""
    beside = Path(launcher_dir).parent.parent / "lib"
    for folder in (beside, Path("/usr/lib"), Path("/usr/local/lib")):
        path = folder / "libmesos.so"
        if path.exists():
            return str(path)
    return None


def choose_launcher(config: Config) -> str:
    """``systemd`` or ``posix``.   Errors: ValueError when the asked one cannot be had."""
    usable = os.geteuid() == 0 and systemd_available(config.systemd_runtime_directory)
    if config.launcher == "posix":
        return "posix"
    if config.launcher in ("linux", "systemd"):
        if not usable:
            raise ValueError(
                f"--launcher={config.launcher}: needs root and systemd as the machine's manager"
                f" ({config.systemd_runtime_directory} and its bus); --launcher=posix works everywhere"
            )
        return "systemd"
    return "systemd" if usable and config.systemd_enable_support else "posix"


def rotation(app: App[Config], core: AgentCore, containerizer: Containerizer) -> LogRotation:
    def sandboxes() -> Iterator[Path]:
        for container_id in core.containers():
            sandbox = containerizer.sandbox(container_id)
            if sandbox is not None:
                yield sandbox

    return LogRotation(
        sandboxes, max_size=app.config.sandbox_log_max_size, keep=app.config.sandbox_log_keep, log=app.log
    )


class Docker:
    """The docker containerizer, loaded when it is needed first: most nodes have no Docker Engine."""

    def __init__(self, config: Config, work: WorkDir, dns: default_dns.DefaultDns) -> None:
        self._config = config
        self._dns = dns
        self._owner = str(work.root)
        self._made: Any = None
        self.pulled = Timer()

    def backend(self) -> Backend:
        if self._made is None:
            docker = importlib.import_module("dcos.agent.containerizer.docker")
            engine = importlib.import_module("dcos.agent.containerizer.docker_engine")
            self._made = docker.DockerBackend(
                engine.Engine(self._config.docker_socket),
                client=self._config.docker,
                owner=self._owner,
                sandbox_directory=self._config.sandbox_directory,
                config=self._config.docker_config,
                remove_delay_s=self._config.docker_remove_delay,
                dns=self._dns,
                groups=self._groups(),
                pulled=self.pulled,
            )
        backend: Backend = self._made
        return backend

    def _groups(self) -> Any:
        groups = importlib.import_module("dcos.agent.containerizer.docker_groups")
        return groups.DockerGroups(
            self._config.cgroups_hierarchy,
            owner=self._owner,
            cgroups_root=self._config.cgroups_root,
            bus=Bus() if systemd_available(self._config.systemd_runtime_directory) else None,
        )

    async def care(self, app: App[Config], known: Callable[[], Collection[str]]) -> None:
        """Once there is an Engine: end orphans, then remove what ended, for ever."""
        socket = Path(self._config.docker_socket)
        while True:
            if socket.exists():
                await self._care(app, known)
            await asyncio.sleep(_LOOK_FOR_DOCKER_S)

    async def _care(self, app: App[Config], known: Callable[[], Collection[str]]) -> None:
        self.backend()
        cleaner = importlib.import_module("dcos.agent.containerizer.docker_cleaner").DockerCleaner(
            self._made.engine,
            owner=self._owner,
            known=known,
            remove_delay_s=self._config.docker_remove_delay,
            orphans=self._config.docker_kill_orphans,
            clock=app.clock,
            log=app.log,
            groups=self._made.groups,
        )
        await cleaner.run()


def privilege_rules(config: Config) -> PrivilegeRules:
    """Errors: ValueError."""
    effective = parse_capabilities(config.effective_capabilities, "effective_capabilities")
    bounding = parse_capabilities(config.bounding_capabilities, "bounding_capabilities")
    if effective is not None and bounding is not None and not set(effective) <= set(bounding):
        raise ValueError("--effective_capabilities must be a subset of --bounding_capabilities")
    return PrivilegeRules(
        isolation=config.isolation,
        effective=effective,
        bounding=bounding,
        seccomp_folder=config.seccomp_config_dir,
        seccomp_profile=config.seccomp_profile_name,
        shm_size=config.default_container_shm_size,
        no_shared_ipc=config.disallow_sharing_agent_ipc_namespace,
        no_shared_pid=config.disallow_sharing_agent_pid_namespace,
    )


def images_unusable(config: Config) -> str | None:
    """Why images cannot be run, None if they can."""
    if config.image_providers and "docker" not in [one.lower() for one in config.image_providers]:
        return "--image_providers does not name docker"
    return oci.usable()


def is_unified(hierarchy: Path) -> bool:
    """Whether cgroup v2 alone is mounted."""
    return (hierarchy / "cgroup.controllers").exists()


def make_oci(
    config: Config,
    work: WorkDir,
    runtime: Path,
    rules: PrivilegeRules,
    sockets: executor_socket.ExecutorSockets | None,
    *,
    systemd: bool,
) -> oci.OciBackend:
    store = ImageStore(
        config.docker_store_dir or work.store, registry=config.docker_registry, docker_config=config.docker_config
    )
    store.recover()
    return oci.OciBackend(
        store,
        work.root / "provisioner",
        runtime,
        sandbox_directory=config.sandbox_directory,
        systemd=systemd,
        rules=rules,
        cgroups_root=config.cgroups_root,
        executor_sockets=None if sockets is None else sockets.folder,
    )


def main() -> int:
    """Console entry."""
    return runtime_app.main("dcos-mesos-agent", Config, run, prefix="MESOS_")


if __name__ == "__main__":
    raise SystemExit(main())
