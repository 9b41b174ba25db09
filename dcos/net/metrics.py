"""What dcos-net counts, as Prometheus text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from dcos.model.cluster import ClusterState
from dcos.net.core import vips
from dcos.net.core.ruleset import Counts
from dcos.net.core.vips import Addresses, Service, Vips

_VIP_METRICS = {
    "connections_total": ("counter", "Connections from this node and its containers to a virtual IP."),
    "refused_total": ("counter", "Of these, those that no backend was there for."),
    "bytes_total": ("counter", "Bytes to and from backends of a virtual IP, with headers."),
    "backends": ("gauge", "Backends of a virtual IP that take new connections."),
}


class Balancing(Protocol):
    """What was done to the kernel's tables."""

    changes: int
    repairs: int
    failures: int


class Measured(Protocol):
    def metrics(self) -> list[tuple[str, str, str, int]]:
        """Name, type, help, value."""
        ...


def service_text(
    answered: Mapping[str, int],
    known: Vips,
    balance: Balancing | None,
    state: ClusterState,
    silent: int,
    overlay: Measured | None,
    namespaces: int = 0,
) -> str:
    """Of the whole service. ``answered``: questions by zone; ``silent``: agents that do not answer; ``namespaces``: of containers
    that have virtual IPs inside."""
    lines = [
        "# HELP dns_forwarder_requests_total Questions by where they were answered.",
        "# TYPE dns_forwarder_requests_total counter",
    ]
    lines += [f'dns_forwarder_requests_total{{zone="{zone}"}} {count}' for zone, count in sorted(answered.items())]
    changes, repairs, failures = (balance.changes, balance.repairs, balance.failures) if balance else (0, 0, 0)
    backends = sum(map(len, known.backends.values()))
    for name, kind, help_text, value in (
        ("l4lb_vips", "gauge", "Virtual IPs known.", len(known.backends)),
        ("l4lb_backends", "gauge", "Backends of all virtual IPs.", backends),
        ("l4lb_updates_total", "counter", "Transactions applied to nftables.", changes),
        ("l4lb_repairs_total", "counter", "Tables found changed by others and put right.", repairs),
        ("l4lb_failures_total", "counter", "Transactions or routes the kernel refused.", failures),
        ("l4lb_silent_agents", "gauge", "Agents left out because they do not answer this node.", silent),
        ("l4lb_namespaces", "gauge", "Network namespaces of containers that have virtual IPs inside.", namespaces),
        ("mesos_listener_tasks", "gauge", "Tasks of the cluster.", len(state.tasks)),
        ("mesos_listener_agents", "gauge", "Agents of the cluster.", len(state.agents)),
        *(overlay.metrics() if overlay else ()),
    ):
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}", f"{name} {value}"]
    return "\n".join(lines) + "\n"


def vip_text(counts: Mapping[Service, Counts], known: Vips, given: Addresses) -> str:
    """With lines for each VIP. ``counts``: the kernel's."""
    lines: dict[str, list[str]] = {name: [] for name in _VIP_METRICS}
    for vip, backends in sorted(known.backends.items()):
        ips = (given.v4.get(vip.host), given.v6.get(vip.host)) if vip.named else (vip.host,)
        mine = [counts[one] for ip in ips if ip and (one := vips.Service(vip.protocol, ip, vip.port)) in counts]
        labels = f'vip="{vip.host}:{vip.port}",protocol="{vip.protocol}"'
        for name, more, value in (
            ("connections_total", "", sum(one.connections for one in mine)),
            ("refused_total", "", sum(one.refused for one in mine)),
            ("bytes_total", ',direction="in"', sum(one.bytes_in for one in mine)),
            ("bytes_total", ',direction="out"', sum(one.bytes_out for one in mine)),
            ("backends", "", sum(one.weight for one in backends)),
        ):
            lines[name].append(f"l4lb_vip_{name}{{{labels}{more}}} {value}")
    texts = []
    for name, (kind, help_text) in _VIP_METRICS.items():
        texts += [f"# HELP l4lb_vip_{name} {help_text}", f"# TYPE l4lb_vip_{name} {kind}", *lines[name]]
    return "\n".join(texts) + "\n"
