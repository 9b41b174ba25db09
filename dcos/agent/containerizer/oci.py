"""The backend of images: the same supervision as a plain command, with runc in between.

The image's root is shared; each container writes to a layer of its own (overlayfs, mounted in a private mount namespace by
the launch script, so that it vanishes with the container; a plain copy where overlayfs cannot be had).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer import reaped, terminal
from dcos.agent.containerizer.base import ContainerError, Launcher, LaunchError, Running
from dcos.agent.containerizer.box import Box
from dcos.agent.containerizer.enter import start_script
from dcos.agent.containerizer.guest import Entry, Guest
from dcos.agent.containerizer.host import execute, write_private
from dcos.agent.containerizer.image_volumes import MARKS
from dcos.agent.containerizer.images import ImageStore, Unpacked
from dcos.agent.containerizer.memory_report import CHILD, die_together, read_report, with_memory
from dcos.agent.containerizer.networks import files_of
from dcos.agent.containerizer.privileges import PrivilegeRules
from dcos.agent.containerizer.runc_spec import CAPABILITIES, Mount, User, account_in, limit_resources, runtime_spec
from dcos.agent.containerizer.script import account
from dcos.agent.containerizer.systemd import slice_path, unit_name
from dcos.agent.core.argv import NoCommand, image_argv
from dcos.agent.core.environment import SOCKETS_IN_IMAGES
from dcos.agent.core.events import Plan
from dcos.agent.core.exits import Exit
from dcos.agent.sandbox import plain_file
from dcos.model.v1.types import CommandInfo, Image, ImageType, LinuxInfo, Volume, VolumeMode
from dcos.runtime.files import write_atomic
from dcos.runtime.process import ProcessError, run
from dcos.runtime.timing import Timer

_RUNC_S = 60.0
_IMAGE = "image"
"""File of a box: the unpacked image that its container's files lie on."""
_GROUPS = Path("/sys/fs/cgroup")
# A group of cgroup v2 that limits others holds no processes of its own.
_STEP_ASIDE = (
    "if [ -e /sys/fs/cgroup/cgroup.controllers ]; then",
    "    group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)",
    '    mkdir -p "$group/client" && echo $$ >"$group/client/cgroup.procs" || exit 125',
    "fi",
)
_OUTPUT = ("stdout", "stderr")
_NAMES = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname")


class OciBackend:
    """Commands in images. ``systemd``: their control groups lie below that of the unit that runs runc."""

    name = "oci"
    makes_terminals = True

    def __init__(
        self,
        store: ImageStore,
        provisioner: Path,
        runtime: Path,
        *,
        sandbox_directory: str,
        systemd: bool,
        rules: PrivilegeRules,
        cgroups_root: str,
        executor_sockets: Path | None = None,
    ) -> None:
        """``executor_sockets``: folder by which executors reach the agent."""
        self._store = store
        self._provisioner = provisioner
        self._state = runtime / "runc"
        self._sandbox_directory = sandbox_directory
        self._systemd = systemd
        self._rules = rules
        self._cgroups_root = cgroups_root
        self._executor_sockets = executor_sockets
        self._overlay: bool | None = None

    @property
    def pulled(self) -> Timer:
        """How long images took to come."""
        return self._store.pulled

    async def image(self, image: Image) -> Unpacked:
        """Errors: LaunchError."""
        if image.type is not ImageType.DOCKER or image.docker is None:
            raise LaunchError("only images of type DOCKER are supported")
        secret = image.docker.config.value.data if image.docker.config and image.docker.config.value else None
        return await self._store.get(image.docker.name, cached=image.cached, auth=secret)

    async def prune(self, excluded: Iterable[Image]) -> int:
        """Remove images that no container uses, but those; returns how many.   Errors: ContainerError."""
        names = [one.docker.name for one in excluded if one.docker is not None]
        marks = [mark for kind in ("containers", "nested") for mark in (self._state.parent / kind).glob(f"*/{MARKS}")]
        try:
            return await self._store.prune(names, [Path(one.read_text()) for one in marks])
        except (OSError, ProcessError, TimeoutError, ValueError) as error:
            raise ContainerError(f"Failed to prune images: {error}") from error

    async def prepare(self, plan: Plan, box: Box, environment: Mapping[str, str]) -> None:
        container = plan.container
        if container is None or container.mesos is None or container.mesos.image is None:
            raise LaunchError("the task names no image")
        for program in ("runc", reaped.PERL):
            if shutil.which(program) is None:
                raise LaunchError(f"{program} is missing on this machine")
        unpacked = await self.image(container.mesos.image)
        write_atomic(box.directory / _IMAGE, str(unpacked.rootfs))
        try:
            argv = image_argv(plan.command, unpacked.config.entrypoint, unpacked.config.cmd)
            user = self._user(plan, unpacked)
            user = replace(user, groups=(*user.groups, *box.mark.groups))
            privileges = self._privileges(container.linux_info, in_group=plan.group_ipc)
        except (NoCommand, ValueError) as error:
            raise LaunchError(str(error)) from error
        own = self._provisioner / box.container_id
        rootfs = box.bundle / "rootfs"
        await asyncio.to_thread(rootfs.mkdir, parents=True, exist_ok=True)
        spec = runtime_spec(
            argv=argv,
            environment=environment,
            directory=self._sandbox_directory,
            user=user,
            mark=box.mark,
            cgroups_path=self._cgroups_path(box),
            mounts=[
                Mount(str(box.sandbox), self._sandbox_directory, False),
                *(Mount(str(source), name, True) for name, source in self._names(box).items()),
                *self._sockets(plan),
                *(self._volume(one, box) for one in container.volumes),
            ],
            rlimits=container.rlimit_info,
            own_network=bool(files_of(box)),
            **privileges,
        )
        tty = terminal.wanted(container)
        spec["process"].update(_terminal(None if tty is None else terminal.window(tty)))
        write_private(box.bundle / "config.json", msgspec.json.encode(spec), None)
        write_private(box.directory / "environment.json", msgspec.json.encode(dict(environment)), None)
        for name in _OUTPUT:
            # the launch script opens them as root, after the fetcher ran as the user
            plain_file(box.sandbox / name, _owner(box.mark.user))
        shown = None if tty is None else terminal.expected(box.directory, box.sandbox, box.mark.user)
        write_atomic(box.launch, await self._launch_script(box, unpacked, own, rootfs, shown), mode=0o700)

    def _user(self, plan: Plan, unpacked: Unpacked) -> User:
        """The command's user by the machine's accounts, as upstream; else the image's own, else root."""
        if plan.user is not None and plan.user != "root":
            entry = account(plan.user)
            return User(entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(plan.user, entry.pw_gid)))
        if unpacked.config.user and plan.command.user is None:
            return account_in(unpacked.rootfs, unpacked.config.user)
        return User(0, 0)

    def _privileges(self, info: LinuxInfo | None, *, in_group: bool) -> dict[str, Any]:
        """As ``runtime_spec`` takes them; runc is started in the IPC of a group.   Errors: NotAllowed, SeccompError."""
        rules = self._rules
        capabilities = rules.capabilities(info)
        return {
            "pid_namespace": rules.own_pid_namespace(info),
            "capabilities": capabilities,
            "seccomp": rules.seccomp(info, CAPABILITIES if capabilities is None else capabilities.bounding),
            "shares_ipc": in_group or rules.shares_ipc(info),
            "shm_bytes": rules.shm_bytes(info),
            "no_new_privileges": rules.no_new_privileges,
        }

    def _names(self, box: Box) -> dict[str, Path]:
        """Files of /etc that say who and where one is: the container's own, or the machine's."""
        return files_of(box) or {name: Path(name) for name in _NAMES if Path(name).exists()}

    def _sockets(self, plan: Plan) -> list[Mount]:
        if self._executor_sockets is None or not plan.executor:
            return []
        return [Mount(str(self._executor_sockets), SOCKETS_IN_IMAGES, True)]

    def _cgroups_path(self, box: Box) -> str:
        """Below each hierarchy's root."""
        if self._systemd:
            return f"/{slice_path(box.mark.group)}/{unit_name(box.container_id)}/{CHILD}"
        return f"/{self._cgroups_root}/{box.container_id}"

    def _volume(self, volume: Volume, box: Box) -> Mount:
        """Relative container paths lie below the sandbox.   Errors: LaunchError."""
        source = volume.host_path or ""
        target = volume.container_path
        if not target.startswith("/"):
            if ".." in Path(target).parts:
                raise LaunchError(f"volume {target!r}: must not leave the sandbox")
            target = f"{self._sandbox_directory}/{target}"
        return Mount(source, target, volume.mode is VolumeMode.RO)

    async def _launch_script(self, box: Box, unpacked: Unpacked, own: Path, rootfs: Path, shown: Path | None) -> str:
        """``shown``: the file of its terminal."""
        quoted = {name: shlex.quote(str(value)) for name, value in (("root", rootfs), ("bundle", box.bundle))}
        # kept after its end, until it was looked at: its control group knows whether memory ran out
        verb = ["run", "--keep", "--bundle", str(box.bundle)]
        words = reaped.reaped(box.directory, reaped.first_pid(box), self._runc(), verb, shown=shown)
        start = shlex.join([*words, box.container_id])
        lines = [
            "#!/bin/sh",
            *(_STEP_ASIDE if self._systemd else ()),
            "umask 022",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH",
            f"cd {quoted['bundle']} || exit 125",
            "exec >>{} 2>>{} || exit 125".format(*(shlex.quote(str(box.sandbox / one)) for one in _OUTPUT)),
        ]
        if await self._can_overlay():
            for part in ("upper", "work"):
                await asyncio.to_thread((own / part).mkdir, parents=True, exist_ok=True)
            options = f"lowerdir={unpacked.rootfs},upperdir={own / 'upper'},workdir={own / 'work'}"
            lines.append(f"mount -t overlay overlay -o {shlex.quote(options)} {quoted['root']} || exit 125")
            lines.append(f"exec {start}")
            inner = box.directory / "inner"
            write_atomic(inner, "\n".join(lines) + "\n", mode=0o700)
            return f"#!/bin/sh\nexec unshare --mount --propagation private /bin/sh {shlex.quote(str(inner))}\n"
        await asyncio.to_thread(own.mkdir, parents=True, exist_ok=True)
        await run(["cp", "-a", "--reflink=auto", f"{unpacked.rootfs}/.", rootfs], timeout_s=600.0, check=True)
        return "\n".join([*lines, f"exec {start}"]) + "\n"

    async def _can_overlay(self) -> bool:
        """Whether overlayfs can be mounted over our store; found out once."""
        if self._overlay is None:
            place = self._provisioner / "overlay-test"
            for part in ("lower", "upper", "work", "root"):
                await asyncio.to_thread((place / part).mkdir, parents=True, exist_ok=True)
            options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
            words = ["unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, f"{place}/root"]
            try:
                self._overlay = (await run(words, timeout_s=10.0)).ok
            except (ProcessError, TimeoutError):
                self._overlay = False
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        return self._overlay

    def _runc(self) -> list[str]:
        return [shutil.which("runc") or "runc", "--root", str(self._state)]

    def supervisor(self, carrier: Launcher) -> Launcher:
        return carrier

    async def started(self, box: Box, pid: int) -> Running:
        await reaped.beginning(box, pid)
        die_together(_GROUPS / self._cgroups_path(box).lstrip("/"))
        return Running(pid)

    def begun(self, box: Box) -> bool:
        return reaped.begun(box)

    async def signal(self, box: Box, number: int) -> bool:
        """To all of its processes, as upstream signals the whole tree."""
        try:
            done = await run([*self._runc(), "kill", "--all", box.container_id, str(number)], timeout_s=_RUNC_S)
        except (ProcessError, TimeoutError):
            return False
        return done.ok

    async def judged(self, box: Box, end: Exit) -> Exit:
        end = reaped.exact(box, end)
        report = read_report(box.memory)
        if report is None:
            path = self._cgroups_path(box).lstrip("/")
            report = read_report(_GROUPS / "memory" / path) or read_report(_GROUPS / path)
        return with_memory(end, report)

    async def update(self, box: Box) -> bool:
        """Its own group; the launcher weighs the one above."""
        limits = box.directory / "limits.json"
        write_private(limits, msgspec.json.encode(limit_resources(box.mark)), None)
        try:
            words = [*self._runc(), "update", "--resources", str(limits), box.container_id]
            await run(words, timeout_s=_RUNC_S, check=True)
        except (ProcessError, TimeoutError) as error:
            if "container not running" in str(error):
                return False  # it ended meanwhile: whoever waits for it tells how
            raise ContainerError(f"runc update {box.container_id}: {error}") from error
        return False

    async def cleanup(self, box: Box) -> None:
        try:
            await run([*self._runc(), "kill", "--all", box.container_id, "KILL"], timeout_s=_RUNC_S)
            await run([*self._runc(), "delete", "--force", box.container_id], timeout_s=_RUNC_S)
        except (ProcessError, TimeoutError) as error:
            raise ContainerError(f"runc delete {box.container_id}: {error}") from error
        await asyncio.to_thread(shutil.rmtree, self._provisioner / box.container_id, ignore_errors=True)
        if self._systemd:
            # in hierarchies that systemd does not use, the folder above the container's was made by runc
            for folder in _GROUPS.glob(f"*/{slice_path(box.mark.group)}/{unit_name(box.container_id)}"):
                with contextlib.suppress(OSError):
                    folder.rmdir()

    def wipe(self) -> None:
        """After a reboot: runc's state and the containers' own layers."""
        for folder in (self._state, self._provisioner):
            shutil.rmtree(folder, ignore_errors=True)

    async def enter(self, box: Box, guest: Guest) -> Entry:
        """By ``runc exec``; the process is described in a file, so that no variable shows in arguments."""
        try:
            argv = image_argv(guest.command, (), ())
        except NoCommand as error:
            raise ContainerError(str(error)) from error
        spec = msgspec.json.decode((box.bundle / "config.json").read_bytes())["process"]
        spec["args"] = list(argv)
        spec["env"] = [f"{name}={value}" for name, value in guest.environment.items()]
        spec.pop("consoleSize", None)
        spec.update(_terminal(guest.window))
        if guest.user is not None:
            entry = account(guest.user)
            spec["user"] = {"uid": entry.pw_uid, "gid": entry.pw_gid, "additionalGids": list(box.mark.groups)}
        if guest.directory is not None and guest.directory.is_relative_to(box.sandbox):
            spec["cwd"] = str(Path(self._sandbox_directory) / guest.directory.relative_to(box.sandbox))
        described, script, pid = guest.folder / "process.json", guest.folder / "launch", guest.folder / "guest.pid"
        write_private(described, msgspec.json.encode(spec), None)
        verb = ["exec", "--process", str(described)]
        if guest.exact:
            on_terminal = guest.window is not None
            shown = None
            if on_terminal and guest.output is not None:
                shown = terminal.expected(guest.folder, guest.output, guest.user or box.mark.user)
            words = reaped.reaped(
                guest.folder, pid, self._runc(), verb, shown=shown, handed_over=on_terminal and shown is None
            )
        else:
            words = [*self._runc(), *verb, "--pid-file", str(pid)]
        words.append(box.container_id)
        text = start_script(words, directory=guest.folder, groups=[], tty=guest.tty, output=guest.output)
        write_atomic(script, text, mode=0o700)
        return Entry(script, pid)

    async def execute(self, box: Box, command: CommandInfo, timeout_s: float | None) -> int:
        return await execute(self, box, command, timeout_s)


def _terminal(window: tuple[int, int] | None) -> dict[str, Any]:
    """Of ``process``, rows and columns."""
    if window is None:
        return {"terminal": False}
    return {"terminal": True, "consoleSize": {"height": window[0], "width": window[1]}}


def _owner(user: str | None) -> tuple[int, int] | None:
    if user is None or os.geteuid() != 0:
        return None
    entry = account(user)
    return entry.pw_uid, entry.pw_gid


def usable() -> str | None:
    """Why images cannot be run on this machine; None if they can."""
    missing = [tool for tool in ("runc", "skopeo", "umoci", reaped.PERL) if shutil.which(tool) is None]
    if missing:
        return f"missing programs: {', '.join(missing)}"
    if os.geteuid() != 0:
        return "only root can run images"
    if sys.platform != "linux":
        return "images need Linux"
    probe = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "true"]  # what a container is made of
    done = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return "this machine allows no new namespaces" if done.returncode else None
