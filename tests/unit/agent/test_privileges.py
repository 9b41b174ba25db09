"""What tasks may do, and profiles of system calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer.box import Mark
from dcos.agent.containerizer.privileges import Capabilities, NotAllowed, PrivilegeRules, parse_capabilities
from dcos.agent.containerizer.runc_spec import User, runtime_spec
from dcos.agent.containerizer.seccomp import SeccompError, runtime_profile
from dcos.model.v1.types import CapabilityInfo, CapabilityInfoCapability, LinuxInfo, LinuxInfoIpcMode, SeccompInfo

ON = ("linux/capabilities", "linux/seccomp", "namespaces/pid")


def caps(*names: str) -> CapabilityInfo:
    return CapabilityInfo(capabilities=tuple(CapabilityInfoCapability(one) for one in names))


@pytest.mark.parametrize(
    ("effective", "bounding", "info", "expected"),
    [
        (None, None, None, None),
        (("CAP_CHOWN",), None, None, Capabilities(("CAP_CHOWN",), ("CAP_CHOWN",))),
        (None, ("CAP_CHOWN",), None, Capabilities(("CAP_CHOWN",), ("CAP_CHOWN",))),
        (
            ("CAP_CHOWN",),
            ("CAP_CHOWN", "CAP_KILL"),
            LinuxInfo(effective_capabilities=caps("KILL")),
            Capabilities(("CAP_KILL",), ("CAP_CHOWN", "CAP_KILL")),
        ),
        (
            None,
            ("CAP_CHOWN", "CAP_KILL"),
            LinuxInfo(capability_info=caps("KILL"), bounding_capabilities=caps("KILL")),
            Capabilities(("CAP_KILL",), ("CAP_KILL",)),
        ),
        (("CAP_CHOWN", "CAP_KILL"), None, LinuxInfo(bounding_capabilities=caps("KILL")),
         Capabilities(("CAP_KILL",), ("CAP_KILL",))),
        (("CAP_CHOWN",), None, LinuxInfo(effective_capabilities=caps()), Capabilities((), ())),
    ],
)  # fmt: skip
def test_capabilities(effective: Any, bounding: Any, info: Any, expected: Any) -> None:
    rules = PrivilegeRules(isolation=ON, effective=effective, bounding=bounding)
    assert rules.capabilities(info) == expected
    assert PrivilegeRules(effective=effective, bounding=bounding).capabilities(info) is None


@pytest.mark.parametrize(
    ("info", "words"),
    [
        (LinuxInfo(effective_capabilities=caps("SYS_ADMIN")), "Requested effective capabilities '{ SYS_ADMIN }'"),
        (LinuxInfo(bounding_capabilities=caps("SYS_ADMIN")), "Requested bounding capabilities '{ SYS_ADMIN }'"),
        (LinuxInfo(effective_capabilities=caps("UNKNOWN")), "not known"),
    ],
)
def test_too_much(info: LinuxInfo, words: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        PrivilegeRules(isolation=ON, bounding=("CAP_CHOWN",)).capabilities(info)
    assert words in str(caught.value)


def test_flags() -> None:
    assert parse_capabilities('{"capabilities": ["NET_RAW", "CHOWN"]}', "x") == ("CAP_CHOWN", "CAP_NET_RAW")
    assert parse_capabilities('["CHOWN"]', "x") == ("CAP_CHOWN",)
    assert parse_capabilities(None, "x") is None
    with pytest.raises(ValueError, match="--x"):
        parse_capabilities("CHOWN", "x")


def test_namespaces() -> None:
    rules = PrivilegeRules(isolation=ON, shm_size=2**20)
    assert rules.own_pid_namespace(None)
    assert not rules.own_pid_namespace(LinuxInfo(share_pid_namespace=True))
    assert not PrivilegeRules().own_pid_namespace(LinuxInfo(share_pid_namespace=False))
    shared = LinuxInfo(ipc_mode=LinuxInfoIpcMode.SHARE_PARENT)
    assert rules.shares_ipc(shared)
    assert not rules.shares_ipc(LinuxInfo(ipc_mode=LinuxInfoIpcMode.PRIVATE))
    assert rules.shm_bytes(None) == 2**20
    assert rules.shm_bytes(LinuxInfo(shm_size=3)) == 3 * 2**20
    strict = PrivilegeRules(isolation=ON, no_shared_ipc=True, no_shared_pid=True)
    with pytest.raises(NotAllowed):
        strict.shares_ipc(shared)
    with pytest.raises(NotAllowed):
        strict.own_pid_namespace(LinuxInfo(share_pid_namespace=True))
    with pytest.raises(NotAllowed):
        rules.shares_ipc(LinuxInfo(ipc_mode=LinuxInfoIpcMode.SHARE_PARENT, shm_size=1))


PROFILE = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 1,
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ],
    "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}},
        {
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}],
            "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390x"]},
        },
    ],
}


@pytest.mark.parametrize(
    ("capabilities", "machine", "kernel", "names"),
    [
        ((), "x86_64", "6.1.0-1", ["read", "ptrace", "arch_prctl", "clone"]),
        (("CAP_SYS_ADMIN",), "x86_64", "6.1.0", ["read", "ptrace", "mount", "arch_prctl"]),
        ((), "aarch64", "4.4", ["read", "clone"]),
        ((), "s390x", "5.10", ["read", "ptrace"]),
    ],
)
def test_profiles(capabilities: tuple[str, ...], machine: str, kernel: str, names: list[str]) -> None:
    raw = json.dumps(PROFILE).encode()
    made = runtime_profile(raw, "p", frozenset(capabilities), machine=machine, kernel=kernel)
    assert [name for rule in made["syscalls"] for name in rule["names"]] == names
    assert made["defaultErrnoRet"] == 1
    if machine == "x86_64":
        assert made["architectures"] == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]


def test_which_profile(tmp_path: Path) -> None:
    (tmp_path / "default.json").write_text(json.dumps(PROFILE))
    rules = PrivilegeRules(isolation=ON, seccomp_folder=tmp_path, seccomp_profile="default.json")
    assert rules.seccomp(None, ()) is not None
    assert rules.seccomp(LinuxInfo(seccomp=SeccompInfo(unconfined=True)), ()) is None
    assert PrivilegeRules(seccomp_folder=tmp_path, seccomp_profile="default.json").seccomp(None, ()) is None
    for info, error in (
        (SeccompInfo(profile_name="../default.json"), NotAllowed),
        (SeccompInfo(profile_name="none.json"), SeccompError),
        (SeccompInfo(profile_name="default.json", unconfined=True), NotAllowed),
    ):
        with pytest.raises(error):
            rules.seccomp(LinuxInfo(seccomp=info), ())


def spec(**more: Any) -> dict[str, Any]:
    return runtime_spec(
        argv=("true",),
        environment={},
        directory="/",
        user=User(0, 0),
        mark=Mark(
            launcher="posix",
            backend="oci",
            sandbox="/s",
            cpus=500,
            mem_bytes=2**25,
            mem_hard_bytes=2**26,
            **more.pop("mark", {}),
        ),
        cgroups_path="/mesos/c",
        mounts=(),
        rlimits=None,
        pid_namespace=False,
        **more,
    )


def test_the_runtime_is_told() -> None:
    made = spec(capabilities=Capabilities(("CAP_KILL",), ("CAP_CHOWN", "CAP_KILL")), shm_bytes=1024)
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    assert made["process"]["capabilities"] == {kind: ["CAP_KILL"] for kind in kinds}
    (shm,) = [one for one in made["mounts"] if one["destination"] == "/dev/shm"]
    assert "size=1024" in shm["options"]
    assert made["linux"]["resources"] == {
        "cpu": {"shares": 512},
        "memory": {"limit": 2**26, "reservation": 2**25},
    }
    shared = spec(shares_ipc=True, mark={"limits_swap": True})
    assert {"type": "ipc"} not in shared["linux"]["namespaces"]
    (shm,) = [one for one in shared["mounts"] if one["destination"] == "/dev/shm"]
    assert (shm["type"], shm["source"]) == ("bind", "/dev/shm")
    assert shared["linux"]["resources"]["memory"]["swap"] == 2**26
