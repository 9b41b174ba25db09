"""What every built-in package shares: groups of options, the app's template, notes, an icon.

The software comes from where the operator has it: the OS packages of the agents (``software.image`` empty), an image, or an
archive that is fetched into the sandbox. State lies in a persistent volume ``data`` (``storage.persistent``) or in the sandbox.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Final

from dcos.wire.universe import DESCRIPTION, TEMPLATE

Json = dict[str, Any]
NAME: Final = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?(/[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
LINE: Final = "^[^\\r\\n'\"\\\\]*$"
"""A text that goes into a line of somebody's configuration."""
URL: Final = "^(https?://[^\\s'\"\\\\]+)?$"
APACHE: Final = ("Apache License Version 2.0", "https://www.apache.org/licenses/LICENSE-2.0")
VERSION: Final = "1.0.0"


@dataclass(frozen=True, slots=True)
class Option:
    """``env``: the variable that takes it to the program. ``secret``: a second option ``<name>_secret`` names it in the secret
    store instead."""

    name: str
    type: str
    default: Any
    text: str
    env: str
    rules: Json = field(default_factory=dict)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Port:
    """``vip``: its port at the virtual IP. ``option``: of the main group, where the host's port is a fixed one."""

    name: str
    vip: int | None = None
    option: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    name: str
    description: str
    tags: tuple[str, ...]
    license: tuple[str, str]
    color: str
    program: str
    """File in ``programs/``."""
    group: str
    """Of its own options."""
    options: tuple[Option, ...]
    ports: tuple[Port, ...]
    cpus: float
    mem: int
    health: str = ""
    """Path of an HTTP check; a TCP check of the first port without."""
    grace_s: int = 60
    web: int | None = None
    """Index of the port behind ``/service/<name>/``."""
    keeps_path: bool = False
    """The service knows that it lies below ``/service/<name>/``."""
    image: str = ""
    """Default of ``software.image``."""
    needs: str = ""
    """OS packages of agents that have the software; empty: no OS package has it."""
    storage_mb: int = 0
    """Size of its volume; 0: it keeps nothing."""
    persistent: bool = True
    scales: bool = False
    public: bool = False
    fixed: tuple[tuple[str, str], ...] = ()
    """Variables that are the same in every service."""
    notes: str

    @property
    def is_python(self) -> bool:
        return self.program.endswith(".py")


def files(one: Definition) -> dict[str, str]:
    """By name."""
    return {
        DESCRIPTION: _json(_description(one)),
        "config.json": _json(_config(one)),
        "resource.json": _json({"images": dict.fromkeys(("icon-small", "icon-medium", "icon-large"), _icon(one))}),
        TEMPLATE: _template(one),
    }


def _json(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _description(one: Definition) -> Json:
    parts = [one.notes.replace("SERVICE", f"{one.name}.marathon.l4lb.thisdcos.directory")]
    before = []
    if one.needs:
        before.append(
            f"By default it runs what agents have: apt-get install {one.needs} there, or set software.image or software.artifact."
        )
    elif one.image:
        before.append(
            f"By default it runs the image {one.image}: agents must reach it, or set software.image or software.artifact."
        )
    if one.storage_mb and one.persistent:
        before.append("Its data lies in a persistent volume of one agent, and stays until the service is uninstalled.")
    described: Json = {
        "packagingVersion": "4.0",
        "name": one.name,
        "version": VERSION,
        "minDcosReleaseVersion": "1.11",
        "maintainer": "dcos",
        "description": one.description,
        "tags": list(one.tags),
        "selected": True,
        "framework": False,
        "licenses": [{"name": one.license[0], "url": one.license[1]}],
    }
    if before:
        described["preInstallNotes"] = " ".join(before)
    if one.web is not None:
        parts.append(f"Its pages: <cluster URL>/service/{one.name}/")
    described["postInstallNotes"] = " ".join(parts)
    gone = " Its volume is gone with all data." if one.storage_mb and one.persistent else ""
    described["postUninstallNotes"] = f"{one.name} is gone.{gone}"
    described["upgradesFrom"] = ["*"]
    described["downgradesTo"] = ["*"]
    return described


# ---- options ---------------------------------------------------------------------------------------------------------


def _option(kind: str, default: Any, text: str, **rules: Any) -> Json:
    return {"type": kind, "description": text, "default": default, **rules}


def _group(text: str, properties: Json, required: tuple[str, ...] = ()) -> Json:
    made: Json = {"type": "object", "description": text, "additionalProperties": False, "properties": properties}
    return made | ({"required": list(required)} if required else {})


def _config(one: Definition) -> Json:
    groups = {"service": _service(one), one.group: _own(one), "software": _software(one)}
    if one.storage_mb:
        groups["storage"] = _group(
            "Where its data lies.",
            {
                "persistent": _option(
                    "boolean",
                    one.persistent,
                    "In a volume that outlives tasks; without, in the sandbox, and gone with the task.",
                ),
                "size": _option("integer", one.storage_mb, "Size of the volume in MB.", minimum=16),
            },
        )
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": groups,
    }


def _service(one: Definition) -> Json:
    properties: Json = {
        "name": _option(
            "string", one.name, "App id in Marathon, name behind /service/, and name of the virtual IP.", pattern=NAME
        )
    }
    if one.scales:
        properties["instances"] = _option("integer", 1, "How many copies run.", minimum=0)
        properties["spread"] = _option("boolean", one.public, "At most one copy on an agent.")
    else:
        properties["instances"] = _option("integer", 1, "1, or 0 to stop it.", minimum=0, maximum=1)
    properties["cpus"] = _option("number", one.cpus, "CPU share of each instance.", minimum=0.01)
    properties["mem"] = _option("number", one.mem, "Memory of each instance in MB.", minimum=32)
    properties["user"] = _option(
        "string", "", "User of the agent to run as; the usual one where empty.", pattern="^[a-z0-9_-]*$"
    )
    properties["public"] = _option("boolean", one.public, "Run on public agents instead of private ones.")
    properties["host"] = _option("string", "", "Run on this agent only: its host name.", pattern="^[A-Za-z0-9.:_-]*$")
    for index, port in enumerate(one.ports):
        if port.vip is not None:
            name = "vip_port" if index == 0 else f"{port.name}_vip_port"
            text = f"Port of the virtual IP <name>.marathon.l4lb.thisdcos.directory that leads to {port.name}."
            properties[name] = _option("integer", port.vip, text, minimum=1, maximum=65535)
    return _group("The service as Marathon runs it.", properties, ("name", "instances", "cpus", "mem"))


def _own(one: Definition) -> Json:
    properties: Json = {}
    for option in one.options:
        properties[option.name] = _option(option.type, option.default, option.text, **option.rules)
        if option.secret:
            properties[f"{option.name}_secret"] = _option(
                "string",
                "",
                f"Path of a secret that has it, used instead of {option.name}.",
                pattern="^[A-Za-z0-9/_.-]*$",
            )
    return _group(f"How {one.name} works.", properties)


def _software(one: Definition) -> Json:
    where = f"OS packages of the agents ({one.needs})" if one.needs else "nothing: one of the two must be given"
    return _group(
        "Where the software comes from.",
        {
            "image": _option(
                "string", one.image, f"Docker image to run in. Empty: the artifact, or else {where}.", pattern="^[^\\s\"\\\\]*$"
            ),
            "artifact": _option(
                "string", "", "Archive with the software, fetched into the sandbox; its own folders come first on the path.",
                pattern="^([a-z0-9]+://[^\\s\"\\\\]+|/[^\\s\"\\\\]+)?$",
            ),
        },
    )  # fmt: skip


# ---- the app ---------------------------------------------------------------------------------------------------------


_ROLES: Final = '{{#service.public}}"slave_public"{{/service.public}}{{^service.public}}"*"{{/service.public}}'


def _template(one: Definition) -> str:
    """Mustache, laid out for a reader; optional members end with their comma, so that a required one follows them."""
    volume = (
        '{"containerPath": "data", "mode": "RW", "persistent": {"type": "root", "size": {{storage.size}}}}'
        if one.storage_mb
        else ""
    )
    volumes = f"{{{{#storage.persistent}}}}{volume}{{{{/storage.persistent}}}}" if volume else ""
    command = (
        'PY=/opt/mesosphere/bin/python; [ -x \\"$PY\\" ] || PY=python3; exec \\"$PY\\" -u -c \\"$SERVICE_PROGRAM\\"'
        if one.is_python
        else 'exec /bin/sh -c \\"$SERVICE_PROGRAM\\"'
    )
    lines = [
        "{",
        '  "id": "{{service.name}}",',
        f'  "cmd": "{command}",',
        '  {{#service.user}}"user": "{{service.user}}",{{/service.user}}',
        '  "env": {',
        *_env(one),
        f'    "SERVICE_PROGRAM": {json.dumps(_program(one), ensure_ascii=False)}',
        "  },",
        *_secrets(one),
        '  "instances": {{service.instances}},',
        '  "cpus": {{service.cpus}},',
        '  "mem": {{service.mem}},',
        '  "disk": 0,',
        '  "fetch": [{{#software.artifact}}{"uri": "{{software.artifact}}", "extract": true}{{/software.artifact}}],',
        '  "container": {',
        '    {{#software.image}}"docker": {"image": "{{software.image}}"},{{/software.image}}',
        f'    "volumes": [{volumes}],',
        '    "type": "MESOS"',
        "  },",
        '  "networks": [{"mode": "host"}],',
        '  "constraints": [' + _constraints(one) + "],",
        f'  "acceptedResourceRoles": [{_ROLES}],',
        '  "portDefinitions": [',
        ",\n".join(_ports(one)),
        "  ],",
        f'  "requirePorts": {str(any(port.option for port in one.ports)).lower()},',
        '  "healthChecks": [',
        _health(one),
        "  ],",
        *_upgrade(one),
        '  "labels": {',
        ",\n".join(f"    {json.dumps(key)}: {json.dumps(value)}" for key, value in _labels(one)),
        "  }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _program(one: Definition) -> str:
    """The prelude and the program.   Errors: ValueError where it has what mustache would take for a tag."""
    folder = resources.files("dcos.dev.packages") / "programs"
    text = (folder / one.program).read_text(encoding="utf-8")
    if not one.is_python:
        text = (folder / "prelude.sh").read_text(encoding="utf-8") + text
    if "{{" in text:
        raise ValueError(f"{one.program} has two braces that open, which mustache takes for a tag")
    return text


def _env(one: Definition) -> Iterator[str]:
    yield '    "SERVICE_NAME": "{{service.name}}",'
    for key, value in one.fixed:
        yield f"    {json.dumps(key)}: {json.dumps(value)},"
    if not one.is_python:
        yield f'    "NEEDS": {json.dumps(one.needs or "nothing: no OS package has it")},'
    for option in one.options:
        name = f"{one.group}.{option.name}"
        plain = f'"{option.env}": "{{{{{name}}}}}",'
        if option.secret:
            yield (
                f'    {{{{#{name}_secret}}}}"{option.env}": {{"secret": "{option.name}"}},{{{{/{name}_secret}}}}'
                f"{{{{^{name}_secret}}}}{plain}{{{{/{name}_secret}}}}"
            )
        else:
            yield f"    {plain}"


def _secrets(one: Definition) -> Iterator[str]:
    """One member for each that is given, commas between them."""
    given = [option for option in one.options if option.secret]
    if not given:
        return
    text = ""
    for index, option in enumerate(given):
        name = f"{one.group}.{option.name}_secret"
        later = "".join(
            f"{{{{#{one.group}.{more.name}_secret}}}}, {{{{/{one.group}.{more.name}_secret}}}}"
            for more in given[index + 1 :]
        )
        text += f'{{{{#{name}}}}}"{option.name}": {{"source": "{{{{{name}}}}}"}}{later}{{{{/{name}}}}}'
    assert len(given) <= 2, "with three, commas would double"
    yield f'  "secrets": {{ {text} }},'


def _constraints(one: Definition) -> str:
    host = '{{#service.host}}["hostname", "LIKE", "{{service.host}}"]{{/service.host}}'
    if not one.scales:
        return host
    return '{{#service.spread}}["hostname", "UNIQUE"]{{#service.host}},{{/service.host}}{{/service.spread}}' + host


def _ports(one: Definition) -> Iterator[str]:
    for index, port in enumerate(one.ports):
        number = f"{{{{{one.group}.{port.option}}}}}" if port.option else "0"
        vip = "vip_port" if index == 0 else f"{port.name}_vip_port"
        labels = (
            f', "labels": {{"VIP_0": "/{{{{service.name}}}}:{{{{service.{vip}}}}}"}}' if port.vip is not None else ""
        )
        yield f'    {{"port": {number}, "protocol": "tcp", "name": "{port.name}"{labels}}}'


def _health(one: Definition) -> str:
    index = one.web if one.health and one.web is not None else 0
    if one.health:
        path = one.health.replace("PREFIX", "/service/{{service.name}}")
        kind = f'"protocol": "MESOS_HTTP", "path": "{path}", "portIndex": {index}'
    else:
        kind = '"protocol": "MESOS_TCP", "portIndex": 0'
    return (
        f'    {{{kind}, "gracePeriodSeconds": {one.grace_s}, "intervalSeconds": 10, "timeoutSeconds": 10, '
        '"maxConsecutiveFailures": 3}'
    )


def _upgrade(one: Definition) -> Iterator[str]:
    """Two must never work on the same data or listen on the same port."""
    alone = '"upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},'
    if not one.scales:
        yield f"  {alone}"
    elif any(port.option for port in one.ports):
        yield '  "upgradeStrategy": {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0},'


def _labels(one: Definition) -> Iterator[tuple[str, str]]:
    if one.web is None:
        yield "DCOS_SERVICE_NAME", "{{service.name}}"
        return
    yield "DCOS_SERVICE_NAME", "{{service.name}}"
    yield "DCOS_SERVICE_SCHEME", "http"
    yield "DCOS_SERVICE_PORT_INDEX", str(one.web)
    if one.keeps_path:
        yield "DCOS_SERVICE_REWRITE_REQUEST_URLS", "false"


def _icon(one: Definition) -> str:
    letter = one.name[0].upper()
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"><rect width="48" height="48" rx="10" fill="{one.color}"/>'
        f'<text x="24" y="33" font-family="sans-serif" font-size="26" font-weight="700" text-anchor="middle" fill="#fff">{letter}'
        "</text></svg>"
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
