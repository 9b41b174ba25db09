"""The environment that a task of an app gets, and what pods have of it.

Precedence, low to high: context variables, ports and HOST, the app's own ``env``.   Source: Marathon's EnvironmentHelper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dcos.model.marathon import App, EngineType

MAX_LABEL = 512
_NOT_NAME = re.compile(r"[^A-Za-z0-9_]+")


def variable_name(text: str) -> str:
    return _NOT_NAME.sub("_", text).upper()


def context(app: App, task_id: str, *, enforce_role: bool) -> dict[str, str]:
    made = {
        "MESOS_TASK_ID": task_id,
        "MARATHON_APP_ID": app.id,
        "MARATHON_APP_VERSION": app.version or "",
        "MARATHON_APP_RESOURCE_CPUS": str(float(app.cpus)),
        "MARATHON_APP_RESOURCE_MEM": str(float(app.mem)),
        "MARATHON_APP_RESOURCE_DISK": str(float(app.disk)),
        "MARATHON_APP_RESOURCE_GPUS": str(app.gpus),
        "MARATHON_APP_ENFORCE_GROUP_ROLE": str(enforce_role).upper(),
    }
    container = app.container
    if container is not None and container.type is EngineType.DOCKER and container.docker is not None:
        made["MARATHON_APP_DOCKER_IMAGE"] = container.docker.image
    return made | of_labels(app.labels)


def of_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """A variable for each label that is not too long, and all their names."""
    made = {}
    names = []
    for key, value in labels.items():
        name = variable_name(key)
        if len(name) < MAX_LABEL and len(value) < MAX_LABEL:
            names.append(name)
            made[f"MARATHON_APP_LABEL_{name}"] = value
    made["MARATHON_APP_LABELS"] = " ".join(names)
    return made


def ports(app: App, host: str, host_ports: Sequence[int], pick: int) -> dict[str, str]:
    """HOST, PORT0.., PORTS and by number and name. ``pick`` chooses a port where a container shall have any."""
    if app.is_host_network:
        declared = [(one.port, one.name) for one in app.port_definitions or ()]
        effective = list(host_ports)
    else:
        declared = [(one.container_port, one.name) for one in app.port_mappings]
        effective = [
            port or one.container_port or 1025 + (pick + index) % (65535 - 1025)
            for index, (one, port) in enumerate(zip(app.port_mappings, host_ports, strict=True))
        ]
    made = {"HOST": host}
    if not effective:
        return made
    for index, port in enumerate(effective):
        made[f"PORT{index}"] = str(port)
    made["PORT"] = str(effective[0])
    made["PORTS"] = ",".join(str(port) for port in effective)
    for (number, name), port in zip(declared, effective, strict=True):
        made[f"PORT_{number or port}"] = str(port)
        if name:
            made[f"PORT_{variable_name(name)}"] = str(port)
    return made
