"""Settings of dcos-net: flags and ``DCOS_NET_*`` environment; the DNS part also from ``/opt/mesosphere/etc/dcos-dns.json``."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcos.model.overlay import MIN_MTU, Settings
from dcos.model.overlay import parse as parse_overlay
from dcos.net import masters
from dcos.net.core.names import FORWARDER6, FORWARDERS
from dcos.runtime import links
from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.dns import Server, parse_server
from dcos.runtime.settings import comma_list, one_of, setting
from dcos.runtime.settings import port as parse_port

PREFIX = "DCOS_NET_"
_NO_LIMIT = 1 << 16
"""More than any packet has."""


def text_list(text: str) -> tuple[str, ...]:
    """A JSON list of texts or a comma separated list."""
    if not text.lstrip().startswith("["):
        return comma_list(text)
    values = json.loads(text)
    if not all(isinstance(value, str) for value in values):
        raise ValueError("must be a list of texts")
    return tuple(values)


def ip_list(text: str) -> tuple[str, ...]:
    return tuple(_ip(part) for part in text_list(text))


def networks(text: str) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.IPv4Network(part)) for part in text_list(text))
    except ValueError as error:
        raise ValueError(f"must be a list of IPv4 networks like 172.31.254.0/24: {error}") from None


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def overlay_network(text: str) -> Settings | None:
    """Empty: none."""
    return parse_overlay(json.loads(text), mtu=_NO_LIMIT) if text.strip() else None


def overlay_mtu(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < MIN_MTU:
        raise ValueError(f"must be a number, at least {MIN_MTU}")
    return int(text)


def servers(text: str) -> tuple[Server, ...]:
    """``address[:port]`` each."""
    try:
        return tuple(parse_server(part) for part in text_list(text))
    except OSError:
        raise ValueError("must be a list of address or address:port") from None


def forward_zones(text: str) -> tuple[tuple[str, tuple[Server, ...]], ...]:
    """A JSON map of zone to a list of servers (``[address, port]`` pairs too, as dcos-dns.json writes them)."""
    values = json.loads(text) if text.strip() else {}
    if not isinstance(values, dict):
        raise ValueError("must be a JSON map of zone to a list of servers")
    return tuple((zone.strip(".").lower(), servers(json.dumps(_joined(found)))) for zone, found in values.items())


def _joined(found: list[Any]) -> list[Any]:
    return [f"{one[0]}:{one[1]}" if isinstance(one, list) and len(one) == 2 else one for one in found]


def binds(text: str) -> tuple[tuple[str, int], ...]:
    """Addresses to answer on: ``address[:port]`` each."""
    return tuple((server.host, server.port) for server in servers(text))


def loopback_number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 255 or number == links.PROTOCOL:
        raise ValueError(f"must be from 0 to 255 and not {links.PROTOCOL}")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: str = setting("", "Where the masters elect their leader, zk://host:port,.../mesos.")
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    master_list: tuple[str, ...] = setting(
        (),
        "Addresses of the masters (JSON or comma list, or file:///path), :port where not 5050; empty: the ZooKeeper servers.",
        parse=text_list,
    )
    master_source: str = setting(
        masters.LIST,
        "Where masters are known from: master_list, exhibitor (of exhibitor_address) or exhibitor_uri.",
        parse=one_of(masters.LIST, masters.EXHIBITOR, masters.EXHIBITOR_URI),
        environ="MASTER_SOURCE",
    )
    exhibitor_address: str = setting(
        "", "Whose Exhibitor, on port 8181, is asked for the masters.", environ="EXHIBITOR_ADDRESS"
    )
    exhibitor_uri: str = setting(
        "", "URL of the cluster status of the Exhibitor that is asked for the masters.", environ="EXHIBITOR_URI"
    )
    exhibitor_interval: float = setting(120.0, "How often Exhibitor is asked, seconds; after a failure, every 5.")
    ip: str | None = setting(None, "This node's address (else ip_discovery_command, else the default route's).")
    ip_discovery_command: Path | None = setting(
        None, "Program that prints this node's address.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    public_ips: tuple[str, ...] = setting(
        (), "This node's addresses as seen from outside; empty: what public_ip_command says.", parse=ip_list
    )
    public_ip_command: Path | None = setting(
        None, "Program that prints those addresses, a line each. Default: detect_ip_public."
    )
    manage_network: bool = setting(
        True,
        "Make the devices spartan and minuteman, routes and nftables; off where that is not allowed: no VIPs then.",
    )
    dns_bind: tuple[tuple[str, int], ...] = setting(
        tuple((ip, 53) for ip in (*FORWARDERS, FORWARDER6)),
        "Addresses that questions are answered on, address[:port],...; IPv6 ones where the machine has IPv6.",
        parse=binds,
        shown=",".join((*FORWARDERS, FORWARDER6)),
    )
    master_dns_bindall: bool = setting(False, "On a master, also answer on all its other addresses, port 53.")
    bind_ip_reserved: tuple[str, ...] = setting(("198.51.100.4",), "Addresses never answered on.", parse=ip_list)
    bind_ip_blacklist: tuple[str, ...] = setting((), "Further addresses never answered on.", parse=ip_list)
    resolvers: tuple[Server, ...] = setting((), "Servers for all other names, address[:port],...", parse=servers)
    forward_zones: tuple[tuple[str, tuple[Server, ...]], ...] = setting(
        (), "Zones with servers of their own, as a JSON map.", parse=forward_zones
    )
    dns_health_aware: bool = setting(
        True, "Name tasks known to be unhealthy only where there are no others of that name."
    )
    mesos_dns_port: int = setting(61053, "Where the masters' Mesos-DNS answers.", parse=parse_port)
    dns_cache_size: int = setting(
        10000, "Answers of other servers kept for as long as they say; never those of Mesos-DNS. 0: none."
    )
    dns_stale: float = setting(
        600.0, "Seconds that the last good answer to a question serves when no server answers it any more; 0: never."
    )
    upstream_timeout: float = setting(5.0, "Seconds to wait for a server.")
    rest_bind: str = setting("127.0.0.1", "Address of the REST API.")
    rest_port: int = setting(62080, "Port of the REST API; 0: none.", parse=parse_port)
    enable_lb: bool = setting(True, "Balance virtual IPs.")
    enable_ipv6: bool = setting(True, "Make anything of IPv6: virtual IPs, overlay networks.")
    l4lb_enable_ipv6: bool = setting(True, "Virtual IPs over IPv6 too; only with enable_ipv6.")
    loopback_cluster: int = setting(
        0,
        "Number of a local cluster whose nodes are loopback addresses of this machine: one dcos-net at a time writes virtual IPs "
        "for all, in a table of the cluster's own, also with --no-manage_network; 0: this node is a machine.",
        parse=loopback_number,
    )
    min_named_ip: str = setting("11.0.0.0", "First address for named virtual IPs.", parse=_ip)
    max_named_ip: str = setting("11.255.255.255", "Last address for named virtual IPs.", parse=_ip)
    min_named_ip6: str = setting("fd01:c::", "First IPv6 address for named virtual IPs.", parse=_ip)
    max_named_ip6: str = setting("fd01:c::ffff:ffff:ffff:ffff", "Last IPv6 address for named virtual IPs.", parse=_ip)
    overlay_enable: bool = setting(
        False, "Make the overlay networks of overlay_network; needs --zk and manage_network."
    )
    overlay_network: Settings | None = setting(
        None, "The overlay networks, as dcos_overlay_network of config.yaml in JSON.", parse=overlay_network
    )
    overlay_mtu: int = setting(
        1420,
        "Largest packet of the overlay, at least 552; a smaller vtep_mtu of overlay_network counts.",
        parse=overlay_mtu,
    )
    cni_config_dir: Path = setting(
        Path("/opt/mesosphere/etc/dcos/network/cni"), "Where agents read networks: the overlay's are written there."
    )
    cni_data_dir: str = setting("/var/run/dcos/cni/networks", "Where plugins note which addresses containers have.")
    l4lb_cni_dir: Path = setting(
        Path("/var/run/dcos/cni/l4lb"),
        "Where the CNI plugin dcos-l4lb notes network namespaces that want virtual IPs inside.",
    )
    bridge_subnets: tuple[str, ...] = setting(
        (),
        "IPv4 networks of bridges for containers: what they send passes a filter for forwarded packets that Docker made.",
        parse=networks,
    )
    repair_interval: float = setting(30.0, "Seconds between comparisons with what the kernel really has.")
    poll_interval: float = setting(2.0, "How often a master without an event stream is asked, seconds.")
    search: str = setting("", "gen-resolvconf: the search line.")
    resolvconf_wait: float = setting(15.0, "gen-resolvconf: seconds to wait for a forwarder that answers.")
    watchdog: bool = setting(True, "Let systemd start this service anew when it no longer answers for ready.spartan.")
    cluster_id_file: Path | None = setting(
        None, "File with the cluster's id, for names with its key. Default: cluster-id in the state folder."
    )


def environment_of(raw: bytes) -> dict[str, str]:
    """``dcos-dns.json`` as environment variables of this service.   Errors: ValueError."""
    values = json.loads(raw)
    if not isinstance(values, dict):
        raise ValueError("must be a JSON object")
    result = {}
    if "upstream_resolvers" in values:
        result[PREFIX + "RESOLVERS"] = json.dumps(_joined(values["upstream_resolvers"]))
    if "forward_zones" in values:
        result[PREFIX + "FORWARD_ZONES"] = json.dumps(values["forward_zones"])
    if "bind_ip_blacklist" in values:
        result[PREFIX + "BIND_IP_BLACKLIST"] = json.dumps(values["bind_ip_blacklist"])
    if "udp_port" in values:
        addresses = (*FORWARDERS, f"[{FORWARDER6}]")
        result[PREFIX + "DNS_BIND"] = ",".join(f"{ip}:{values['udp_port']}" for ip in addresses)
    return result


def environment_of_lines(raw: bytes) -> dict[str, str]:
    """``dns_config`` and its like, lines of KEY=value, as environment variables of this service."""
    known = {
        "MASTER_SOURCE": "MASTER_SOURCE",
        "EXHIBITOR_ADDRESS": "EXHIBITOR_ADDRESS",
        "EXHIBITOR_URI": "EXHIBITOR_URI",
        "RESOLVERS": PREFIX + "RESOLVERS",
        "SEARCH": PREFIX + "SEARCH",
    }
    pairs = (line.strip().partition("=") for line in raw.decode().splitlines() if not line.lstrip().startswith("#"))
    return {known[key]: value.strip("\"'") for key, _, value in pairs if key in known and value}


class BadFile(Exception):
    """A file of settings that cannot be read: says which, and why."""


def read_files(etc: Path) -> None:
    """What they say becomes the environment's, where that says nothing. Those for masters only come first.   Errors: BadFile."""
    readers: tuple[tuple[str, Callable[[bytes], Mapping[str, str]]], ...] = (
        ("dcos-dns.json", environment_of),
        *((name, environment_of_lines) for name in ("dns_config_master", "dns_config", "dns_search_config")),
    )
    for name, read in readers:
        file = etc / name
        try:
            found = read(file.read_bytes()) if file.exists() else {}
        except (OSError, ValueError, TypeError) as error:
            raise BadFile(f"{file}: {error}") from None
        for variable, value in found.items():
            os.environ.setdefault(variable, value)
