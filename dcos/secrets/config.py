"""Settings of dcos-secrets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.runtime.rights_settings import identity_service
from dcos.runtime.settings import REQUIRED, duration, port, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: str = setting(REQUIRED, "Where sealed secrets are kept, zk://host:port,.../path.")
    zk_credentials_file: Path = setting(
        REQUIRED, "File with user:password for ZooKeeper (mode 0600): what is kept there is for this user only."
    )
    key_file: Path = setting(
        REQUIRED, "File with the keys that seal secrets, base64, one a line; the first seals, all open (mode 0600)."
    )
    zk_session_timeout: float = setting(10.0, "Session timeout with ZooKeeper.", parse=duration)
    ip: str = setting("127.0.0.1", "Address to listen on. Admin Router is the only caller: keep it loopback.")
    port: int = setting(registry.port_of("dcos-secrets"), "Port to listen on.", parse=port)
    bouncer: str = identity_service()
