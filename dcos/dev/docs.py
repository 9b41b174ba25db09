"""Documents that follow from tables: made again by ``python -m dcos.dev docs``, compared by ``check``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

from dcos.agent.config import Config
from dcos.agent.isolators import ALWAYS, BY_NAME, WITHOUT_EFFECT
from dcos.dev.packages import builtin
from dcos.registry import SERVICES, NodeRole, Port, Service

_SHORT = {NodeRole.MASTER: "M", NodeRole.AGENT: "A", NodeRole.PUBLIC_AGENT: "P"}


def _roles(service: Service) -> str:
    return " ".join(_SHORT[role] for role in NodeRole if role in service.on)


def _bound_to(port: Port) -> str:
    if port.on_masters is None:
        return port.bind
    bind, setting = port.on_masters
    return f"{port.bind}; on masters {bind} (`{setting}`)"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def services_page() -> str:
    """docs/reference/services.md"""
    units = _table(
        ("unit", "on", "user", "what", "ports", "environment file"),
        (
            (
                f"`{row.name}.service`"
                + (" + `.timer`" if row.timer else "")
                + (" + `.socket`" if row.sockets else ""),
                _roles(row),
                row.user if not row.why_root else f"root: {row.why_root}",
                row.summary,
                ", ".join(str(port.number) for port in row.ports) or "-",
                f"`{row.env_file}`" if row.env_file else "-",
            )
            for row in SERVICES
        ),
    )
    ports = _table(
        ("port", "protocol", "bound to", "unit", "name"),
        (
            (str(port.number), ", ".join(port.protocols), _bound_to(port), row.name, port.name)
            for number, row, port in sorted(
                ((port.number, row, port) for row in SERVICES for port in row.ports), key=lambda one: one[0]
            )
        ),
    )
    routes = _table(
        ("path at the Admin Router", "on", "token needed", "unit", "upstream"),
        (
            (
                ("= " if route.exact else "~ " if route.pattern else "") + f"`{route.prefix}`",
                " ".join(_SHORT[role] for role in NodeRole if role in route.on),
                "yes" if route.auth else "no",
                row.name,
                route.to if route.pattern else f"{route.to} `{route.upstream_path or route.prefix}`",
            )
            for row in SERVICES
            for route in row.routes
        ),
    )
    return (
        "# Services\n\nMade from `dcos/registry.py` by `python -m dcos.dev docs`. "
        "M: master, A: private agent, P: public agent.\n\n"
        f"## Units\n\n{units}\n## Ports\n\n"
        "*loopback*: 127.0.0.1 only; *node*: the node's own address; *any*: every address of the node.\n\n"
        f"{ports}\n## Routes\n\n{routes}"
    )


def agent_flags_page() -> str:
    """docs/reference/agent-flags.md"""
    rows = sorted(dataclasses.fields(Config), key=lambda row: row.name)
    flags = _table(
        ("flag", "what it does"),
        (
            (
                ", ".join(f"`--{name}`" for name in (row.name, *row.metadata["flags"])),
                f"*no effect:* {row.metadata['help']}" if row.metadata["inert"] else row.metadata["help"],
            )
            for row in rows
        ),
    )
    kinds = ((ALWAYS, "always on: "), (BY_NAME, "when named: "), (WITHOUT_EFFECT, "*no effect:* "))
    named = _table(
        ("isolator", "what it does"),
        sorted((f"`{name}`", kind + what) for some, kind in kinds for name, what in some.items()),
    )
    return (
        "# Flags of the agent\n\nMade from `dcos/agent/config.py` and `dcos/agent/isolators.py` by "
        "`python -m dcos.dev docs`.\n\n"
        "Every flag of Mesos 1.11's agent is taken. One that has no effect here is said so in the log when it is given "
        "(`flag_without_effect`, with the reason), and so is an isolator (`isolator_without_effect`). A flag, isolator, "
        "containerizer or image provider that Mesos does not have ends the agent at its start with exit status 2; with "
        "`--modules` or `--modules_dir`, isolators of other names are taken for theirs and do nothing. `gpus` in "
        "`--resources` are counted and offered, but tasks get no device (`gpus_are_only_counted`).\n\n"
        f"## Flags\n\n{flags}\n## Isolators\n\n{named}"
    )


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/services.md": services_page,
    "docs/reference/agent-flags.md": agent_flags_page,
} | builtin.pages()


def stale(root: Path) -> list[Path]:
    """Pages whose file is not what its table says."""
    return [
        root / name
        for name, page in PAGES.items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != page()
    ]
