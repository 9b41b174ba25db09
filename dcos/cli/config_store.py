"""Clusters on disk: ``<DCOS_DIR>/clusters/<id>/`` with ``dcos.toml`` (0600) and, for the current one, ``attached``.

The token is in ``dcos.toml`` and nowhere else. Source: dcos-cli pkg/config.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

TOKEN: Final = "core.dcos_acs_token"

KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "cluster.name": (str, "name of the cluster"),
    "core.dcos_acs_token": (str, "the token with which requests are authenticated"),
    "core.dcos_url": (str, "address of the cluster"),
    "core.mesos_master_url": (str, "address of the Mesos master, below dcos_url by default"),
    "core.pagination": (bool, "kept for upstream's sake: output is never shown in pages"),
    "core.prompt_login": (bool, "kept for upstream's sake: an expired login is told, and `dcos auth login` renews it"),
    "core.reporting": (bool, "kept for upstream's sake: nothing is ever reported"),
    "core.ssh_proxy_ip": (str, "address of the proxy for ssh connections"),
    "core.ssh_user": (str, "user of ssh connections"),
    "core.ssl_verify": (str, "true, false, or the path of a file with certificate authorities"),
    "core.timeout": (int, "seconds after which a request is given up"),
    "job.service_name": (str, "name of the job service"),
    "job.url": (str, "address of the job service"),
    "marathon.url": (str, "address of Marathon"),
    "package.cosmos_url": (str, "address of the package service"),
}


class ConfigError(Exception):
    """Bad configuration: says which file or key."""


def parse_value(key: str, text: str) -> str | int | bool:
    """``text`` as the type of ``key``; unknown keys are texts.   Errors: ConfigError."""
    kind = KEYS.get(key, (str, ""))[0]
    if kind is int:
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{key} must be an integer") from None
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0"):
            raise ConfigError(f"{key} must be true or false")
        return text.lower() in ("true", "1")
    return text


@dataclass(slots=True)
class Cluster:
    """A configured cluster. ``values``: dotted key to value."""

    id: str
    folder: Path
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.values.get("cluster.name") or self.id)

    @property
    def url(self) -> str:
        return str(self.values.get("core.dcos_url", ""))

    @property
    def token(self) -> str:
        return str(self.values.get(TOKEN, ""))

    @property
    def is_attached(self) -> bool:
        return (self.folder / "attached").exists()

    def save(self) -> None:
        """Write ``dcos.toml``, readable by its owner only."""
        from dcos.runtime.files import write_atomic  # most commands only read

        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomic(self.folder / "dcos.toml", _toml(self.values), mode=0o600)


class ConfigStore:
    """All clusters below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> ConfigStore:
        given = environ.get("DCOS_DIR")
        return cls(Path(given) if given else Path(environ.get("HOME") or Path.home()) / ".dcos")

    @property
    def _clusters(self) -> Path:
        return self.root / "clusters"

    def clusters(self) -> tuple[Cluster, ...]:
        """By name.   Errors: ConfigError."""
        if not self._clusters.is_dir():
            return ()
        found = [_read(folder) for folder in self._clusters.iterdir() if (folder / "dcos.toml").is_file()]
        return tuple(sorted(found, key=lambda one: (one.name, one.id)))

    def find(self, text: str) -> Cluster:
        """The cluster with this id or name, or the only one that begins so.   Errors: ConfigError."""
        known = self.clusters()
        exact = [one for one in known if text in (one.id, one.name)]
        matches = exact or [one for one in known if one.id.startswith(text) or one.name.startswith(text)]
        if not matches:
            raise ConfigError(f"unable to find cluster '{text}'")
        if len(matches) > 1:
            raise ConfigError(f"multiple clusters matched '{text}': {', '.join(one.id for one in matches)}")
        return matches[0]

    def current(self, wanted: str | None) -> Cluster | None:
        """``wanted`` (exact name or id), else the attached one, else the only one.   Errors: ConfigError."""
        known = self.clusters()
        if wanted:
            for one in known:
                if wanted in (one.id, one.name):
                    return one
            raise ConfigError(f"unable to find cluster '{wanted}' (from DCOS_CLUSTER)")
        attached = [one for one in known if one.is_attached]
        if attached:
            return attached[0]
        return known[0] if len(known) == 1 else None

    def new(self, cluster_id: str) -> Cluster:
        """A cluster of this id, with what is known of it already.   Errors: ConfigError for an id that is no file name."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", cluster_id):
            raise ConfigError(f"the cluster's id {cluster_id!r} cannot be used")
        folder = self._clusters / cluster_id
        return _read(folder) if (folder / "dcos.toml").is_file() else Cluster(cluster_id, folder)

    def attach(self, cluster: Cluster) -> None:
        for one in self.clusters():
            if one.id != cluster.id:
                (one.folder / "attached").unlink(missing_ok=True)
        (cluster.folder / "attached").touch(mode=0o600)

    def remove(self, cluster: Cluster) -> None:
        import shutil  # seldom wanted

        shutil.rmtree(cluster.folder)


def _read(folder: Path) -> Cluster:
    import tomllib  # not for ``dcos --version`` without a cluster

    file = folder / "dcos.toml"
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if file.stat().st_mode & 0o077:
        os.chmod(file, 0o600)
    return Cluster(folder.name, folder, dict(_flat(raw)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _toml(values: Mapping[str, Any]) -> str:
    """TOML of dotted keys: a section for all but the last part of each."""
    sections: dict[str, list[str]] = {}
    for key in sorted(values):
        section, _, name = key.rpartition(".")
        sections.setdefault(section, []).append(f"{_toml_key(name)} = {_toml_value(values[key])}")
    blocks = [
        "\n".join([f"[{'.'.join(map(_toml_key, name.split('.')))}]", *lines] if name else lines)
        for name, lines in sorted(sections.items())
    ]
    return "\n\n".join(blocks) + "\n"


def _toml_key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _toml_value(text)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in escaped) + '"'
