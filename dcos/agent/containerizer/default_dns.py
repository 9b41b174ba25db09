"""``--default_container_dns``: name servers of containers whose network, or parameters, tell none.

    {"mesos": [{"network_mode": "CNI", "network_name": "net1", "dns": {"nameservers": ["8.8.8.8"]}}],
     "docker": [{"network_mode": "BRIDGE", "dns": {"nameservers": ["8.8.8.8"], "search": ["x"], "options": ["ndots:2"]}}]}

An entry without ``network_name`` is for every network of its mode that has none of its own.
Source: Mesos 1.11, --default_container_dns (ContainerDNSInfo).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Dns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    nameservers: tuple[str, ...] = ()
    domain: str | None = None
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As ``resolv.conf`` has it; empty without a name server."""
        if not self.nameservers:
            return ""
        lines = [f"domain {self.domain}"] if self.domain else []
        lines += [
            f"{word} {' '.join(all_)}" for word, all_ in (("search", self.search), ("options", self.options)) if all_
        ]
        return "\n".join([*lines, *(f"nameserver {one}" for one in self.nameservers)]) + "\n"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network_mode: str
    network_name: str | None = None
    dns: Dns


class DefaultDns(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    mesos: tuple[Rule, ...] = ()
    docker: tuple[Rule, ...] = ()

    def of_network(self, name: str) -> str:
        """``resolv.conf`` of a CNI network; empty: the machine's."""
        found = _find(self.mesos, "CNI", name)
        return found.text if found is not None else ""

    def complete(self, body: dict[str, Any]) -> None:
        """Give a container of the Docker Engine name servers, in a network where its parameters name none."""
        host = body["HostConfig"]
        mode = host["NetworkMode"]
        if mode in ("host", "none") or any(host.get(name) for name in ("Dns", "DnsSearch", "DnsOptions")):
            return
        found = _find(self.docker, "BRIDGE", None) if mode == "bridge" else _find(self.docker, "USER", mode)
        if found is not None:
            host |= {"Dns": list(found.nameservers), "DnsSearch": list(found.search), "DnsOptions": list(found.options)}


def parse(text: str) -> DefaultDns:
    """Errors: ValueError."""
    try:
        found = msgspec.json.decode(text.encode(), type=DefaultDns)
    except msgspec.MsgspecError as error:
        raise ValueError(f"--default_container_dns: {error}") from None
    for rules, modes in ((found.mesos, ("CNI",)), (found.docker, ("BRIDGE", "USER"))):
        names = [(one.network_mode, one.network_name) for one in rules]
        for mode, name in names:
            if mode not in modes:
                raise ValueError(f"--default_container_dns: network_mode {mode!r} is none of {', '.join(modes)}")
            if names.count((mode, name)) > 1:
                raise ValueError(f"--default_container_dns: more than one entry for {mode} {name or ''}".rstrip())
    return found


def _find(rules: Sequence[Rule], mode: str, name: str | None) -> Dns | None:
    for wanted in (name, None):
        for rule in rules:
            if rule.network_mode == mode and rule.network_name == wanted:
                return rule.dns
    return None
