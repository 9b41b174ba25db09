"""Settings of dcos-cosmos: ``--name`` or ``COSMOS_NAME``; upstream's camel-case flags are accepted too."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from dcos.runtime.credentials import MESOS_CREDENTIAL, CredentialFile, read_one
from dcos.runtime.rights_settings import identity_service, security_level
from dcos.runtime.settings import comma_list, duration, setting


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """``host:port``, IPv6 hosts in brackets.   Errors: ValueError."""
    host, colon, number = text.rpartition(":")
    if not colon or not host or not number.isdecimal() or int(number) > 65535:
        raise ValueError("must be host:port")
    return Address(host.strip("[]"), int(number))


def folders(text: str) -> tuple[Path, ...]:
    return tuple(Path(part) for part in comma_list(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zookeeper_uri: str = setting(
        "zk://127.0.0.1:2181/cosmos",
        "Where the list of repositories is kept: zk://host:port,.../path.",
        flags=("zookeeperUri", "zk"),
    )
    marathon_uri: str = setting(
        "",
        "Marathon's address. Empty: port 8080 of this node's address (of 127.0.0.1 when that is not known).",
        flags=("marathonUri",),
    )
    mesos_master_uri: str = setting(
        "",
        "The Mesos master's address. Empty: the leader is found through ZooKeeper.",
        flags=("mesosMasterUri",),
    )
    mesos_zk: str = setting(
        "", "Where Mesos masters register: zk://host:port,.../path. Empty: /mesos of zookeeper_uri's servers."
    )
    mesos_credential: CredentialFile | None = setting(None, MESOS_CREDENTIAL, parse=read_one, raw=True)
    admin_router_uri: str = setting(
        "http://127.0.0.1",
        "Admin Router's address, for services that uninstall themselves.",
        flags=("adminRouterUri",),
    )
    http_interface: Address = setting(
        Address("127.0.0.1", 7070), "Address and port to listen on.", parse=address, flags=("httpInterface",)
    )
    catalog: tuple[Path, ...] = setting(
        (),
        "Folders in Universe tree form, comma separated, whose packages join the built-in repository.",
        parse=folders,
    )
    builtin_catalog: bool = setting(True, "Whether the packages that come with this program are offered.")
    max_client_response_size: int = setting(
        64 * 1024**2,
        "Bytes that a repository's answer may have, packed and unpacked.",
        flags=("maxClientResponseSize",),
    )
    repository_timeout: float = setting(
        60.0, "How long reading a repository may take, redirects and further tries included.", parse=duration
    )
    max_retry_count: int = setting(
        2,
        "How often a repository is asked again that cannot be reached or answers 500 and above.",
        flags=("maxRetryCount",),
    )
    retry_duration: float = setting(
        1.0,
        "How long to wait before it is asked again; each further time twice as long.",
        parse=duration,
        flags=("retryDuration",),
    )
    security: str = security_level()
    bouncer: str = identity_service()
    ip: str = setting("", "This node's address.")
    ip_discovery_command: str = setting(
        "", "Program that prints this node's address, used where ip is not given.", environ="MESOS_IP_DISCOVERY_COMMAND"
    )
    dcos_version: str = setting(
        version("dcos"),
        "Release of this cluster; packages that ask for a newer one are not offered.",
        environ="DCOS_VERSION",
    )
