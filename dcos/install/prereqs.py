"""What a node needs from its operating system: one table, read by preflight, by ``--install-prereqs`` and by the node image.

A row names the Debian package, how its presence is proved (a command on the search path or a file), the roles that
need it and why. Nothing else in the project lists OS packages.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MASTER = "master"
SLAVE = "slave"
SLAVE_PUBLIC = "slave_public"
ROLES = (MASTER, SLAVE, SLAVE_PUBLIC)
EVERYWHERE = frozenset(ROLES)
AGENTS = frozenset({SLAVE, SLAVE_PUBLIC})
MASTERS = frozenset({MASTER})

SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def find_command(name: str) -> str | None:
    """Where a node's services would find it, whatever this process's own search path is."""
    return shutil.which(name, path=":".join(SEARCH_PATH))


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """One OS package; exactly one of ``command`` and ``file`` proves that it is installed."""

    package: str
    why: str
    command: str = ""
    file: str = ""
    roles: frozenset[str] = EVERYWHERE
    plain: bool = False
    """Needed as well where services are plain processes of a local cluster."""

    def is_here(self, root: Path = Path("/"), which: Callable[[str], str | None] = find_command) -> bool:
        """Whether its proof is found."""
        return bool(which(self.command)) if self.command else (root / self.file.lstrip("/")).exists()


PREREQUISITES = (
    Prerequisite("systemd", "runs every service as a unit", command="systemctl"),
    Prerequisite("python3", "runs every service; 3.11, the version the bundle is built for", command="python3.11"),
    Prerequisite("dbus", "the agent asks systemd for task units over D-Bus", command="dbus-daemon"),
    Prerequisite("iproute2", "addresses, bridges and overlay devices", command="ip", plain=True),
    Prerequisite("nftables", "virtual IPs", command="nft"),
    Prerequisite("curl", "fetches the bootstrap bundle", command="curl", plain=True),
    Prerequisite("ca-certificates", "fetches over HTTPS", file="/etc/ssl/certs/ca-certificates.crt"),
    Prerequisite("tar", "unpacks bundles and artifacts", command="tar", plain=True),
    Prerequisite("xz-utils", "unpacks bundles and artifacts", command="xz", plain=True),
    Prerequisite("bzip2", "unpacks artifacts of tasks", command="bzip2", plain=True),
    Prerequisite("unzip", "unpacks artifacts of tasks", command="unzip", plain=True),
    Prerequisite("iputils-ping", "checks names and nodes", command="ping"),
    Prerequisite("procps", "process lists and kernel settings", command="sysctl"),
    Prerequisite("util-linux", "namespaces and mounts", command="nsenter"),
    Prerequisite("nginx-light", "carries the traffic of Admin Router", command="nginx", plain=True),
    Prerequisite(
        "libnginx-mod-http-lua",
        "lets Admin Router keep connections to services",
        file="/usr/lib/nginx/modules/ngx_http_lua_module.so",
        roles=MASTERS,
        plain=True,
    ),
    Prerequisite("default-jre-headless", "runs Apache ZooKeeper", command="java", roles=MASTERS, plain=True),
    Prerequisite(
        "libzookeeper-java", "Apache ZooKeeper", file="/usr/share/java/zookeeper.jar", roles=MASTERS, plain=True
    ),
    Prerequisite(
        "openssl", "makes the self-signed certificate of Admin Router", command="openssl", roles=MASTERS, plain=True
    ),
    Prerequisite("runc", "runs containers from OCI images", command="runc", roles=AGENTS),
    Prerequisite("skopeo", "fetches OCI images", command="skopeo", roles=AGENTS),
    Prerequisite("umoci", "unpacks OCI images", command="umoci", roles=AGENTS),
    Prerequisite(
        "containernetworking-plugins",
        "attaches containers to networks",
        file="/usr/lib/cni/bridge",
        roles=AGENTS,
    ),
)


def packages(roles: frozenset[str] = EVERYWHERE) -> tuple[str, ...]:
    """Names of the packages that any of ``roles`` needs, sorted."""
    return tuple(sorted(row.package for row in PREREQUISITES if row.roles & roles))
