"""Seccomp profiles: files in Docker's format become what runc reads.

Docker's rules may depend on the machine and on the container's capabilities; runc's do not: that is settled here.
Source: Docker seccomp profile format; OCI runtime specification, ``linux.seccomp``.
"""

from __future__ import annotations

import platform
from typing import Any

import msgspec

_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
}


class SeccompError(ValueError):
    """A profile that cannot be used: says why."""


class Condition(msgspec.Struct, frozen=True):
    caps: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    minKernel: str | None = None


class Argument(msgspec.Struct, frozen=True, omit_defaults=True):
    index: int
    op: str
    value: int = 0
    valueTwo: int = 0


class Rule(msgspec.Struct, frozen=True):
    action: str
    names: tuple[str, ...] = ()
    name: str | None = None
    args: tuple[Argument, ...] | None = None
    errnoRet: int | None = None
    includes: Condition = Condition()
    excludes: Condition = Condition()


class Machine(msgspec.Struct, frozen=True):
    architecture: str
    subArchitectures: tuple[str, ...] = ()


class Profile(msgspec.Struct, frozen=True):
    defaultAction: str
    defaultErrnoRet: int | None = None
    architectures: tuple[str, ...] = ()
    archMap: tuple[Machine, ...] = ()
    syscalls: tuple[Rule, ...] = ()


def runtime_profile(
    raw: bytes, name: str, capabilities: frozenset[str], *, machine: str | None = None, kernel: str | None = None
) -> dict[str, Any]:
    """``linux.seccomp``.   ``machine`` and ``kernel`` as uname tells them. Errors: SeccompError."""
    try:
        profile = msgspec.json.decode(raw, type=Profile)
    except msgspec.MsgspecError as error:
        raise SeccompError(f"seccomp profile {name!r}: {error}") from None
    docker_name, native = _MACHINES.get(machine or platform.machine(), ("", ""))
    release = _version(kernel or platform.release())
    architectures = profile.architectures
    for one in profile.archMap:
        if one.architecture == native:
            architectures = (native, *one.subArchitectures)
    out: dict[str, Any] = {"defaultAction": profile.defaultAction, "architectures": list(architectures), "syscalls": []}
    if profile.defaultErrnoRet is not None:
        out["defaultErrnoRet"] = profile.defaultErrnoRet
    for rule in profile.syscalls:
        wanted, unwanted = rule.includes, rule.excludes
        if not set(wanted.caps) <= capabilities or set(unwanted.caps) & capabilities:
            continue
        if (wanted.arches and docker_name not in wanted.arches) or docker_name in unwanted.arches:
            continue
        if wanted.minKernel is not None and release < _version(wanted.minKernel):
            continue
        if unwanted.minKernel is not None and release >= _version(unwanted.minKernel):
            continue
        one_rule: dict[str, Any] = {"names": [*rule.names, *([rule.name] if rule.name else [])], "action": rule.action}
        if rule.args:
            one_rule["args"] = list(rule.args)
        if rule.errnoRet is not None:
            one_rule["errnoRet"] = rule.errnoRet
        out["syscalls"].append(one_rule)
    return out


def _version(text: str) -> tuple[int, ...]:
    parts = []
    for word in text.split(".")[:2]:
        digits = ""
        for letter in word:
            if not letter.isdigit():
                break
            digits += letter
        parts.append(int(digits or 0))
    return tuple(parts)
