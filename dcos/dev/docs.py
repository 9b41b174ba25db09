"""Documents that follow from the service table: made again by ``python -m dcos.dev docs``, compared by ``check``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from dcos.registry import SERVICES, NodeRole, Service

_SHORT = {NodeRole.MASTER: "M", NodeRole.AGENT: "A", NodeRole.PUBLIC_AGENT: "P"}


def _roles(service: Service) -> str:
    return " ".join(_SHORT[role] for role in NodeRole if role in service.on)


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
                f"`{row.name}.service`" + (" + `.timer`" if row.timer else ""),
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
            (str(port.number), ", ".join(port.protocols), port.bind, row.name, port.name)
            for number, row, port in sorted(
                ((port.number, row, port) for row in SERVICES for port in row.ports), key=lambda one: one[0]
            )
        ),
    )
    routes = _table(
        ("path at the Admin Router", "on", "token needed", "unit", "upstream"),
        (
            (
                ("= " if route.exact else "") + f"`{route.prefix}`",
                " ".join(_SHORT[role] for role in NodeRole if role in route.on),
                "yes" if route.auth else "no",
                row.name,
                f"{route.to} `{route.upstream_path or route.prefix}`",
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


PAGES: dict[str, Callable[[], str]] = {"docs/reference/services.md": services_page}


def stale(root: Path) -> list[Path]:
    """Pages whose file is not what its table says."""
    return [
        root / name
        for name, page in PAGES.items()
        if not (root / name).is_file() or (root / name).read_text(encoding="utf-8") != page()
    ]
