"""The certificate that a master shows until the operator brings another: made once, signed by itself."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dcos.runtime.files import write_atomic

_DAYS = 3650
_NAMES = ("localhost", "leader.mesos", "master.mesos")


def ensure(certificate: Path, key: Path, *, addresses: Sequence[str], now: float) -> bool:
    """Make the pair of files (key 0600) unless both are there; tells whether it did.   Errors: OSError."""
    if certificate.exists() and key.exists():
        return False
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"DC/OS Admin Router {addresses[0] if addresses else ''}".strip())]
    )
    start = datetime.datetime.fromtimestamp(now, datetime.UTC) - datetime.timedelta(hours=1)
    alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in _NAMES]
    alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in dict.fromkeys((*addresses, "127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_atomic(key, pem, mode=0o600, durable=True)
    write_atomic(certificate, signed.public_bytes(serialization.Encoding.PEM), mode=0o644, durable=True)
    return True
