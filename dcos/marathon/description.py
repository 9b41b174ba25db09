"""Marathon's API described for machines: RAML 1.0 and JSON Schema, below ``/public/api/``.

Resources and answers are written by hand in ``raml/``; the types of what clients send are made from those that we read it into.
Names of files are upstream's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dcos.model import marathon as m
from dcos.model import marathon_growth as growth
from dcos.model import pods as p
from dcos.model.marathon_limits import LIMITS
from dcos.runtime import documents
from dcos.wire import raml
from dcos.wire.marathon import EXTENSIONS, STRATEGY_EXTENSIONS

PREFIX: Final = "/public/api"

_LIBRARIES: Final[dict[str, tuple[type, ...]]] = {
    "app": (m.App, m.UpgradeStrategy, m.ExecutorResources, m.ResourceLimits),
    "appContainer": (m.EngineType, m.Container, m.Docker, m.DockerNetwork, m.Parameter),
    "appHealthChecks": (m.HealthCheck, m.CheckProtocol, m.IpProtocol, m.Command),
    "appIpAddress": (m.IpAddress, m.IpDiscovery, m.IpDiscoveryPort),
    "artifact": (m.Fetch,),
    "check": (
        *(m.Check, m.CheckExec, m.CheckHttp, m.CheckTcp),
        *(p.PodCheck, p.CommandCheck, p.HttpEndpointCheck, p.TcpEndpointCheck, p.Scheme),
    ),
    "constraint": (p.PodConstraint,),
    "endpoint": (p.Endpoint,),
    "environmentVariable": (m.EnvSecret,),
    "growth": (
        *(growth.RolloutStep, growth.Promotion, growth.MetricBound, growth.Rebalance),
        *(growth.Autoscaling, growth.RequestTarget, growth.QueryTarget),
    ),
    "healthCheck": (p.PodHealthCheck,),
    "image": (p.PodImage, m.PullConfig),
    "killSelection": (m.KillSelection,),
    "linux": (m.LinuxInfo, m.Seccomp, m.IpcInfo),
    "mesosCommand": (m.CheckCommand,),
    "network": (m.Network, m.NetworkMode),
    "networkProtocol": (m.PortProtocol,),
    "pod": (p.Pod, p.Scheduling, p.Placement, p.Backoff),
    "podContainer": (p.PodContainer, p.PodExec, p.Lifecycle),
    "portDefinitions": (m.PortDefinition,),
    "dockerPortMappings": (m.PortMapping,),
    "readinessCheck": (m.ReadinessCheck,),
    "residency": (m.Residency,),
    "resources": (p.Resources,),
    "scaling": (p.Scaling,),
    "secrets": (m.SecretSource,),
    "unreachableStrategy": (m.UnreachableStrategy,),
    "versionInfo": (m.VersionInfo,),
    "volumeMount": (p.VolumeMount,),
    "volumes": (m.Volume, m.VolumeMode, m.PersistentVolume, m.ExternalVolume, p.PodVolume),
}
_MARKED: Final = {
    **{("App", name): "extension" for name in EXTENSIONS},
    **{("UpgradeStrategy", name): "extension" for name in STRATEGY_EXTENSIONS},
    ("Scaling", "autoscaling"): "extension",
    ("Scheduling", "rebalance"): "extension",
    **{("App", name): "deprecated" for name in ("ports", "uris", "ipAddress", "residency")},
    **{("Docker", name): "deprecated" for name in ("network", "portMappings", "credential")},
}


def made() -> dict[str, bytes]:
    """Every document by its path."""
    libraries = raml.Libraries(_LIBRARIES, _MARKED, "../../annotations.raml", limits=LIMITS)
    number = {"anyOf": [{"type": "integer", "minimum": 0, "default": 1}, {"const": "all"}]}
    return {
        **documents.folder(Path(__file__).parent / "raml"),
        **{f"v2/types/{name}": text for name, text in libraries.texts().items()},
        "v2/schema/AppDefinition.json": raml.json_schema(m.App, "AppDefinition", LIMITS, instances=number),
        "v2/schema/PodDefinition.json": raml.json_schema(p.Pod, "PodDefinition", LIMITS),
    }
