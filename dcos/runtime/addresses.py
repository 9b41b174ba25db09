"""The addresses that this node has."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

import psutil


def has_ipv6() -> bool:
    """Does this machine (or network namespace) speak IPv6?"""
    try:
        return Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").read_text().strip() == "0"
    except OSError:
        return False


def local_addresses(*, loopback: bool = False, version: int = 4) -> list[str]:
    """Addresses of this node's devices, without link-local ones; each once, in the order of the devices."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    found = dict.fromkeys(
        ipaddress.ip_address(entry.address.partition("%")[0])
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family == family
    )
    return [str(ip) for ip in found if not ip.is_link_local and (loopback or not ip.is_loopback)]


def is_loopback(text: str) -> bool:
    """Is it an address that only this machine reaches?"""
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False
