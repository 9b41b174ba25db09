"""Settings of dcos-bouncer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcos import registry
from dcos.runtime.settings import REQUIRED, boolean, duration, port, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    zk: str = setting(REQUIRED, "Where users and the signing key are kept, zk://host:port,.../path.")
    zk_credentials_file: Path | None = setting(
        None,
        "File with user:password for ZooKeeper (mode 0600). When given, everything kept there is readable for this "
        "user only; otherwise for every client of the ensemble.",
    )
    key_file: Path | None = setting(
        None,
        "File with the keys that seal what providers of identity need to be told (mode 0600): base64, one a line; the first "
        "seals, all open. Without it that is kept in the clear, behind the access list.",
    )
    zk_session_timeout: float = setting(10.0, "Session timeout with ZooKeeper.", parse=duration)
    ip: str = setting("127.0.0.1", "Address to listen on. Admin Router is the only caller: keep it loopback.")
    port: int = setting(registry.port_of("dcos-bouncer"), "Port to listen on.", parse=port)
    bootstrap_user_file: Path | None = setting(
        None,
        "JSON file with the first account: uid, description, and password_hash (argon2id or SHA crypt) or public_key. "
        "It is made once; when it was deleted since, it stays so. Default: bouncer-bootstrap-user.json in the etc folder.",
    )
    service_accounts_file: Path | None = setting(
        None,
        "JSON file with the accounts of the cluster's own services: uid, public_key, description, permissions. Made once for "
        "each content of the file. Default: bouncer-service-accounts.json in the etc folder.",
    )
    ui_config_file: Path | None = setting(
        None, "JSON that GET /acs/api/v1/uiconfig builds upon. Default: ui-config.json in the etc folder."
    )
    cluster_id_file: Path | None = setting(None, "File with the cluster's id. Default: cluster-id in the state folder.")
    token_lifetime: float = setting(5 * 86400.0, "How long tokens are good.", parse=duration)
    cookie_lifetime: float = setting(5 * 86400.0, "How long browsers keep the login cookies.", parse=duration)
    key_rotation_interval: float = setting(
        90 * 86400.0,
        "A new key signs tokens so often; the one before is known for --token_lifetime longer. 0: never. Tokens without an end "
        "die with their key.",
        parse=duration,
    )
    auth_cookie_secure_flag: bool = setting(False, "Browsers send the login cookie over HTTPS only.", parse=boolean)
    login_burst: int = setting(
        10, "Failed logins that one uid may have from one address before further ones have to wait."
    )
    login_interval: float = setting(6.0, "One failed login is forgotten every so often.", parse=duration)
