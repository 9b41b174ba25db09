"""The files of a new package: a small service that works, to be made into another."""

from __future__ import annotations

import json
from typing import Final

from dcos.wire.universe import DESCRIPTION, TEMPLATE

_TEMPLATE: Final = """{
  "id": "{{service.name}}",
  "cmd": "exec {{service.command}}",
  "instances": {{service.instances}},
  "cpus": {{service.cpus}},
  "mem": {{service.mem}},
  {{#service.image}}
  "container": {"type": "MESOS", "docker": {"image": "{{service.image}}"}},
  {{/service.image}}
  "portDefinitions": [
    {"port": 0, "protocol": "tcp", "name": "http", "labels": {"VIP_0": "/{{service.name}}:80"}}
  ],
  "healthChecks": [
    {"protocol": "MESOS_HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 60, "intervalSeconds": 10}
  ],
  "labels": {
    "DCOS_SERVICE_NAME": "{{service.name}}",
    "DCOS_SERVICE_SCHEME": "http",
    "DCOS_SERVICE_PORT_INDEX": "0"
  }
}
"""


def files(name: str) -> dict[str, bytes]:
    """By name; they pass ``lint`` and ``test``."""
    description = {
        "packagingVersion": "4.0",
        "name": name,
        "version": "0.1.0",
        "minDcosReleaseVersion": "1.10",
        "maintainer": "you@example.com",
        "description": f"What {name} is for, in a sentence or two.",
        "tags": ["example"],
        "framework": False,
        "licenses": [{"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}],
        "postInstallNotes": f"{name} answers at <cluster URL>/service/{name}/.",
        "postUninstallNotes": f"{name} is gone.",
    }

    def option(kind: str, default: object, text: str, **more: object) -> dict[str, object]:
        return {"type": kind, "description": text, "default": default, **more}

    config = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "service": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "instances", "cpus", "mem", "command"],
                "properties": {
                    "name": option(
                        "string", name, "App id in Marathon, and name behind /service/.",
                        pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?(/[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$",
                    ),
                    "instances": option("integer", 1, "How many copies run.", minimum=0),
                    "cpus": option("number", 0.1, "CPU share of each instance.", minimum=0.01),
                    "mem": option("number", 64, "Memory of each instance in MB.", minimum=32),
                    "image": option("string", "", "Docker image to run it in; none: on the agent itself."),
                    "command": option(
                        "string", "/opt/mesosphere/bin/python -m http.server $PORT0", "What runs, in a shell."
                    ),
                },
            }
        },
    }  # fmt: skip
    icon = "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCA4IDgiLz4="
    resource = {"images": {"icon-small": icon, "icon-medium": icon, "icon-large": icon}}
    return {
        DESCRIPTION: _json(description),
        "config.json": _json(config),
        "resource.json": _json(resource),
        TEMPLATE: _TEMPLATE.encode(),
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
