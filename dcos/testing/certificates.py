"""Certificates for tests."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from dcos.wire import jwt


def self_signed(folder: Path, stem: str = "tls") -> str:
    """``<stem>.crt`` and ``<stem>.key`` for localhost and 127.0.0.1, good for a day: for a server, for a client, and
    as the authority that vouches for both. Gives the certificate's text."""
    key = jwt.generate_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM).decode()
    (folder / f"{stem}.crt").write_text(text)
    (folder / f"{stem}.key").write_text(jwt.private_pem(key))
    (folder / f"{stem}.key").chmod(0o600)
    return text
