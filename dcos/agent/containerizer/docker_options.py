"""``DockerInfo.parameters``: long options of ``docker run`` as parts of the Engine API's container description.

One row an option: where its value goes and how it is read. Options that would take the container out of the agent's hands
(``name``, ``rm``, ``detach`` and the like) are refused or without effect, as the table says.
Source: ``docker run`` reference; Docker Engine API, ContainerCreate.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dcos.model.v1.types import Parameter

Body = dict[str, Any]
Setter = Callable[[Body, str], None]
_SIZES = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_UNITS_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


class BadOption(ValueError):
    """A parameter that cannot be used: names it and says why."""


def apply(body: Body, parameters: Iterable[Parameter]) -> None:
    """Put ``parameters`` into ``body``, in order.   Errors: BadOption."""
    for one in parameters:
        name = one.key.lstrip("-")
        setter = _OPTIONS.get(name)
        if setter is None:
            raise BadOption(f"parameter {one.key!r}: not an option of docker run that can be used here")
        try:
            setter(body, one.value)
        except BadOption:
            raise
        except (ValueError, KeyError, IndexError, OSError) as error:
            raise BadOption(f"parameter {one.key!r}: {one.value!r}: {error}") from None


# ---- values ----------------------------------------------------------------------------------------------------------


def size(text: str) -> int:
    """``512m`` to bytes; -1 is kept."""
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?", text.strip().lower())
    if match is None:
        raise ValueError("must be a number and a unit of b, k, m, g")
    return int(float(match[1]) * _SIZES[match[2]])


def duration_ns(text: str) -> int:
    """``1m30s`` to nanoseconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("must be a duration such as 1m30s")
    return int(sum(float(number) * _UNITS_NS[unit] for number, unit in parts))


def flag(text: str) -> bool:
    lower = text.strip().lower()
    if lower in ("true", "1", "t", ""):
        return True
    if lower in ("false", "0", "f"):
        return False
    raise ValueError("must be true or false")


def _pair(text: str, separator: str = "=") -> tuple[str, str]:
    key, _, value = text.partition(separator)
    if not key:
        raise ValueError(f"must be key{separator}value")
    return key, value


def _device(text: str) -> dict[str, str]:
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not parts[0]:
        raise ValueError("must be host[:container[:rwm]]")
    if len(parts) == 2 and re.fullmatch(r"[rwm]+", parts[1]):
        parts = [parts[0], parts[0], parts[1]]
    inside = parts[1] if len(parts) > 1 else parts[0]
    return {
        "PathOnHost": parts[0],
        "PathInContainer": inside,
        "CgroupPermissions": parts[2] if len(parts) > 2 else "rwm",
    }


def _ulimit(text: str) -> dict[str, Any]:
    name, value = _pair(text)
    soft, _, hard = value.partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def _weight_device(text: str) -> dict[str, Any]:
    path, weight = _pair(text, ":")
    return {"Path": path, "Weight": int(weight)}


def _rate(value: Callable[[str], int]) -> Callable[[str], dict[str, Any]]:
    def parse(text: str) -> dict[str, Any]:
        path, rate = _pair(text, ":")
        return {"Path": path, "Rate": value(rate)}

    return parse


def _device_request(text: str) -> dict[str, Any]:
    raise ValueError("GPUs are given by the resource gpus, to the mesos containerizer only")


def _security(text: str) -> str:
    """A seccomp profile is named by its file and sent by its content."""
    key, value = _pair(text.replace("seccomp:", "seccomp=", 1))
    if key != "seccomp" or value in ("unconfined", "builtin"):
        return text
    return f"seccomp={json.dumps(json.loads(Path(value).read_text()))}"


def _mount(text: str) -> dict[str, Any]:
    """``type=bind,source=/a,target=/b,readonly``"""
    out: dict[str, Any] = {"Type": "volume"}
    for part in text.split(","):
        key, _, value = part.partition("=")
        match key:
            case "type":
                out["Type"] = value
            case "source" | "src":
                out["Source"] = value
            case "target" | "destination" | "dst":
                out["Target"] = value
            case "readonly" | "ro":
                out["ReadOnly"] = flag(value)
            case "bind-propagation":
                out["BindOptions"] = {"Propagation": value}
            case "tmpfs-size":
                out.setdefault("TmpfsOptions", {})["SizeBytes"] = size(value)
            case "tmpfs-mode":
                out.setdefault("TmpfsOptions", {})["Mode"] = int(value, 8)
            case "volume-driver":
                out.setdefault("VolumeOptions", {}).setdefault("DriverConfig", {})["Name"] = value
            case "volume-nocopy":
                out.setdefault("VolumeOptions", {})["NoCopy"] = flag(value)
            case _:
                raise ValueError(f"{key!r} is not a word of --mount")
    if "Target" not in out:
        raise ValueError("target is missing")
    return out


# ---- places ----------------------------------------------------------------------------------------------------------


def _place(body: Body, path: str) -> tuple[Body, str]:
    *above, last = path.split(".")
    for name in above:
        body = body.setdefault(name, {})
    return body, last


def _set(path: str, value: Callable[[str], Any] = str) -> Setter:
    def setter(body: Body, text: str) -> None:
        where, last = _place(body, path)
        where[last] = value(text)

    return setter


def _add(path: str, value: Callable[[str], Any] = str) -> Setter:
    def setter(body: Body, text: str) -> None:
        where, last = _place(body, path)
        where.setdefault(last, []).append(value(text))

    return setter


def _put(path: str, separator: str = "=") -> Setter:
    def setter(body: Body, text: str) -> None:
        where, last = _place(body, path)
        key, value = _pair(text, separator)
        where.setdefault(last, {})[key] = value

    return setter


def _environment(body: Body, text: str) -> None:
    name, _ = _pair(text)
    others = [one for one in body.setdefault("Env", []) if not one.startswith(f"{name}=")]
    body["Env"] = [*others, text if "=" in text else f"{name}="]


def _volume(body: Body, text: str) -> None:
    if ":" in text:
        _add("HostConfig.Binds")(body, text)
    else:
        body.setdefault("Volumes", {})[text] = {}


def _expose(body: Body, text: str) -> None:
    for port in _ports(text):
        body.setdefault("ExposedPorts", {})[port] = {}


def _publish(body: Body, text: str) -> None:
    """``[ip:][host:]container[/protocol]``; ranges of the same length on both sides."""
    rest, _, protocol = text.partition("/")
    host, _, inside = rest.rpartition(":")
    address, _, outside = host.rpartition(":")
    ports = _ports(f"{inside}/{protocol or 'tcp'}")
    outer = [""] * len(ports) if not outside else _numbers(outside)
    if len(outer) != len(ports):
        raise ValueError("the ranges of ports differ in length")
    for port, number in zip(ports, outer, strict=True):
        body.setdefault("ExposedPorts", {})[port] = {}
        bindings = body.setdefault("HostConfig", {}).setdefault("PortBindings", {})
        bindings.setdefault(port, []).append({"HostIp": address.strip("[]"), "HostPort": str(number)})


def _numbers(text: str) -> list[str]:
    first, _, last = text.partition("-")
    return [str(one) for one in range(int(first), int(last or first) + 1)]


def _ports(text: str) -> list[str]:
    rest, _, protocol = text.partition("/")
    return [f"{one}/{protocol or 'tcp'}" for one in _numbers(rest)]


def _network(body: Body, text: str) -> None:
    if "=" in text:
        raise ValueError("only the network's name")
    settings = body.setdefault("NetworkingConfig", {}).setdefault("EndpointsConfig", {})
    old = body.setdefault("HostConfig", {}).get("NetworkMode")
    body["HostConfig"]["NetworkMode"] = text
    if old in settings:
        settings[text] = settings.pop(old)


def _endpoint(key: str, value: Callable[[str], Any], *, many: bool = False) -> Setter:
    """Of the one network that the container joins; the mode must have been set before."""

    def setter(body: Body, text: str) -> None:
        mode = body["HostConfig"]["NetworkMode"]
        one = body.setdefault("NetworkingConfig", {}).setdefault("EndpointsConfig", {}).setdefault(mode, {})
        where, last = _place(one, key)
        if many:
            where.setdefault(last, []).append(value(text))
        else:
            where[last] = value(text)

    return setter


def _restart(body: Body, text: str) -> None:
    name, _, count = text.partition(":")
    if name not in ("no", "on-failure"):
        raise ValueError("whether it is started again is its scheduler's to decide")
    body.setdefault("HostConfig", {})["RestartPolicy"] = {"Name": name, "MaximumRetryCount": int(count or 0)}


def _nothing(body: Body, text: str) -> None:
    """Without effect: the agent attaches, keeps and removes the container itself."""


def _refused(why: str) -> Setter:
    def setter(body: Body, text: str) -> None:
        raise ValueError(why)

    return setter


def _shell(text: str) -> list[str]:
    return ["CMD-SHELL", text]


_HOST = "HostConfig."
_OPTIONS: dict[str, Setter] = {
    "add-host": _add(_HOST + "ExtraHosts"),
    "attach": _nothing,
    "blkio-weight": _set(_HOST + "BlkioWeight", int),
    "blkio-weight-device": _add(_HOST + "BlkioWeightDevice", _weight_device),
    "cap-add": _add(_HOST + "CapAdd"),
    "cap-drop": _add(_HOST + "CapDrop"),
    "cgroup-parent": _set(_HOST + "CgroupParent"),
    "cgroupns": _set(_HOST + "CgroupnsMode"),
    "cidfile": _nothing,
    "cpu-count": _set(_HOST + "CpuCount", int),
    "cpu-percent": _set(_HOST + "CpuPercent", int),
    "cpu-period": _set(_HOST + "CpuPeriod", int),
    "cpu-quota": _set(_HOST + "CpuQuota", int),
    "cpu-rt-period": _set(_HOST + "CpuRealtimePeriod", int),
    "cpu-rt-runtime": _set(_HOST + "CpuRealtimeRuntime", int),
    "cpu-shares": _set(_HOST + "CpuShares", int),
    "cpus": _set(_HOST + "NanoCpus", lambda text: int(float(text) * 1e9)),
    "cpuset-cpus": _set(_HOST + "CpusetCpus"),
    "cpuset-mems": _set(_HOST + "CpusetMems"),
    "detach": _nothing,
    "device": _add(_HOST + "Devices", _device),
    "device-cgroup-rule": _add(_HOST + "DeviceCgroupRules"),
    "device-read-bps": _add(_HOST + "BlkioDeviceReadBps", _rate(size)),
    "device-read-iops": _add(_HOST + "BlkioDeviceReadIOps", _rate(int)),
    "device-write-bps": _add(_HOST + "BlkioDeviceWriteBps", _rate(size)),
    "device-write-iops": _add(_HOST + "BlkioDeviceWriteIOps", _rate(int)),
    "disable-content-trust": _nothing,
    "dns": _add(_HOST + "Dns"),
    "dns-opt": _add(_HOST + "DnsOptions"),
    "dns-option": _add(_HOST + "DnsOptions"),
    "dns-search": _add(_HOST + "DnsSearch"),
    "domainname": _set("Domainname"),
    "entrypoint": _set("Entrypoint", lambda text: [text] if text else []),
    "env": _environment,
    "expose": _expose,
    "gpus": _add(_HOST + "DeviceRequests", _device_request),
    "group-add": _add(_HOST + "GroupAdd"),
    "health-cmd": _set("Healthcheck.Test", _shell),
    "health-interval": _set("Healthcheck.Interval", duration_ns),
    "health-retries": _set("Healthcheck.Retries", int),
    "health-start-period": _set("Healthcheck.StartPeriod", duration_ns),
    "health-timeout": _set("Healthcheck.Timeout", duration_ns),
    "hostname": _set("Hostname"),
    "init": _set(_HOST + "Init", flag),
    "interactive": _set("OpenStdin", flag),
    "ip": _endpoint("IPAMConfig.IPv4Address", str),
    "ip6": _endpoint("IPAMConfig.IPv6Address", str),
    "ipc": _set(_HOST + "IpcMode"),
    "kernel-memory": _set(_HOST + "KernelMemory", size),
    "label": _put("Labels"),
    "link": _add(_HOST + "Links"),
    "link-local-ip": _endpoint("IPAMConfig.LinkLocalIPs", str, many=True),
    "log-driver": _set(_HOST + "LogConfig.Type"),
    "log-opt": _put(_HOST + "LogConfig.Config"),
    "mac-address": _set("MacAddress"),
    "memory": _set(_HOST + "Memory", size),
    "memory-reservation": _set(_HOST + "MemoryReservation", size),
    "memory-swap": _set(_HOST + "MemorySwap", size),
    "memory-swappiness": _set(_HOST + "MemorySwappiness", int),
    "mount": _add(_HOST + "Mounts", _mount),
    "name": _refused("the agent finds the container by its name"),
    "net": _network,
    "net-alias": _endpoint("Aliases", str, many=True),
    "network": _network,
    "network-alias": _endpoint("Aliases", str, many=True),
    "no-healthcheck": _set("Healthcheck.Test", lambda text: ["NONE"]),
    "oom-kill-disable": _set(_HOST + "OomKillDisable", flag),
    "oom-score-adj": _set(_HOST + "OomScoreAdj", int),
    "pid": _set(_HOST + "PidMode"),
    "pids-limit": _set(_HOST + "PidsLimit", int),
    "privileged": _set(_HOST + "Privileged", flag),
    "publish": _publish,
    "publish-all": _set(_HOST + "PublishAllPorts", flag),
    "pull": _nothing,
    "read-only": _set(_HOST + "ReadonlyRootfs", flag),
    "restart": _restart,
    "rm": _nothing,
    "runtime": _set(_HOST + "Runtime"),
    "security-opt": _add(_HOST + "SecurityOpt", _security),
    "shm-size": _set(_HOST + "ShmSize", size),
    "sig-proxy": _nothing,
    "stop-signal": _set("StopSignal"),
    "stop-timeout": _set("StopTimeout", int),
    "storage-opt": _put(_HOST + "StorageOpt"),
    "sysctl": _put(_HOST + "Sysctls"),
    "tmpfs": _put(_HOST + "Tmpfs", ":"),
    "tty": _set("Tty", flag),
    "ulimit": _add(_HOST + "Ulimits", _ulimit),
    "user": _set("User"),
    "userns": _set(_HOST + "UsernsMode"),
    "uts": _set(_HOST + "UTSMode"),
    "volume": _volume,
    "volume-driver": _set(_HOST + "VolumeDriver"),
    "volumes-from": _add(_HOST + "VolumesFrom"),
    "workdir": _set("WorkingDir"),
}
OPTIONS = tuple(_OPTIONS)
"""Every option that is known, refused ones included."""
