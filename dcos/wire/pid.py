"""Names of libprocess, as Mesos shows where its processes listen: ``slave(1)@10.0.0.2:5051``."""

from __future__ import annotations


def pid_address(pid: str) -> tuple[str, int] | None:
    """Address (IPv6 without brackets) and port of such a name; None where it is none."""
    ip, colon, number = pid.rpartition("@")[2].rpartition(":")
    return (ip.strip("[]"), int(number)) if colon and ip and number.isdigit() and int(number) else None
