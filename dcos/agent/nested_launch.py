"""The start of containers that calls make.

Source: Mesos's containerizer (nested containers, container classes).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import subprocess
from pathlib import Path

import msgspec

from dcos.agent.containerizer import sandbox_path, terminal
from dcos.agent.containerizer.base import ContainerError, LaunchError
from dcos.agent.containerizer.box import Box, Mark
from dcos.agent.containerizer.enter import group_files
from dcos.agent.containerizer.guest import Guest, Host
from dcos.agent.containerizer.host import task_environment
from dcos.agent.containerizer.networks import status
from dcos.agent.containerizer.reaped import beginning
from dcos.agent.containerizer.script import account
from dcos.agent.containerizer.volume_sources import mount_lines, place_in
from dcos.agent.core.environment import DEFAULT_PATH, BadEnvironment, command_variables
from dcos.agent.core.events import Limits, Plan
from dcos.agent.core.executors import MIN_MEM_BYTES
from dcos.agent.core.memory import has_image
from dcos.agent.core.nested import text
from dcos.agent.io_console import HandedIo
from dcos.agent.io_session import SessionIo, TerminalIo
from dcos.agent.nested_life import Life
from dcos.agent.nested_records import (
    Launched,
    Nested,
    NestedError,
    Place,
    Request,
    Termination,
)
from dcos.agent.sandbox import make_inside, owner_of
from dcos.model.resources import Resources
from dcos.model.v1.types import (
    CommandInfo,
    ContainerID,
    ContainerInfo,
    TaskState,
)
from dcos.runtime.files import write_atomic


class Launching(Life):
    """Adds the start."""

    # ---- launch ------------------------------------------------------------------------------------------------------

    async def launch(self, request: Request) -> Launched:
        """Errors: NestedError, which leaves nothing behind."""
        name = text(request.container_id)
        taken = name in self._known or name in self._starting
        if taken or self._core_box(request.container_id) or self._is_group(request.container_id):
            return Launched.ALREADY
        self._starting.add(name)
        try:
            await self._launch(request, name)
        finally:
            self._starting.discard(name)
        return Launched.NEW

    async def _launch(self, request: Request, name: str) -> None:
        parent = request.container_id.parent
        place = self._place(parent) if parent is not None else None
        user = self._user(request.command, place)
        try:
            command, container = await self._containerizer.with_secrets(
                request.command, request.container, self._space(request.container_id)
            )
        except LaunchError as error:
            raise NestedError(str(error)) from error
        request = dataclasses.replace(request, command=command, container=container)
        sandbox = await asyncio.to_thread(self._sandbox, request, place, user)
        box = Box(self._folder, name, self._mark(request, place, sandbox, user))
        record = Nested(request.container_id, name, box, request.session)
        self._known[name] = record
        try:
            box.save()
            self._save(record)
            if request.session:
                await self._start_session(record, request, place)
            else:
                await self._start(record, request, place)
        except BaseException as error:
            self._known.pop(name, None)
            record.finish(Termination(state=TaskState.TASK_FAILED))
            await self._clean(record)
            if isinstance(error, ContainerError | OSError | BadEnvironment | TimeoutError):
                raise NestedError(str(error)) from error
            raise
        self._log.info("nested_started", container=name, pid=record.pid, session=record.session)
        if parent is not None and (record.doomed or not self._lives(parent)):
            await self._kill(record, signal.SIGKILL)
            await record.over.wait()
            self._known.pop(name, None)
            await asyncio.to_thread(box.remove)
            raise NestedError(f"Parent container {text(parent)} is in 'DESTROYING' state")

    def _lives(self, parent: ContainerID) -> bool:
        try:
            self._place(parent)
        except NestedError:
            return False
        return True

    def _user(self, command: CommandInfo, place: Place | None) -> str | None:
        if not self._switch_user:
            return None
        if command.user is not None:
            try:
                account(command.user)
            except LaunchError as error:
                raise NestedError(str(error)) from error
            return command.user
        return place.user if place is not None else None

    def _sandbox(self, request: Request, place: Place | None, user: str | None) -> Path:
        """A session works in its parent's."""
        if place is not None and request.session:
            return place.sandbox
        try:
            if place is None:
                sandbox = self._work.standalone(request.container_id.value)
                sandbox.parent.mkdir(parents=True, exist_ok=True)
                return make_inside(sandbox.parent, (sandbox.name,), owner_of(user))
            below = place.sandbox.relative_to(place.base).parts
            return make_inside(place.base, (*below, "containers", request.container_id.value), owner_of(user))
        except (OSError, LaunchError) as error:
            raise NestedError(f"Failed to create sandbox: {error}") from error

    def _mark(self, request: Request, place: Place | None, sandbox: Path, user: str | None) -> Mark:
        backend = place.box.mark.backend if place is not None else "host"
        if has_image(request.container):
            backend = "oci"
        own = place is None or not _shares(request)
        mark = Mark(
            launcher=self._launcher if own else self._inside.name,
            backend=backend,
            sandbox=str(sandbox),
            user=user,
            description=f"Mesos container {text(request.container_id)}",
        )
        if not own:
            return mark
        if not request.resources:
            # the kernel's own share
            return msgspec.structs.replace(mark, cpus=1000)
        return self._containerizer.limited(mark, _limits(request))

    def _environment(self, request: Request, place: Place | None, record: Nested) -> dict[str, str]:
        """A session sees what its parent was started with; others only what they are told."""
        if request.session and place is not None and place.parent is not None:
            return task_environment(place.parent) | command_variables(request.command)
        seen = record.box.sandbox
        if record.box.mark.backend == "oci":
            inside = place is not None and not has_image(request.container)
            below = seen.relative_to(place.box.sandbox) if place is not None and inside else Path()
            seen = Path(self._sandbox_directory) / below
        addresses = [one.ip_address for each in status(place.box) for one in each.ip_addresses] if place else []
        ip = next((one for one in addresses if one is not None), self._ip)
        variables = {"MESOS_SANDBOX": str(seen), "MESOS_CONTAINER_IP": ip, "PATH": DEFAULT_PATH}
        return variables | command_variables(request.command)

    # ---- sessions ----------------------------------------------------------------------------------------------------

    async def _start_session(self, record: Nested, request: Request, place: Place | None) -> None:
        if place is None:
            raise ContainerError("a session needs a parent")
        host = self._host(place)
        tty = terminal.wanted(request.container)
        session = HandedIo(record.box.directory) if tty is not None and host.makes_terminals else SessionIo(tty)
        try:
            if record.box.mark.user is not None:
                session.give_to(account(record.box.mark.user).pw_uid)
            entry = await host.enter(
                place.box,
                Guest(
                    record.box.directory,
                    request.command,
                    self._environment(request, place, record),
                    user=None if place.user == record.box.mark.user else record.box.mark.user,
                    directory=place.sandbox,
                    tty=session.slave,
                    window=None if tty is None else terminal.window(tty),
                    rlimits=request.container.rlimit_info if request.container is not None else None,
                ),
            )
            stdin, stdout, stderr = session.child_descriptors()
            child = subprocess.Popen(  # noqa: ASYNC220 - a vfork, which returns at once
                ["/bin/sh", str(entry.script)],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                cwd="/",
                start_new_session=True,
            )
        except BaseException:
            session.close()
            raise
        session.started()
        record.io, record.pid, record.inner_pid = session, child.pid, entry.inner_pid
        self._save(record)
        record.work = self._spawn(self._session(record, session, child), f"session-{record.name}")

    def _host(self, place: Place) -> Host:
        """Errors: ContainerError."""
        host = self._containerizer.host(place.box)
        if host is None:
            raise ContainerError("Nested containers are not supported")
        return host

    # ---- containers that outlive the agent ---------------------------------------------------------------------------

    async def _start(self, record: Nested, request: Request, place: Place | None) -> None:
        box, container = record.box, request.container
        tty = terminal.wanted(container)
        await self._fetcher.fetch(request.command.uris, box.sandbox, box.mark.user)
        launcher, backend = self._parts(record)
        variables = self._environment(request, place, record)
        if place is None or has_image(container):
            container = await self._volumes(container, box, place, linked=not has_image(container))
            networked = place is not None and self._containerizer.join_parent(box, place.box)
            plan = Plan(
                container_id=record.name,
                framework_id="",
                executor_id="",
                run_id=record.name,
                task_id=record.name,
                command=request.command,
                limits=_limits(request),
                user=box.mark.user,
                container=container,
            )
            await backend.prepare(plan, box, variables)
            if place is not None and networked:
                self._containerizer.enter_parent(box, place.box)
        else:
            host = self._host(place)
            container = await self._volumes(container, box, place, linked=True)
            guest = Guest(
                box.directory,
                request.command,
                variables,
                user=box.mark.user,
                directory=box.sandbox,
                window=None if tty is None else terminal.window(tty),
                output=box.sandbox,
                rlimits=container.rlimit_info if container is not None else None,
                mounts=_guest_mounts(container, box, place),
                join=False,
            )
            entry = await host.enter(place.box, guest)
            record.inner_pid = entry.inner_pid
            write_atomic(box.directory / "environment.json", msgspec.json.encode(variables), mode=0o600)
            script = entry.script.read_text()
            write_atomic(box.launch, script if host.makes_terminals else terminal.wrapped(script, box, tty), mode=0o700)
        if place is not None and _shares(request):
            groups = group_files(place.box.pid) if place.box.pid is not None else []
            write_atomic(box.directory / "join", "".join(f"{one}\n" for one in groups))
        record.pid = await launcher.start(box)
        if box.pid is None:
            box.save_pid(record.pid)
        if box.mark.backend == "oci":
            # who enters it next finds it there; one that does not begin ends, and that is told
            with contextlib.suppress(LaunchError):
                await beginning(box, record.pid, record.inner_pid)
        if tty is not None:
            await terminal.ready(box, record.pid)
            record.io = TerminalIo(box)
        self._save(record)
        record.work = self._spawn(self._watch(record), f"nested-{record.name}")

    async def _volumes(
        self, container: ContainerInfo | None, box: Box, place: Place | None, *, linked: bool
    ) -> ContainerInfo | None:
        """``container`` with volumes that are paths of the host; ``linked``: folders of sandboxes are links.

        Errors: LaunchError.
        """
        if container is None or not container.volumes:
            return container
        make = sandbox_path.linked if linked else sandbox_path.mounted
        parent = place.sandbox if place is not None else None
        volumes = make(container.volumes, box.sandbox, parent, {}, owner_of(box.mark.user))
        return await self._containerizer.with_sources(msgspec.structs.replace(container, volumes=volumes), box)


def _guest_mounts(container: ContainerInfo | None, box: Box, place: Place) -> tuple[tuple[str, str, bool], ...]:
    """Volumes of a container that runs among its parent's files.   Errors: LaunchError."""
    volumes = container.volumes if container is not None else ()
    if not volumes:
        return ()
    if place.box.mark.backend != "host":
        raise LaunchError(
            f"volume {volumes[0].container_path!r}: a container without an image inside one with an image can only"
            " have volumes of type SANDBOX_PATH with a relative container_path"
        )
    if os.geteuid() != 0:
        raise LaunchError("only root can mount volumes")
    return tuple(mount_lines([(one, place_in(box.sandbox, one, owner_of(box.mark.user))) for one in volumes]))


def _limits(request: Request) -> Limits:
    wanted = Resources.of(request.resources)
    cpus, mem = request.limits.get("cpus"), request.limits.get("mem")
    return Limits(
        cpus=wanted.scalar("cpus"),
        mem_bytes=max(MIN_MEM_BYTES, int(wanted.scalar("mem") / 1000 * 1024 * 1024)),
        cpus_limit=None if cpus is None else cpus.value,
        mem_limit_bytes=None if mem is None else max(float(MIN_MEM_BYTES), mem.value * 1024 * 1024),
        disk_bytes=int(wanted.scalar("disk") / 1000 * 1024 * 1024),
    )


def _shares(request: Request) -> bool:
    """Whether a nested container runs in its parent's control groups."""
    info = request.container.linux_info if request.container is not None else None
    return info is None or info.share_cgroups
