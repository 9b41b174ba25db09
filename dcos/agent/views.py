"""What the agent's APIs show, gathered from core, containers and settings. ``api.py`` and ``operator.py`` ask here."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent import metrics, render
from dcos.agent.access import ALL, Viewer, about_executor
from dcos.agent.config import Config, shown
from dcos.agent.containerizer import control_groups, processes
from dcos.agent.containerizer.base import LaunchError
from dcos.agent.containerizer.containerizer import Containerizer
from dcos.agent.core.state import ExecutorKind, ExecutorRun, FrameworkRun, Phase, TaskRun, container_id_of
from dcos.agent.daemon import Daemon
from dcos.agent.fetcher import Fetcher
from dcos.agent.gc import GarbageCollector
from dcos.agent.identity import CAPABILITIES, version_json
from dcos.agent.resource_providers import ResourceProviders
from dcos.agent.sandbox import WorkDir
from dcos.model.acls import Action
from dcos.model.resources import EMPTY, Resources
from dcos.model.v1 import agent as v1
from dcos.model.v1.types import ContainerID, ContainerStatus, DiskStatistics, Image, ResourceStatistics, TimeInfo
from dcos.runtime.attached import Attached
from dcos.runtime.clock import Clock
from dcos.runtime.timing import Timer


class Views:
    """Read-only."""

    def __init__(
        self,
        *,
        daemon: Daemon,
        containerizer: Containerizer,
        fetcher: Fetcher,
        collector: GarbageCollector,
        work: WorkDir,
        config: Config,
        clock: Clock,
        disks_of: Callable[[str], tuple[DiskStatistics, ...]] | None = None,
        providers: ResourceProviders,
        pulls: Mapping[str, Timer],
    ) -> None:
        """``pulls``: how long images took to come, by the metric's name."""
        self.daemon = daemon
        self._containerizer = containerizer
        self._fetcher = fetcher
        self._collector = collector
        self._work = work
        self.config = config
        self.providers = providers
        self.acls = daemon.core.rules.acls
        self._clock = clock
        self._disks_of = disks_of
        self._pulls = pulls
        self._look: processes.Look | None = None
        self._looked = 0.0
        self.start_time = clock.now()
        self.flags = shown(config)

    @property
    def ready(self) -> bool:
        return self.daemon.recovered

    # ---- v0 ----------------------------------------------------------------------------------------------------------

    def state(self, viewer: Viewer = ALL) -> dict[str, Any]:
        daemon = self.daemon
        info = daemon.info
        head = {
            **version_json(),
            "start_time": self.start_time,
            "id": daemon.agent_id or "",
            "pid": daemon.pid,
            "hostname": info.hostname,
            "capabilities": [str(one.type) for one in CAPABILITIES],
        }
        if info.domain is not None:
            head["domain"] = msgspec.to_builtins(info.domain)
        drain = daemon.core.drain
        if drain is not None:
            head["drain_config"] = msgspec.to_builtins(drain.config)
            head["estimated_drain_start_time_seconds"] = drain.since
        tail: dict[str, Any] = {"resource_providers": [], "attributes": render.attributes_json(info.attributes)}
        link = daemon.link
        if link is not None and link.connected and link.leader is not None:
            tail["master_hostname"] = link.leader.rpartition(":")[0]
        for name in ("log_dir", "external_log_file"):
            if getattr(self.config, name) is not None:
                tail[name] = getattr(self.config, name)
        if viewer.flags():
            tail["flags"] = self.flags
        return render.state_json(
            head=head,
            resources=render.agent_resources_json(daemon.core.operations.total, daemon.core.allocated()),
            tail=tail,
            frameworks=daemon.core.frameworks.values(),
            completed=daemon.core.completed_frameworks,
            directory=self.directory,
            viewer=viewer,
        )

    def agent(self) -> v1.ResponseGetAgent:
        drain = self.daemon.core.drain
        return v1.ResponseGetAgent(
            agent_info=self.daemon.info,
            drain_config=drain.config if drain is not None else None,
            estimated_drain_start_time=(TimeInfo(nanoseconds=int(drain.since * 1e9)) if drain is not None else None),
        )

    def directory(self, framework: FrameworkRun, executor: ExecutorRun) -> str:
        return str(
            self._work.run(self.daemon.agent_id or "", framework.framework_id, executor.executor_id, executor.run_id)
        )

    def statistics(self) -> list[dict[str, Any]]:
        return [self._executor_usage(framework, executor) for framework, executor in self._live_executors()]

    def containers(self, viewer: Viewer = ALL) -> list[dict[str, Any]]:
        out = []
        for framework, executor in self._live_executors():
            if not viewer.container(executor, framework.info):
                continue
            usage = self._executor_usage(framework, executor)
            usage["container_id"] = executor.run_id
            status: dict[str, Any] = {"container_id": {"value": executor.run_id}}
            pid = next((run.pid for run in executor.tasks.values() if run.pid is not None), None)
            if executor.life is not None:
                pid = executor.life.pid
            if pid is not None and executor.kind is not ExecutorKind.DEFAULT:
                status["executor_pid"] = pid
            usage["status"] = status
            out.append(usage)
        return out

    def pending(self) -> dict[str, Any]:
        """What containers wait for."""
        return {"pending": self._containerizer.pending.json()}

    def _executor_usage(self, framework: FrameworkRun, executor: ExecutorRun) -> dict[str, Any]:
        return {
            "executor_id": executor.executor_id,
            "executor_name": executor.info.name or "",
            "framework_id": framework.framework_id,
            "source": executor.info.source or "",
            "statistics": msgspec.to_builtins(self.executor_statistics(executor)),
        }

    def _live_executors(self) -> Iterator[tuple[FrameworkRun, ExecutorRun]]:
        for framework in self.daemon.core.frameworks.values():
            for executor in framework.executors.values():
                if executor.pids:
                    yield framework, executor

    # ---- statistics --------------------------------------------------------------------------------------------------

    def executor_statistics(self, executor: ExecutorRun) -> ResourceStatistics:
        """Sum over its tasks' processes; limits are requests, and hard limits where there are any."""
        used = executor.used()
        usages = [self._usage(pid) for pid in executor.pids]
        containers = dict.fromkeys((executor.run_id, *(one.container_id for one in executor.tasks.values())))
        return self._statistics(used, usages, executor.run_id, executor.pids, tuple(containers))

    def task_statistics(self, run: TaskRun) -> ResourceStatistics:
        pids = [run.pid] if run.phase is Phase.RUNNING and run.pid is not None else []
        usages = [self._usage(pid) for pid in pids]
        return self._statistics(Resources.of(run.info.resources), usages, run.container_id, pids, (run.container_id,))

    def _usage(self, pid: int) -> processes.Usage:
        """As of at most a second ago: one look at all processes serves a whole answer."""
        now = self._clock.monotonic()
        if self._look is None or now - self._looked > 1.0 or pid not in self._look.members:
            self._look, self._looked = processes.look(), now
        return processes.usage(pid, self._look)

    def _statistics(
        self,
        resources: Resources,
        usages: list[processes.Usage],
        container_id: str,
        pids: list[int],
        on_disk: tuple[str, ...],
    ) -> ResourceStatistics:
        """By control group where the container has its own, else by its processes. ``on_disk``: who has files for it."""
        told = self._of_processes(resources, usages, container_id)
        counted: dict[str, Any] = dict(control_groups.total([control_groups.figures(pid) for pid in pids]))
        for name, value in counted.items():
            counted[name] = value if name.endswith("_secs") else int(value)
        disks = [disk for one in on_disk for disk in self._disks_of(one)] if self._disks_of is not None else []
        sandboxes = [one for one in disks if one.persistence is None]
        if disks:
            counted["disk_statistics"] = tuple(disks)
        if sandboxes:
            counted["disk_used_bytes"] = sum(one.used_bytes or 0 for one in sandboxes)
            counted["disk_limit_bytes"] = sum(one.limit_bytes or 0 for one in sandboxes)
        return msgspec.structs.replace(told, **counted)

    def _of_processes(
        self, resources: Resources, usages: list[processes.Usage], container_id: str
    ) -> ResourceStatistics:
        mark = self._containerizer.mark(container_id)
        mem = resources.scalar("mem") * 1024 * 1024 // 1000
        return ResourceStatistics(
            timestamp=self._clock.now(),
            processes=sum(one.processes for one in usages),
            threads=sum(one.threads for one in usages),
            cpus_user_time_secs=sum(one.user_s for one in usages),
            cpus_system_time_secs=sum(one.system_s for one in usages),
            cpus_limit=mark.cpus_hard if mark is not None else None,
            cpus_soft_limit=resources.scalar("cpus") / 1000,
            mem_limit_bytes=mark.mem_hard_bytes if mark is not None and mark.mem_hard_bytes is not None else mem,
            mem_soft_limit_bytes=mem,
            mem_rss_bytes=sum(one.rss_bytes for one in usages),
        )

    def process_statistics(self, pid: int | None) -> ResourceStatistics:
        """Of a container that has no resources of its own."""
        return self._statistics(EMPTY, [processes.usage(pid)] if pid is not None else [], "", [], ())

    def executor_status(self, executor: ExecutorRun) -> ContainerStatus:
        """Of a container that is the executor's own."""
        return ContainerStatus(
            container_id=ContainerID(value=executor.run_id), executor_pid=next(iter(executor.pids), None)
        )

    def container_status(self, executor: ExecutorRun, run: TaskRun) -> ContainerStatus:
        return ContainerStatus(
            container_id=container_id_of(executor, run), network_infos=run.network_infos, executor_pid=run.pid
        )

    def metrics(self) -> dict[str, float]:
        return metrics.snapshot(
            self.daemon,
            self._containerizer,
            self._fetcher,
            self._collector,
            self._pulls,
            uptime_s=self._clock.now() - self.start_time,
            images="filesystem/linux" in self.config.isolation,
        )

    async def prune_images(self, excluded: Iterable[Image]) -> None:
        """Errors: ContainerError."""
        await self._containerizer.prune_images(excluded)

    # ---- files -------------------------------------------------------------------------------------------------------

    def attached(self) -> Iterator[Attached]:
        """Sandboxes (by real path and by id), and the log."""
        core = self.daemon.core
        for framework in (*core.frameworks.values(), *core.completed_frameworks):
            for executor in (*framework.executors.values(), *framework.completed_executors):
                real = Path(self.directory(framework, executor))
                ids = f"/frameworks/{framework.framework_id}/executors/{executor.executor_id}/runs"
                names = [str(real), f"{ids}/{executor.run_id}"]
                if framework.executors.get(executor.executor_id) is executor:
                    names += [str(real.parent / "latest"), f"{ids}/latest"]
                allowed = partial(self._may_enter, framework, executor)
                missing = partial(self._entry, framework, executor)
                yield from (Attached(name, real, allowed, missing) for name in names)
                for below, volume in self._volumes(executor):
                    yield from (Attached(f"{name}/{below}", volume, allowed, missing) for name in names)
        file = self.config.external_log_file
        if file is None and self.config.log_dir is not None:
            file = f"{self.config.log_dir}/mesos-slave.INFO"
        if file is not None:
            yield Attached(
                "/slave/log",
                Path(file),
                lambda name: self.acls.allows(Action.ACCESS_MESOS_LOG, name),
                lambda name: self.acls.missing(Action.ACCESS_MESOS_LOG, name),
            )

    def _volumes(self, executor: ExecutorRun) -> Iterator[tuple[str, Path]]:
        """Persistent volumes that a sandbox shows as links: where in it, and where they are."""
        for run in executor.tasks.values():
            prefix = f"tasks/{run.task_id}/" if executor.kind is ExecutorKind.DEFAULT else ""
            with contextlib.suppress(LaunchError):
                for one in self._containerizer.volumes.placed(run.info.resources):
                    yield f"{prefix}{one.container_path}", one.path

    def _may_enter(self, framework: FrameworkRun, executor: ExecutorRun, principal: str | None) -> bool:
        about = about_executor(executor, framework.info)
        return self.acls.allows(Action.ACCESS_SANDBOX, principal, about.user, about)

    def _entry(self, framework: FrameworkRun, executor: ExecutorRun, principal: str | None) -> str:
        """The permission to enter."""
        about = about_executor(executor, framework.info)
        return self.acls.missing(Action.ACCESS_SANDBOX, principal, about.user, about)
