"""ZooKeeper URLs as every service takes them: ``zk://[user:password@]host1:port1,host2:port2/path``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dcos.store.base import check_path

DEFAULT_PORT = 2181


@dataclass(frozen=True, slots=True)
class ZkUrl:
    """``hosts`` as ``host:port``; ``path`` without a slash at the end, ``/`` if none was given.

    The text form leaves the credentials out, so that it may be logged.   Source: Mesos and Marathon ``--zk``.
    """

    hosts: tuple[str, ...]
    path: str = "/"
    credentials: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> ZkUrl:
        """Errors: ValueError with the rule (never with the credentials)."""
        if not text.startswith("zk://"):
            raise ValueError("must begin with zk://")
        authority, slash, path = text.removeprefix("zk://").partition("/")
        user_password, at, servers = authority.rpartition("@")
        credentials = None
        if at:
            user, colon, password = user_password.partition(":")
            if not (user and colon and password):
                raise ValueError("credentials must be user:password@")
            credentials = (user, password)
        path = (slash + path).rstrip("/") or "/"
        check_path(path)
        return cls(parse_hosts(servers), path, credentials)

    def below(self, *parts: str) -> str:
        """A path under this URL's path."""
        return "/".join([self.path.rstrip("/"), *parts]) or "/"

    def __str__(self) -> str:
        return f"zk://{','.join(self.hosts)}{self.path}"


def parse_hosts(text: str) -> tuple[str, ...]:
    """``h1,h2:2182,[::1]:2181`` to host:port texts.   Errors: ValueError."""
    hosts = []
    for server in text.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not colon or port.endswith("]"):
            host, port = server.strip(), str(DEFAULT_PORT)
        if not host or ("[" not in host and ":" in host):
            raise ValueError(f"{server!r} must be host:port")
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"{server!r}: port must be 1 to 65535")
        hosts.append(f"{host}:{int(port)}")
    return tuple(hosts)


def credentials_in(path: Path) -> tuple[str, str]:
    """Of a file with ``user:password``.   Errors: ValueError (without what is in the file), OSError."""
    user, colon, password = path.read_text(encoding="utf-8").strip().partition(":")
    if not (user and colon and password):
        raise ValueError(f"{path}: must contain user:password")
    return user, password
