"""Counters of the front door: nginx's own and those of the decisions."""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from dcos.adminrouter import nginx
from dcos.wire.certificates import facts

_FORM = re.compile(
    r"Active connections: (?P<active>\d+)\s+server accepts handled requests\s+"
    r"(?P<accepted>\d+) (?P<handled>\d+) (?P<requests>\d+)\s+"
    r"Reading: (?P<reading>\d+) Writing: (?P<writing>\d+) Waiting: (?P<waiting>\d+)"
)


@dataclass(slots=True)
class Counts:
    decisions: int = 0
    unanswered: int = 0
    refusals: Counter[str] = field(default_factory=Counter)

    def refused(self, reason: str) -> None:
        self.refusals[reason] += 1


async def _read(status_socket: Path) -> dict[str, int]:
    form = _FORM.search(await nginx.stub_status(status_socket) or "")
    return {name: int(value) for name, value in form.groupdict().items()} if form else {}


async def prometheus(counts: Counts, status_socket: Path, certificate: Path | None) -> str:
    """All of them in Prometheus' text format. ``certificate``: file of the one that is shown."""
    own = await _read(status_socket)
    lines = ["# HELP nginx_up Whether nginx answers.", "# TYPE nginx_up gauge", f"nginx_up {int(bool(own))}"]
    if own:
        lines += ["# HELP nginx_connections Connections by what they do.", "# TYPE nginx_connections gauge"]
        lines += [
            f'nginx_connections{{state="{name}"}} {own[name]}' for name in ("active", "reading", "writing", "waiting")
        ]
        for name, source, help in (
            ("nginx_connections_accepted_total", "accepted", "Connections accepted."),
            ("nginx_connections_handled_total", "handled", "Connections handled."),
            ("nginx_http_requests_total", "requests", "Requests."),
        ):
            lines += [f"# HELP {name} {help}", f"# TYPE {name} counter", f"{name} {own[source]}"]
    for name, value, help in (
        (
            "adminrouter_decisions_total",
            counts.decisions,
            "Decisions that nginx asked for (it remembers them for seconds).",
        ),
        ("adminrouter_unanswered_total", counts.unanswered, "Decisions that found no upstream."),
    ):
        lines += [f"# HELP {name} {help}", f"# TYPE {name} counter", f"{name} {value}"]
    lines += [
        "# HELP adminrouter_refused_total Requests without a good token.",
        "# TYPE adminrouter_refused_total counter",
    ]
    lines += [
        f'adminrouter_refused_total{{reason="{reason}"}} {count}' for reason, count in sorted(counts.refusals.items())
    ]
    if (end := _end(certificate)) is not None:
        name = "adminrouter_certificate_end_timestamp_seconds"
        lines += [
            f"# HELP {name} When the certificate that is shown ends.",
            f"# TYPE {name} gauge",
            f"{name} {end:.0f}",
        ]
    return "\n".join(lines) + "\n"


def _end(certificate: Path | None) -> float | None:
    try:
        return facts(certificate.read_text(encoding="ascii")).end if certificate is not None else None
    except (OSError, ValueError):
        return None


async def page(counts: Counts, status_socket: Path) -> str:
    """The same for people."""
    rows = {**await _read(status_socket), "decisions": counts.decisions, "without upstream": counts.unanswered}
    rows |= {f"refused: {reason}": count for reason, count in sorted(counts.refusals.items())}
    body = "".join(f"<tr><td>{html.escape(name)}</td><td>{value}</td></tr>" for name, value in rows.items())
    return f"<!doctype html><title>Admin Router</title><h1>Admin Router</h1><table>{body}</table>\n"
