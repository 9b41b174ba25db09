"""Unit files from the templates in ``units/`` and a row of the service table. Pure.

A template holds ``@name@`` words and a sandbox for everybody; a row's ``directives`` replace or add lines, each with its
reason as a comment above. A line whose value comes out empty is left out, but for lists of capabilities, where empty means none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from dcos.model.layout import Layout
from dcos.registry import Service

_WORD = re.compile(r"@([a-z_]+)@")
_EMPTY_MEANS_NONE = ("CapabilityBoundingSet=",)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into a template. Errors: KeyError for a word nobody knows."""
    lines = []
    for line in template.splitlines():
        filled = _WORD.sub(lambda match: values[match.group(1)], line)
        if filled != line and filled.rstrip().endswith("=") and not filled.startswith(_EMPTY_MEANS_NONE):
            continue
        lines.append(filled)
    return "\n".join(lines) + "\n"


def with_directives(text: str, directives: tuple[tuple[str, str, str], ...]) -> str:
    """Replace or add ``[Service]`` lines, each below its reason."""
    lines = text.splitlines()
    for name, value, reason in directives:
        new = [f"# {reason}", f"{name}={value}"]
        at = [number for number, line in enumerate(lines) if line.startswith(f"{name}=")]
        if at:
            lines[at[0] : at[0] + 1] = new
            continue
        start = lines.index("[Service]") + 1
        end = next((n for n in range(start, len(lines)) if lines[n].startswith("[")), len(lines))
        while not lines[end - 1].strip():
            end -= 1
        lines[end:end] = new
    return "\n".join(lines) + "\n"


def writable(row: Service, layout: Layout) -> list[str]:
    """Paths a service may write; a leading ``-`` lets a path be missing."""
    paths = [str(layout.state / folder) for folder in row.state]
    return [*paths, *(f"-{path}" for path in row.writes)]


# Where operators of DC/OS keep their own variables for these services.
OVERRIDES = {
    "dcos-mesos-master": "etc/mesosphere/mesos/master.env",
    "dcos-mesos-slave": "etc/mesosphere/mesos/agent.env",
    "dcos-mesos-slave-public": "etc/mesosphere/mesos/agent-public.env",
    "dcos-marathon": "var/lib/dcos/marathon/environment",
}


def override(row: Service, layout: Layout) -> Path:
    """The optional file with the operator's own variables for a service; it wins over ours."""
    return layout.root / OVERRIDES.get(row.name, f"etc/mesosphere/{row.name}.env")


def service_unit(row: Service, template: str, layout: Layout, environment: str, env_file: str) -> str:
    """The text of ``<name>.service``."""
    capabilities = " ".join(row.capabilities)
    if row.user == "root" and not row.capabilities:
        # Root that must read and write others' files, signal others' processes: the usual set without the dangerous rest.
        capabilities = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID"
    command = " ".join((str(layout.bin / row.command[0]), *row.command[1:]))
    values = {
        "name": row.name,
        "socket_unit": f"{row.name}.socket" if row.sockets else "",
        "title": row.title,
        "summary": row.summary,
        "command": command,
        "user": row.user,
        "groups": " ".join(row.groups),
        "environment": environment,
        "env_file": env_file,
        "override": str(override(row, layout)),
        "restart_s": str(row.restart_s),
        "start_timeout_s": str(row.start_timeout_s),
        "writes": " ".join(writable(row, layout)),
        "capabilities": capabilities,
    }
    head = f'# From units/{row.unit} and the row "{row.name}" of the service table; local changes: systemctl edit {row.name}\n'
    text = fill(template, values)
    if row.user == "root":
        text = text.replace("[Service]\n", f"[Service]\n# As root: {row.why_root}\n", 1)
        text = "".join(line + "\n" for line in text.splitlines() if not line.startswith("AmbientCapabilities="))
    return head + with_directives(text, row.directives)


def timer_unit(row: Service, template: str) -> str:
    """The text of ``<name>.timer``."""
    lines = "\n".join(f"{key}={value}" for key, value in row.timer)
    return fill(template, {"title": row.title, "timer": lines})


def socket_unit(row: Service, template: str, layout: Layout) -> str:
    """The text of ``<name>.socket``."""
    lines = "\n".join(f"ListenStream={layout.run / name}" for name in row.sockets)
    return fill(template, {"title": row.title, "streams": lines})


def started_by_target(row: Service) -> str:
    """Name of the unit that ``dcos.target`` wants for a row, beside its sockets."""
    return f"{row.name}.timer" if row.timer else f"{row.name}.service"


def units_of(row: Service) -> tuple[str, ...]:
    """Names of all units of a row."""
    return (
        f"{row.name}.service",
        *((f"{row.name}.timer",) if row.timer else ()),
        *((f"{row.name}.socket",) if row.sockets else ()),
    )
