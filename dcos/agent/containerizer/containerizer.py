"""A task's container from plan to end: sandbox, fetch, scripts, start, wait, signal, destroy, find again.

Every step is safe to repeat: an agent may die between any two. Who calls: the agent's shell, one coroutine a container.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dcos.agent.containerizer import sandbox_path, secret_references, shared_ipc, terminal
from dcos.agent.containerizer.base import (
    Backend,
    ContainerError,
    Ended,
    Found,
    Grouping,
    Launcher,
    LaunchError,
    Running,
)
from dcos.agent.containerizer.box import Box, Mark, boxes
from dcos.agent.containerizer.docker_spec import container_name
from dcos.agent.containerizer.guest import Host
from dcos.agent.containerizer.limits import cpus_hard, mem_hard, raised
from dcos.agent.containerizer.networks import Networks, files_of, is_waiting, status
from dcos.agent.containerizer.oci import OciBackend
from dcos.agent.containerizer.pending import Pending
from dcos.agent.containerizer.privileges import PrivilegeRules
from dcos.agent.containerizer.script import account
from dcos.agent.containerizer.shared_namespaces import Holder, SharedNamespaces, in_group
from dcos.agent.containerizer.volume_sources import VolumeSources, secret_files
from dcos.agent.core.environment import (
    SOCKET_NAME,
    SOCKETS_IN_IMAGES,
    AgentEnvironment,
    BadEnvironment,
    Ids,
    docker_environment,
    environment,
)
from dcos.agent.core.events import Limits, Plan
from dcos.agent.core.exits import Exit
from dcos.agent.core.memory import in_docker
from dcos.agent.fetcher import Fetcher
from dcos.agent.sandbox import WorkDir, make_sandbox
from dcos.agent.statsd import StatsdPorts
from dcos.agent.volume_gids import VolumeGids
from dcos.agent.volumes import Volumes, link, relink
from dcos.model.v1.types import CommandInfo, ContainerInfo, Image, Resource, Volume, VolumeMode
from dcos.runtime.log import Logger


@dataclass(frozen=True, slots=True)
class Settings:
    """What the containerizer needs to know of the agent's."""

    sandbox_directory: str
    switch_user: bool
    enable_cfs: bool
    limit_swap: bool = False
    revocable_low: bool = True
    """Revocable cpus weigh less."""


class Containerizer:
    """All containers of one agent."""

    def __init__(
        self,
        *,
        work: WorkDir,
        runtime: Path,
        launchers: Mapping[str, Launcher],
        launcher: str,
        host: Backend,
        oci: OciBackend | None,
        oci_unusable: str | None,
        docker: Callable[[], Backend],
        fetcher: Fetcher,
        settings: Settings,
        agent_environment: Callable[[], AgentEnvironment],
        networks: Networks,
        rules: PrivilegeRules,
        gids: VolumeGids | None = None,
        sources: VolumeSources | None = None,
        secrets: secret_references.Store | None = None,
        statsd: StatsdPorts | None = None,
        log: Logger,
    ) -> None:
        self._work = work
        self.volumes = Volumes(work.root)
        self._containers = runtime / "containers"
        self._groups = runtime / "groups"
        self._shared = SharedNamespaces(networks, runtime / "networks", launchers, launcher, rules)
        self._networks = networks
        self.gids = gids
        self._sources = sources or VolumeSources()
        self._secrets = secrets
        self._statsd = statsd
        self._launchers = launchers
        self._launcher = launcher
        self._backends: dict[str, Backend] = {host.name: host}
        self._oci = oci
        if oci is not None:
            self._backends[oci.name] = oci
        self._oci_unusable = oci_unusable
        self._docker = docker
        self._fetcher = fetcher
        self._settings = settings
        self._agent_environment = agent_environment
        self._log = log
        self.pending = Pending()
        self.destroy_errors = 0
        self.launch_errors = 0

    # ---- start -------------------------------------------------------------------------------------------------------

    async def launch(self, plan: Plan, ids: Ids) -> Running:
        """Prepare and start.   Errors: LaunchError. Cancel it to give up."""
        try:
            return await self._launch(plan, ids)
        except OSError as error:
            self.launch_errors += 1
            raise LaunchError(str(error)) from error
        except LaunchError:
            self.launch_errors += 1
            raise
        except ContainerError as error:
            self.launch_errors += 1
            raise LaunchError(str(error)) from error

    async def _launch(self, plan: Plan, ids: Ids) -> Running:
        agent = self._agent_environment()
        if not plan.executor:
            agent = dataclasses.replace(agent, authorities=None)
        user = plan.user if self._settings.switch_user else None
        if user is not None:
            account(user)
        docker = in_docker(plan.container)
        if docker and plan.nested:
            raise LaunchError("a task of a group cannot be a docker container")
        with self.pending.during("environment_secret", "resolve", plan.container_id):
            plan = await secret_references.filled(plan, self._secrets)
        image = plan.container.mesos.image if plan.container is not None and plan.container.mesos is not None else None
        image_environment: dict[str, str] = {}
        if image is not None:
            if self._oci is None:
                raise LaunchError(f"Images cannot be run on this agent: {self._oci_unusable}")
            with self.pending.during("provisioner", "provision", plan.container_id):
                image_environment = (await self._oci.image(image)).config.environment()
            plan = _with_image_at_hand(plan)
        sandbox = make_sandbox(self._work, agent.agent_id, plan, user)
        plan = await self._with_volumes(plan, sandbox, user, linked=image is None and not docker)
        groups = self._shared_groups(plan, user)
        plan, more = await self._with_sandbox_paths(plan, sandbox, user, linked=image is None and not docker)
        groups += more
        try:
            if docker:
                variables = docker_environment(
                    agent,
                    ids,
                    directory=str(sandbox),
                    sandbox=self._settings.sandbox_directory,
                    name=container_name(plan.container_id),
                    command=plan.command,
                    executor=plan.executor,
                )
            else:
                if image is not None and agent.domain_socket is not None:
                    seen = f"{SOCKETS_IN_IMAGES}/{SOCKET_NAME}" if plan.executor else None
                    agent = dataclasses.replace(agent, domain_socket=seen)
                variables = environment(
                    agent,
                    ids,
                    directory=str(sandbox),
                    sandbox=self._settings.sandbox_directory if image is not None else str(sandbox),
                    image=image_environment,
                    command=plan.command,
                )
        except BadEnvironment as error:
            raise LaunchError(str(error)) from error
        if self._statsd is not None and not docker:
            variables = await self._statsd.variables(plan.run_id) | variables
        holder = None if docker else await self._shared.of(plan)
        if plan.nested:
            own = holder.address if holder is not None else None
            variables.setdefault("MESOS_CONTAINER_IP", own or agent.endpoint.rpartition(":")[0])
        with self.pending.during("fetcher", "fetch", plan.container_id):
            await self._fetcher.fetch(plan.command.uris, sandbox, user)
        box = Box(
            self._containers,
            plan.container_id,
            Mark(
                launcher=self._launcher,
                backend="docker" if docker else "oci" if image is not None else "host",
                sandbox=str(sandbox),
                user=user,
                groups=tuple(sorted(set(groups))),
                description=f"Mesos task {plan.task_id} of framework {plan.framework_id}",
                cpus=plan.limits.cpus,
                low_priority=self._low(plan.limits),
                mem_bytes=plan.limits.mem_bytes,
                cpus_hard=cpus_hard(plan.limits, enable_cfs=self._settings.enable_cfs),
                mem_hard_bytes=mem_hard(plan.limits),
                limits_swap=self._settings.limit_swap,
                group=plan.group if isinstance(self._launchers[self._launcher], Grouping) else "",
            ),
        )
        box.save()
        backend = self._backend(box)
        placed = secret_files(plan.container, box) if docker else await self.with_sources(plan.container, box)
        plan = dataclasses.replace(plan, container=placed)
        plan = in_group(plan, holder)
        gated = self._join(plan, box, holder)
        with self.pending.during(backend.name, "prepare", box.container_id):
            await backend.prepare(plan, box, variables)
        if holder is not None and holder.networked:
            self._networks.enter(box, holder.pid)
        elif gated:
            self._networks.gate(box)
        if holder is not None and holder.ipc:
            shared_ipc.enter(box, holder.pid)
        with self.pending.during("launcher", "fork", box.container_id):
            pid = await self._supervisor(box).start(box)
        if box.pid is None:
            box.save_pid(pid)
        with self.pending.during("network/cni", "isolate", box.container_id):
            await self._networks.attach(box, pid)
        await terminal.ready(box, pid)
        return _with_networks(await backend.started(box, pid), box)

    async def with_sources(self, container: ContainerInfo | None, box: Box) -> ContainerInfo | None:
        """``container`` with volumes that are paths of the host; ``give_back`` is due at its end.   Errors: LaunchError."""
        if container is None or not container.volumes:
            return container
        return msgspec.structs.replace(container, volumes=await self._sources.resolve(container.volumes, box))

    async def with_secrets(
        self, command: CommandInfo, container: ContainerInfo | None, space: str
    ) -> tuple[CommandInfo, ContainerInfo | None]:
        """Both with values in the place of references, as a task of ``space`` may read them.   Errors: LaunchError."""
        return await secret_references.resolved(command, container, space, self._secrets)

    def join_parent(self, box: Box, parent: Box) -> bool:
        """Note that a nested container has its parent's network; False: that is the machine's."""
        if not files_of(parent):
            return False
        self._networks.join(box, parent)
        return True

    def enter_parent(self, box: Box, parent: Box) -> None:
        """Make the launch script of ``box``, which has joined, run in the network of ``parent``.   Errors: ContainerError."""
        if parent.pid is None:
            raise ContainerError(f"container {parent.container_id} has not started")
        self._networks.enter(box, parent.pid)

    async def give_back(self, box: Box) -> None:
        """Errors: ContainerError."""
        await self._sources.give_back(box)

    def _low(self, limits: Limits) -> bool:
        return limits.revocable and self._settings.revocable_low

    def _join(self, plan: Plan, box: Box, holder: Holder | None) -> bool:
        """Note which networks the container shall have; whether its start has to wait for them.   Errors: NetworkError."""
        if holder is not None and holder.networked:
            self._networks.join(box, holder.box)
            return False
        if box.mark.backend == "docker" or plan.container is None:
            return False
        return self._networks.begin(box, plan.container.network_infos, plan.container.hostname)

    async def _with_volumes(self, plan: Plan, sandbox: Path, user: str | None, *, linked: bool) -> Plan:
        """Persistent volumes are links in the sandbox (``linked``), or mounted as any folder of the host is."""
        placed = await self.volumes.prepare(plan.resources, _ids_of(user))
        if linked:
            link(sandbox, placed)
        if linked or not placed:
            return plan
        mounted = tuple(
            Volume(
                mode=VolumeMode.RO if one.read_only else VolumeMode.RW,
                container_path=one.container_path,
                host_path=str(one.path),
            )
            for one in placed
        )
        assert plan.container is not None
        container = msgspec.structs.replace(plan.container, volumes=(*plan.container.volumes, *mounted))
        return dataclasses.replace(plan, container=container)

    def _shared_groups(self, plan: Plan, user: str | None) -> list[int]:
        """Groups by which ``user`` may write the shared volumes of its task."""
        if self.gids is None or user in (None, "root"):
            return []
        placed = self.volumes.placed((*plan.resources, *plan.executor_resources))
        return self.gids.allocate("VOLUME", [one.path for one in placed if one.shared and not one.read_only])

    async def _with_sandbox_paths(
        self, plan: Plan, sandbox: Path, user: str | None, *, linked: bool
    ) -> tuple[Plan, list[int]]:
        """Volumes that are folders of a sandbox, and groups to write them by.

        The executor's persistent ones are shown in its own.
        """
        parent = sandbox.parent.parent if plan.nested else None
        known: dict[str, Path] = {}
        if parent is not None:
            placed = await self.volumes.prepare(plan.executor_resources, _ids_of(user))
            link(parent, placed)
            known = {one.container_path: one.path for one in placed}
        if plan.container is None or not plan.container.volumes:
            return plan, []
        make = sandbox_path.linked if linked else sandbox_path.mounted
        volumes = make(plan.container.volumes, sandbox, parent, known, _ids_of(user))
        groups = []
        if self.gids is not None and user not in (None, "root"):
            groups = self.gids.allocate("SANDBOX_PATH", sandbox_path.of_parent(plan.container.volumes, parent, known))
        container = msgspec.structs.replace(plan.container, volumes=volumes)
        return dataclasses.replace(plan, container=container), groups

    def relink_now(self, container_id: str, resources: tuple[Resource, ...]) -> bool:
        """A running container holds ``resources`` now: show their volumes. Those of an image's show what they began with.

        False: it has to wait, by ``relink``.
        """
        box = self._box(container_id)
        try:
            placed = self.volumes.prepare_now(resources, _ids_of(box.mark.user))
            if placed is not None and box.mark.backend == "host":
                relink(box.sandbox, placed)
            return placed is not None
        except (ContainerError, OSError, msgspec.DecodeError) as error:
            self._log.warning("volumes_not_linked", container=container_id, error=str(error))
            return True

    async def relink(self, container_id: str, resources: tuple[Resource, ...]) -> None:
        """As ``relink_now``, after what is being done to volumes."""
        box = self._box(container_id)
        try:
            placed = await self.volumes.prepare(resources, _ids_of(box.mark.user))
            if box.mark.backend == "host":
                relink(box.sandbox, placed)
        except (ContainerError, OSError, msgspec.DecodeError) as error:
            self._log.warning("volumes_not_linked", container=container_id, error=str(error))

    # ---- while it runs -----------------------------------------------------------------------------------------------

    async def wait(self, container_id: str) -> Exit:
        """Its end, after everything of it is gone."""
        box = self._box(container_id)
        end = await self._backend(box).judged(box, await self._supervisor(box).wait(box))
        await terminal.drained(box)
        await self.destroy(container_id)
        return end

    async def update(self, container_id: str, limits: Limits) -> str | None:
        """Give it more or less. A hard memory limit is only raised. Says why a container that runs could not be changed."""
        box = self._box(container_id)
        try:
            before = box.mark
            mark = msgspec.structs.replace(
                before,
                cpus=limits.cpus,
                low_priority=self._low(limits),
                mem_bytes=limits.mem_bytes,
                cpus_hard=cpus_hard(limits, enable_cfs=self._settings.enable_cfs),
                mem_hard_bytes=raised(before.mem_hard_bytes, mem_hard(limits)),
            )
            if mark == before:
                return None
            box = Box(self._containers, container_id, mark)
            box.save_mark()
            if not await self._backend(box).update(box):
                await self._supervisor(box).update(box)
        except (ContainerError, OSError, msgspec.DecodeError) as error:
            self._log.warning("update_failed", container=container_id, error=str(error))
            return str(error) if isinstance(await self._now(box), Running) else None
        return None

    async def _now(self, box: Box) -> Found:
        try:
            return await self._supervisor(box).find(box)
        except (ContainerError, OSError, msgspec.DecodeError):
            return None

    async def update_group(self, group: str, limits: Limits) -> None:
        """What the containers that share ``group`` may use together; nothing where the launcher limits nothing."""
        launcher = self._launchers[self._launcher]
        if not isinstance(launcher, Grouping):
            return
        box = Box(self._groups, group)
        before = box.mark.mem_hard_bytes if (box.directory / "box.json").exists() else 0
        mark = Mark(
            launcher=self._launcher,
            backend="group",
            sandbox="",
            cpus=limits.cpus,
            low_priority=self._low(limits),
            mem_bytes=limits.mem_bytes,
            cpus_hard=cpus_hard(limits, enable_cfs=self._settings.enable_cfs),
            mem_hard_bytes=raised(before, mem_hard(limits)),
        )
        try:
            Box(self._groups, group, mark).save()
            await launcher.limit_group(group, mark)
        except (ContainerError, OSError) as error:
            self._log.warning("group_not_limited", group=group, error=str(error))

    async def drop_group(self, group: str) -> None:
        """All that shared ``group`` is gone."""
        await self._drop_network(group)
        launcher, box = self._launchers[self._launcher], Box(self._groups, group)
        if isinstance(launcher, Grouping) and box.directory.exists():
            await launcher.drop_group(group)
            await asyncio.to_thread(box.remove)

    async def _drop_network(self, group: str) -> None:
        try:
            await self._shared.drop(group)
        except (ContainerError, OSError, msgspec.DecodeError) as error:
            self._log.warning("network_not_dropped", group=group, error=str(error))

    async def drop_groups_but(self, groups: Collection[str]) -> None:
        """After recovery: what groups that are no more have left."""
        left = {box.container_id for box in boxes(self._groups)} | set(self._shared.known())
        for group in left - set(groups):
            await self.drop_group(group)

    async def signal(self, container_id: str, number: int) -> None:
        """To all of its processes."""
        box = self._box(container_id)
        try:
            if not await self._backend(box).signal(box, number):
                await self._supervisor(box).signal(box, number)
        except (ContainerError, OSError, msgspec.DecodeError) as error:
            self._log.warning("signal_failed", container=container_id, error=str(error))

    async def kill(self, container_id: str) -> bool:
        """SIGKILL to all of it; who waits for it sees the end. False, logged: it could not be done now."""
        box = self._box(container_id)
        try:
            if not await self._backend(box).signal(box, 9):
                await self._supervisor(box).kill(box)
        except (ContainerError, OSError, msgspec.DecodeError) as error:
            self._log.warning("kill_failed", container=container_id, error=str(error))
            return False
        return True

    async def execute(self, container_id: str, command: CommandInfo, timeout_s: float | None) -> int:
        """Run a command beside the task.   Errors: ContainerError, TimeoutError."""
        box = self._box(container_id)
        return await self._backend(box).execute(box, command, timeout_s)

    # ---- end and recovery --------------------------------------------------------------------------------------------

    async def destroy(self, container_id: str) -> bool:
        """Kill what is left and remove every trace but the sandbox. Nothing there is fine. False: not all of it is gone."""
        box = self._box(container_id)
        if not box.directory.exists():
            return True
        try:
            supervisor, backend = self._supervisor(box), self._backend(box)
        except (OSError, msgspec.DecodeError, ContainerError):
            box.remove()
            return True
        try:
            with self.pending.during("launcher", "destroy", container_id):
                await supervisor.kill(box)
            with self.pending.during("network/cni", "cleanup", container_id):
                await self._networks.detach(box)
            with self.pending.during(backend.name, "cleanup", container_id):
                await backend.cleanup(box)
            await self._sources.give_back(box)
            await supervisor.forget(box)
        except ContainerError as error:
            self.destroy_errors += 1
            self._log.warning("destroy_failed", container=container_id, error=str(error))
            return False
        await asyncio.to_thread(box.remove)
        return True

    async def remember(self, container_id: str) -> Found:
        """What became of a container while the agent was away; None if it never started."""
        box = self._box(container_id)
        try:
            found, backend = await self._supervisor(box).find(box), self._backend(box)
            if found is None:
                return None
            if is_waiting(box) or not backend.begun(box):
                # the agent died before it was let through: it never began
                await self.destroy(container_id)
                return None
            if isinstance(found, Running):
                return _with_networks(found, box)
            return Ended(await backend.judged(box, found.end))
        except (OSError, msgspec.DecodeError):
            return None

    def known(self) -> list[str]:
        """Ids of all containers that left a trace in the runtime folder."""
        return [box.container_id for box in boxes(self._containers)]

    def in_images(self) -> int:
        """How many containers, nested ones included, have a root of their own."""
        return sum(1 for kind in ("containers", "nested") for _ in self._containers.parent.glob(f"{kind}/*/bundle"))

    def wipe(self) -> None:
        """After a reboot: all traces go, and nothing is killed, for their process numbers are others' now."""
        for box in (*boxes(self._containers), *boxes(self._groups), *boxes(self._shared.folder)):
            box.remove()
        if self._oci is not None:
            self._oci.wipe()

    def box(self, container_id: str) -> Box | None:
        """A container's folder, None where there is none."""
        box = self._box(container_id)
        return box if self.mark(container_id) is not None else None

    def limited(self, mark: Mark, limits: Limits) -> Mark:
        """The mark of a container with these limits."""
        return msgspec.structs.replace(
            mark,
            cpus=limits.cpus,
            mem_bytes=limits.mem_bytes,
            cpus_hard=cpus_hard(limits, enable_cfs=self._settings.enable_cfs),
            mem_hard_bytes=mem_hard(limits),
        )

    def parts(self, box: Box) -> tuple[Launcher, Backend]:
        """What started a box, and what it was made by.   Errors: ContainerError."""
        return self._supervisor(box), self._backend(box)

    def host(self, box: Box) -> Host | None:
        """The backend to enter a container by, None where its kind takes no guests."""
        backend = self._backends.get(box.mark.backend)
        return backend if isinstance(backend, Host) else None

    async def prune_images(self, excluded: Iterable[Image]) -> int:
        """Remove images that no container uses; returns how many.   Errors: ContainerError."""
        return await self._oci.prune(excluded) if self._oci is not None else 0

    def mark(self, container_id: str) -> Mark | None:
        with contextlib.suppress(OSError, msgspec.DecodeError):
            return self._box(container_id).mark
        return None

    def sandbox(self, container_id: str) -> Path | None:
        mark = self.mark(container_id)
        return None if mark is None else Path(mark.sandbox)

    def _box(self, container_id: str) -> Box:
        return Box(self._containers, container_id)

    def _supervisor(self, box: Box) -> Launcher:
        """The launcher that started it, which need not be today's.   Errors: ContainerError."""
        found = self._launchers.get(box.mark.launcher)
        if found is None:
            raise ContainerError(f"container {box.container_id}: launcher {box.mark.launcher!r} is not available")
        return self._backend(box).supervisor(found)

    def _backend(self, box: Box) -> Backend:
        if box.mark.backend == "docker":
            # loaded when the first such container is seen
            return self._docker()
        found = self._backends.get(box.mark.backend)
        if found is None:
            raise ContainerError(f"container {box.container_id}: backend {box.mark.backend!r} is not available")
        return found


def _with_networks(running: Running, box: Box) -> Running:
    found = status(box)
    return dataclasses.replace(running, network_infos=found) if found else running


def _ids_of(user: str | None) -> tuple[int, int] | None:
    """Whom volumes shall belong to; None: nobody in particular."""
    if user is None or os.geteuid() != 0:
        return None
    entry = account(user)
    return entry.pw_uid, entry.pw_gid


def _with_image_at_hand(plan: Plan) -> Plan:
    """The image was fetched a moment ago: an uncached one is not fetched again for the same container."""
    container = plan.container
    if container is None or container.mesos is None or container.mesos.image is None:
        return plan
    image = msgspec.structs.replace(container.mesos.image, cached=True)
    mesos = msgspec.structs.replace(container.mesos, image=image)
    return dataclasses.replace(plan, container=msgspec.structs.replace(container, mesos=mesos))


__all__ = ["Containerizer", "Ended", "Running", "Settings"]
