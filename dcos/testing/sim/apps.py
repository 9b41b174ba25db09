"""What people run in a simulated Marathon: two plain apps, a pod and a group in every world, and some of the special kinds.

The special kinds: probed by Marathon for its health; spread evenly, also later; rolled out in steps; scaled by a measure; one
on every agent; an app and a pod that keep volumes.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from dcos.model.marathon import CheckCommand, ExecutorResources, PersistentVolume
from dcos.model.pods import Pod, PodContainer, PodExec, PodVolume, Scaling, VolumeMount
from dcos.model.pods import Resources as Needs
from dcos.model.resources import Resources
from dcos.testing.sim.launches import OVERHEAD

WISH = Resources.parse("cpus:0.05;mem:16")
"""Of each task."""
SIZES = tuple(f"{one};ports:[31000-31009]" for one in ("cpus:4;mem:1536;disk:64", "cpus:8;mem:4096;disk:48"))
"""Of agents where there is a Marathon: one must do for all that is wanted."""
LOAD, ERRORS = "load", "errors"
"""Measures."""
PER_INSTANCE = 10.0
MOST_SCALED = 4

_APP: dict[str, Any] = {"cmd": "run 0 0 0.5", "cpus": 0.05, "mem": 16, "portDefinitions": []}
_COMMAND = PodExec(command=CheckCommand(shell=_APP["cmd"]))
_NEEDS = Needs(cpus=0.05, mem=16.0)
_EXECUTOR = ExecutorResources(cpus=OVERHEAD.scalar("cpus") / 1000, mem=OVERHEAD.scalar("mem") / 1000, disk=1.0)
_CHECK = {
    "protocol": "HTTP",
    "path": "/health",
    "portIndex": 0,
    "gracePeriodSeconds": 20,
    "intervalSeconds": 10,
    "timeoutSeconds": 5,
    "maxConsecutiveFailures": 3,
}
_READY = {
    "name": "ready",
    "protocol": "HTTP",
    "path": "/ready",
    "portName": "main",
    "intervalSeconds": 3,
    "timeoutSeconds": 2,
    "httpStatusCodesForReady": [200],
}
_VOLUMES = [{"containerPath": "data", "mode": "RW", "persistent": {"size": 4}}]


def _pod(name: str, instances: int, **more: Any) -> Pod:
    """Two containers that run and end together."""
    mounts = tuple(VolumeMount(name=one.name, mount_path=one.name) for one in more.get("volumes", ()))
    containers = tuple(PodContainer(name=one, resources=_NEEDS, exec=_COMMAND, volume_mounts=mounts) for one in "ab")
    scaling = Scaling(instances=instances)
    return Pod(id=name, containers=containers, executor_resources=_EXECUTOR, scaling=scaling, **more)


@dataclass(frozen=True, slots=True)
class Kind:
    """An app or pod as people define it."""

    id: str
    fields: dict[str, Any] = field(default_factory=dict)
    """Beside those of every app; of a pod its members."""
    is_pod: bool = False
    most: int = 3
    """Instances, where people say how many."""
    counted: bool = True

    def app(self, instances: int) -> dict[str, Any]:
        return {**_APP, "id": self.id, "instances": instances, **self.fields}

    def pod(self, instances: int) -> Pod:
        return _pod(self.id, instances, **self.fields)


POD = Kind("/pod", is_pod=True)
CHECKED = Kind(
    "/checked",
    {"healthChecks": [_CHECK], "readinessChecks": [_READY], "portDefinitions": [{"port": 0, "name": "main"}]},
)
BALANCED = Kind("/balanced", {"rebalance": {"by": "hostname", "intervalSeconds": 5}}, most=5)
STEPS = Kind("/steps", {"upgradeStrategy": {"steps": [{"percent": 30, "pauseSeconds": 5}]}}, most=4)
SCALED = Kind(
    "/scaled",
    {
        "autoscaling": {
            "min": 1,
            "max": MOST_SCALED,
            "query": {"query": LOAD, "target": PER_INSTANCE},
            "intervalSeconds": 5,
            "cooldownSeconds": 10,
            "scaleDownSeconds": 20,
        }
    },
    counted=False,
)
EVERYWHERE = Kind("/everywhere", {"instancesMode": "all"}, counted=False)
STORE = Kind("/keep/store", {"role": "keep", "container": {"type": "MESOS", "volumes": _VOLUMES}}, most=2)
KEEPER = Kind(
    "/keep/pod",
    {
        "role": "keep",
        "volumes": tuple(PodVolume(name=one, persistent=PersistentVolume(size=2)) for one in ("data", "log")),
    },
    is_pod=True,
    most=2,
)
COMMON = (Kind("/app1"), Kind("/app2"), POD)
SPECIAL = (CHECKED, BALANCED, STEPS, SCALED, EVERYWHERE, STORE, KEEPER)
VOLUMES = {STORE.id: 1, KEEPER.id: 2}
"""How many an instance keeps."""
GROUP = ("/group/first", "/group/second")


def group(count: int) -> dict[str, Any]:
    """Its second app comes after the first."""
    first, second = ({**_APP, "id": app, "instances": count} for app in GROUP)
    return {"id": "/group", "apps": [first, {**second, "dependencies": [GROUP[0]]}]}


def scaled_to(load: float) -> int:
    """How many instances the measure asks for."""
    return min(MOST_SCALED, max(1, math.ceil(load / PER_INSTANCE)))


def upgrade(rng: random.Random, kind: Kind) -> dict[str, Any]:
    """Another configuration, and how it comes about."""
    strategy: dict[str, Any] = {
        "minimumHealthCapacity": rng.choice((0.0, 0.5, 1.0, 1.0)),
        "maximumOverCapacity": rng.choice((0.0, 0.3, 1.0)),
    }
    if kind in (STORE, EVERYWHERE):
        strategy["maximumOverCapacity"] = 0.0  # there is one place for each
        strategy["minimumHealthCapacity"] = rng.choice((0.0, 0.5))
    if kind is STEPS:
        pauses: tuple[dict[str, Any], ...] = ({"pause": True}, {"pauseSeconds": 5}, {})
        shares = rng.sample((10, 30, 50, 80), rng.randint(1, 2))
        strategy["steps"] = [{"percent": share, **rng.choice(pauses)} for share in sorted(shares)]
        if rng.random() < 0.7:
            strategy["promotion"] = {
                "onFailure": rng.choice(("rollback", "pause")),
                "maxFailures": 2,
                "intervalSeconds": 3,
                "deadlineSeconds": rng.choice((30, 300)),
                "metric": {"query": ERRORS, "max": 1},
            }
    return {"labels": {"release": str(rng.randint(1, 9))}, "upgradeStrategy": strategy}
