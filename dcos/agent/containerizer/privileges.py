"""What a task may do to the machine: capabilities, system calls, namespaces that it shares. Decided here, applied by backends.

Each rule is one of the agent's isolators; without the isolator a task's wish has no effect, as with upstream.
Source: Mesos docs/isolators/{linux-capabilities,linux-seccomp,namespaces-ipc,namespaces-pid}.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from dcos.agent.containerizer.seccomp import SeccompError, runtime_profile
from dcos.model.v1.types import CapabilityInfo, CapabilityInfoCapability, LinuxInfo, LinuxInfoIpcMode
from dcos.wire import mesos_json
from dcos.wire.errors import WireError

DEFAULT_SHM_BYTES = 64 * 2**20
ALL_CAPABILITIES = tuple(
    f"CAP_{one}" for one in CapabilityInfoCapability if one is not CapabilityInfoCapability.UNKNOWN
)
"""What a command on the machine's own files has, where nobody limits it."""


class NotAllowed(ValueError):
    """The task asks for more than the operator allows: says what."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``effective``: what it has; ``bounding``: what its programs can ever get. Names as the kernel's."""

    effective: tuple[str, ...]
    bounding: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Confinement:
    """What keeps a command without an image apart from the machine."""

    own_pids: bool = False
    own_ipc: bool = False
    shm_bytes: int | None = None
    """Of a /dev/shm of its own; None: it sees the machine's."""
    seccomp: Mapping[str, Any] | None = None
    no_new_privileges: bool = False


@dataclass(frozen=True, slots=True)
class PrivilegeRules:
    """The operator's side."""

    isolation: tuple[str, ...] = ()
    effective: tuple[str, ...] | None = None
    bounding: tuple[str, ...] | None = None
    seccomp_folder: Path | None = None
    seccomp_profile: str | None = None
    shm_size: int | None = None
    no_shared_ipc: bool = False
    no_shared_pid: bool = False

    def capabilities(self, info: LinuxInfo | None) -> Capabilities | None:
        """None: as the runtime gives them.   Errors: NotAllowed."""
        if "linux/capabilities" not in self.isolation:
            return None
        asked = asked_bounding = None
        if info is not None:
            asked = _names(info.effective_capabilities or info.capability_info)
            asked_bounding = _names(info.bounding_capabilities)
        allowed = self.bounding
        if asked_bounding is not None:
            _check("bounding", asked_bounding, allowed)
            allowed = asked_bounding
        effective = asked if asked is not None else self.effective
        if effective is None:
            return None if allowed is None else Capabilities(allowed, allowed)
        if asked is None and asked_bounding is not None:
            # the task bounds what the operator gives
            effective = tuple(one for one in effective if one in asked_bounding)
        _check("effective", effective, allowed)
        return Capabilities(effective, effective if allowed is None else allowed)

    def seccomp(self, info: LinuxInfo | None, capabilities: Iterable[str]) -> Mapping[str, Any] | None:
        """``linux.seccomp`` of the OCI runtime specification.   Errors: NotAllowed, SeccompError."""
        if "linux/seccomp" not in self.isolation:
            return None
        asked = info.seccomp if info is not None else None
        if asked is not None and asked.unconfined:
            if asked.profile_name is not None:
                raise NotAllowed("seccomp: a profile cannot be given together with unconfined")
            return None
        name = asked.profile_name if asked is not None and asked.profile_name is not None else self.seccomp_profile
        if name is None:
            return None
        if self.seccomp_folder is None:
            raise NotAllowed("seccomp: the agent has no --seccomp_config_dir")
        if "/" in name or name in ("", ".", ".."):
            raise NotAllowed(f"seccomp: profile {name!r} is not the name of a file")
        try:
            raw = (self.seccomp_folder / name).read_bytes()
        except OSError as error:
            raise SeccompError(f"seccomp profile {name!r} cannot be read: {error}") from None
        return runtime_profile(raw, name, frozenset(capabilities))

    def shares_ipc(self, info: LinuxInfo | None) -> bool:
        """Whether an image's container is in the machine's IPC namespace.   Errors: NotAllowed."""
        if info is None or info.ipc_mode is not LinuxInfoIpcMode.SHARE_PARENT:
            return False
        if self.no_shared_ipc:
            raise NotAllowed(
                "Sharing the agent's IPC namespace is not allowed (--disallow_sharing_agent_ipc_namespace)"
            )
        if info.shm_size is not None:
            raise NotAllowed("shm_size: only a container with an IPC namespace of its own (ipc_mode PRIVATE) has one")
        return True

    def shares_group_ipc(self, executor: LinuxInfo | None, info: LinuxInfo | None, *, image: bool) -> bool:
        """Whether a group's task is in IPC that its executor holds for all of them."""
        if executor is not None and executor.ipc_mode is LinuxInfoIpcMode.SHARE_PARENT:
            return False
        if info is not None and (info.ipc_mode is LinuxInfoIpcMode.PRIVATE or info.shm_size is not None):
            return False
        return image or "namespaces/ipc" in self.isolation

    def shm_bytes(self, info: LinuxInfo | None) -> int | None:
        """Size of a private /dev/shm; None: the runtime's. A task's is in MB."""
        if info is not None and info.shm_size is not None:
            return info.shm_size * 2**20
        return self.shm_size

    def own_pid_namespace(self, info: LinuxInfo | None) -> bool:
        """Errors: NotAllowed."""
        if "namespaces/pid" not in self.isolation:
            return False
        if info is not None and info.share_pid_namespace:
            if self.no_shared_pid:
                raise NotAllowed(
                    "Sharing the agent's PID namespace is not allowed (--disallow_sharing_agent_pid_namespace)"
                )
            return False
        return True

    @property
    def no_new_privileges(self) -> bool:
        return "linux/nnp" in self.isolation

    def confinement(
        self, info: LinuxInfo | None, capabilities: Capabilities | None, *, in_group: bool = False
    ) -> Confinement:
        """Of a command without an image, to which the machine's /dev/shm is shown unless it asks for its own.

        ``in_group``: its IPC is that of its group already.
        Errors: NotAllowed, SeccompError.
        """
        own_ipc = not in_group and not self.shares_ipc(info) and "namespaces/ipc" in self.isolation
        shm = None
        if info is not None and info.ipc_mode is LinuxInfoIpcMode.PRIVATE and own_ipc:
            shm = self.shm_bytes(info) or DEFAULT_SHM_BYTES
        elif info is not None and info.shm_size is not None:
            raise NotAllowed("shm_size: only a container with ipc_mode PRIVATE (isolator namespaces/ipc) has one")
        return Confinement(
            own_pids=self.own_pid_namespace(info),
            own_ipc=own_ipc,
            shm_bytes=shm,
            seccomp=self.seccomp(info, ALL_CAPABILITIES if capabilities is None else capabilities.bounding),
            no_new_privileges=self.no_new_privileges,
        )


def parse_capabilities(text: str | None, flag: str) -> tuple[str, ...] | None:
    """A CapabilityInfo in JSON, or the bare list of it.   Errors: ValueError."""
    if text is None:
        return None
    try:
        if text.lstrip().startswith("["):
            text = f'{{"capabilities": {text}}}'
        return _names(mesos_json.decode(text.encode(), CapabilityInfo))
    except (WireError, msgspec.MsgspecError) as error:
        raise ValueError(f"--{flag}: {error}") from None


def _names(info: CapabilityInfo | None) -> tuple[str, ...] | None:
    if info is None:
        return None
    if CapabilityInfoCapability.UNKNOWN in info.capabilities:
        raise NotAllowed("capabilities: one is not known")
    return tuple(sorted({f"CAP_{one}" for one in info.capabilities}))


def _check(kind: str, asked: tuple[str, ...], allowed: tuple[str, ...] | None) -> None:
    if allowed is not None and not set(asked) <= set(allowed):
        raise NotAllowed(f"Requested {kind} capabilities '{_text(asked)}', but only '{_text(allowed)}' are allowed")


def _text(names: tuple[str, ...]) -> str:
    return "{ " + ", ".join(one.removeprefix("CAP_") for one in names) + " }"
