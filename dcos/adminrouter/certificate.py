"""The certificate that a master shows until the operator brings another: made once, signed by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dcos.runtime.files import write_atomic
from dcos.wire import certificates
from dcos.wire.certificates import Names

_NAMES = ("localhost", "leader.mesos", "master.mesos")


def ensure(certificate: Path, key: Path, *, addresses: Sequence[str], now: float) -> bool:
    """Make the pair of files (key 0600) unless both are there; tells whether it did.   Errors: OSError."""
    if certificate.exists() and key.exists():
        return False
    private = certificates.generate_key()
    common_name = f"DC/OS Admin Router {addresses[0] if addresses else ''}".strip()
    names = Names(common_name, "", _NAMES, tuple(dict.fromkeys((*addresses, "127.0.0.1"))))
    made = certificates.self_signed(private, names, now)
    write_atomic(key, certificates.key_pem(private), mode=0o600, durable=True)
    write_atomic(certificate, made, mode=0o644, durable=True)
    return True
