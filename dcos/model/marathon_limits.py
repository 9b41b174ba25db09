"""Limits of single members of apps and pods: whatever breaks one has the wrong shape, and is told so by a code.

Rules between members, and those that depend on settings, are in ``dcos.marathon.core``; what is stored is not checked again.
Source: minimum, maximum, lengths and patterns of Marathon's RAML types; the codes are play-json's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dcos.model import marathon as m
from dcos.model import pods as p

MIN, MAX = "error.min", "error.max"
MIN_LENGTH, MAX_LENGTH = "error.minLength", "error.maxLength"
PATTERN = "error.pattern"

NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a number, a text, a list with its items, or the keys of a map."""

    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    items: Limit | None = None
    keys: str | None = None
    """The pattern of the keys."""

    def faults(self, value: Any, path: str) -> list[tuple[str, str]]:
        """(path, code) of what ``value``, which has the right type, breaks."""
        found: list[tuple[str, str]] = []
        match value:
            case bool():
                pass
            case int() | float():
                if self.minimum is not None and value < self.minimum:
                    found.append((path, MIN))
                if self.maximum is not None and value > self.maximum:
                    found.append((path, MAX))
            case str():
                found += [(path, code) for code in self._length(value)]
                if self.pattern is not None and not re.fullmatch(self.pattern, value):
                    found.append((path, PATTERN))
            case list():
                found += [(path, code) for code in self._length(value)]
                if self.items is not None:
                    for index, one in enumerate(value):
                        found += self.items.faults(one, f"{path}({index})")
            case dict() if self.keys is not None:
                found += [(f"{path}/{key}", PATTERN) for key in value if not re.fullmatch(self.keys, key)]
        return found

    def _length(self, value: str | list[Any]) -> list[str]:
        short = self.min_length is not None and len(value) < self.min_length
        long = self.max_length is not None and len(value) > self.max_length
        return [MIN_LENGTH] * short + [MAX_LENGTH] * long

    def facets(self) -> dict[str, Any]:
        """As RAML and JSON Schema, which call them the same, say it of a number or text."""
        named = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": self.pattern,
        }
        return {name: value for name, value in named.items() if value is not None}


_COUNT = Limit(minimum=0)
_PORT = Limit(minimum=0, maximum=65535)
_TEXT = Limit(min_length=1)
_PATH = Limit(min_length=1, max_length=1024)
_NAME = Limit(min_length=1, max_length=63, pattern=NAME)
_PORT_NAME = Limit(min_length=1, pattern=NAME)
_VARIABLES = Limit(keys=r"^[a-zA-Z_][a-zA-Z0-9_]*$")
_CHECK_TIMES = dict.fromkeys(("intervalSeconds", "timeoutSeconds", "delaySeconds"), _COUNT)
_HEALTH_TIMES = dict.fromkeys(("gracePeriodSeconds", "maxConsecutiveFailures"), _COUNT)

LIMITS: Final[Mapping[type, Mapping[str, Limit]]] = {
    m.App: {
        "cmd": _TEXT,
        "executor": Limit(pattern=r"^(//cmd)|(/?[^/]+(/[^/]+)*)|$"),
        "cpus": Limit(minimum=0.001),
        "backoffFactor": Limit(minimum=1),
        "ports": Limit(items=_PORT),
        "uris": Limit(items=_PATH),
        **dict.fromkeys(("instances", "mem", "disk", "gpus"), _COUNT),
        **dict.fromkeys(("backoffSeconds", "maxLaunchDelaySeconds", "taskKillGracePeriodSeconds"), _COUNT),
    },
    m.Docker: {"image": _TEXT},
    m.Parameter: {"key": _TEXT},
    m.PortDefinition: {"port": _PORT, "name": _PORT_NAME},
    m.PortMapping: {"containerPort": _PORT, "hostPort": _PORT, "servicePort": _PORT, "name": _PORT_NAME},
    m.IpAddress: {"networkName": _TEXT},
    m.IpDiscoveryPort: {"number": _PORT, "name": _PORT_NAME},
    m.Volume: {"containerPath": _TEXT, "hostPath": _TEXT},
    m.PersistentVolume: {"size": _COUNT, "maxSize": _COUNT},
    m.ExternalVolume: {"size": _COUNT},
    m.Fetch: {"uri": _PATH, "destPath": _PATH},
    m.HealthCheck: {
        **_HEALTH_TIMES,
        **dict.fromkeys(("intervalSeconds", "delaySeconds"), _COUNT),
        **dict.fromkeys(("port", "portIndex"), _PORT),
    },
    m.Check: _CHECK_TIMES,
    m.CheckHttp: {"path": _PATH, "port": _PORT, "portIndex": _PORT},
    m.CheckTcp: {"port": _PORT, "portIndex": _PORT},
    m.ReadinessCheck: {
        "path": _PATH,
        "portName": Limit(pattern=r"^[a-z][-a-z0-9]*$"),
        "intervalSeconds": _COUNT,
        "httpStatusCodesForReady": Limit(items=Limit(minimum=100, maximum=999)),
    },
    m.UnreachableStrategy: dict.fromkeys(("inactiveAfterSeconds", "expungeAfterSeconds"), _COUNT),
    m.Residency: {"relaunchEscalationTimeoutSeconds": _COUNT},
    p.Pod: {"environment": _VARIABLES},
    p.PodContainer: {"name": _NAME, "environment": _VARIABLES},
    p.Resources: dict.fromkeys(("cpus", "mem", "disk", "gpus"), _COUNT),
    p.PodImage: {"id": _PATH},
    p.Endpoint: {
        "name": _NAME,
        "containerPort": _PORT,
        "hostPort": _PORT,
        "protocol": Limit(items=_NAME),
    },
    p.HttpEndpointCheck: {"endpoint": _NAME, "path": _PATH},
    p.TcpEndpointCheck: {"endpoint": _NAME},
    p.PodCheck: _CHECK_TIMES,
    p.PodHealthCheck: {**_CHECK_TIMES, **_HEALTH_TIMES},
    p.PodVolume: {"name": _NAME},
    p.VolumeMount: {"name": _NAME, "mountPath": _PATH},
    p.Lifecycle: {"killGracePeriodSeconds": _COUNT},
    p.Scaling: {"instances": _COUNT, "maxInstances": _COUNT},
    p.Backoff: {"backoff": _COUNT, "backoffFactor": Limit(minimum=1), "maxLaunchDelay": _COUNT},
}
