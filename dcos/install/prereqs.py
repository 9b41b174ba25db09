"""What a node needs from its operating system: one table, read by preflight, by ``--install-prereqs`` and by the node image.

A row names the Debian package, how its presence is proved (a command on the search path or a file), the roles that
need it and why. Nothing else in the project lists OS packages.
"""

from __future__ import annotations

from dataclasses import dataclass

MASTER = "master"
SLAVE = "slave"
SLAVE_PUBLIC = "slave_public"
ROLES = (MASTER, SLAVE, SLAVE_PUBLIC)
EVERYWHERE = frozenset(ROLES)
AGENTS = frozenset({SLAVE, SLAVE_PUBLIC})
MASTERS = frozenset({MASTER})

SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One OS package; exactly one of ``command`` and ``file`` proves that it is installed."""

    package: str
    why: str
    command: str = ""
    file: str = ""
    roles: frozenset[str] = EVERYWHERE


PREREQUISITES = (
    Prerequisite("systemd", "runs every service as a unit", command="systemctl"),
    Prerequisite("python3", "runs every service; 3.11, the version the bundle is built for", command="python3.11"),
    Prerequisite("dbus", "the agent asks systemd for task units over D-Bus", command="dbus-daemon"),
    Prerequisite("iproute2", "addresses, bridges and overlay devices", command="ip"),
    Prerequisite("nftables", "virtual IPs", command="nft"),
    Prerequisite("conntrack", "forgets connections to backends that are gone", command="conntrack"),
    Prerequisite("curl", "fetches the bootstrap bundle", command="curl"),
    Prerequisite("ca-certificates", "fetches over HTTPS", file="/etc/ssl/certs/ca-certificates.crt"),
    Prerequisite("tar", "unpacks bundles and artifacts", command="tar"),
    Prerequisite("xz-utils", "unpacks bundles and artifacts", command="xz"),
    Prerequisite("unzip", "unpacks artifacts of tasks", command="unzip"),
    Prerequisite("iputils-ping", "checks names and nodes", command="ping"),
    Prerequisite("procps", "process lists and kernel settings", command="sysctl"),
    Prerequisite("util-linux", "namespaces and mounts", command="nsenter"),
    Prerequisite("nginx-light", "carries the traffic of Admin Router", command="nginx"),
    Prerequisite("default-jre-headless", "runs Apache ZooKeeper", command="java", roles=MASTERS),
    Prerequisite("libzookeeper-java", "Apache ZooKeeper", file="/usr/share/java/zookeeper.jar", roles=MASTERS),
    Prerequisite("openssl", "makes the self-signed certificate of Admin Router", command="openssl", roles=MASTERS),
    Prerequisite("runc", "runs containers from OCI images", command="runc", roles=AGENTS),
    Prerequisite("skopeo", "fetches OCI images", command="skopeo", roles=AGENTS),
    Prerequisite("umoci", "unpacks OCI images", command="umoci", roles=AGENTS),
)


def packages(roles: frozenset[str] = EVERYWHERE) -> tuple[str, ...]:
    """Names of the packages that any of ``roles`` needs, sorted."""
    return tuple(sorted(row.package for row in PREREQUISITES if row.roles & roles))
