"""The cluster's certificate authority, as an installation gets it: given by the operator, or made once."""

from __future__ import annotations

import datetime
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from dcos.runtime.clock import SystemClock
from dcos.runtime.files import write_if_changed
from dcos.wire import certificates
from dcos.wire.certificates import CertificateError

LEAST_DAYS = 365
"""What a given authority must still have: whoever forgets it then shall learn it at install, not at night."""


@dataclass(frozen=True, slots=True)
class Signing:
    """PEM texts. ``chain``: the certificate of ``key``, then those above it up to the root."""

    key: str
    chain: str
    root: str


def fits(ca_certificate_contents: str, ca_key_contents: str, ca_chain_contents: str) -> None:
    """A rule of ``config.yaml``.   Errors: ValueError with what does not."""
    given(ca_certificate_contents, ca_key_contents, ca_chain_contents)


def are_roots(ca_trusted_contents: str) -> None:
    """A rule of ``config.yaml``.   Errors: ValueError."""
    if not ca_trusted_contents:
        return
    try:
        for one in certificates.read_certificates(ca_trusted_contents):
            certificates.may_sign(one)
    except CertificateError as error:
        raise ValueError(f"the file of ca_trusted_path: {error}") from None


def given(certificate: str, key: str, chain: str) -> Signing | None:
    """The operator's authority; None where there is none.   Errors: ValueError naming the setting and the rule."""
    if not (certificate and key):
        return None
    try:
        certificates.read_key(key)
    except CertificateError as error:
        raise ValueError(f"the file of ca_certificate_key_path {error}") from None
    if chain:
        try:
            certificates.read_certificates(chain)
        except CertificateError as error:
            raise ValueError(f"the file of ca_certificate_chain_path {error}") from None
    try:
        authority, root = certificates.authority_of(certificate, key, chain)
    except CertificateError as error:
        raise ValueError(f"the file of ca_certificate_path {error}") from None
    now = SystemClock().now()
    for one in (authority.certificate, *authority.intermediates, root):
        name, end = one.subject.rfc4514_string(), one.not_valid_after_utc
        if one.not_valid_before_utc.timestamp() > now:
            raise ValueError(f"the authority {name} is not valid before {one.not_valid_before_utc:%Y-%m-%d}")
        if end.timestamp() - now < datetime.timedelta(days=LEAST_DAYS).total_seconds():
            raise ValueError(f"the authority {name} ends on {end:%Y-%m-%d}; it must hold for {LEAST_DAYS} days or more")
    above = (*authority.intermediates, *(() if root == authority.certificate else (root,)))
    whole = "".join(certificates.pem(one) for one in (authority.certificate, *above))
    return Signing(certificates.key_pem(authority.key), whole, certificates.pem(root))


def fresh() -> dict[str, str]:
    """A new one, as ``secrets.json`` has it."""
    key = certificates.generate_key()
    # the number tells authorities of different clusters apart where people keep several
    name = f"DC/OS Cluster CA {secrets.token_hex(4)}"
    root = certificates.make_authority(name, key, SystemClock().now())
    return {"ca_key": certificates.key_pem(key), "ca_certificate": certificates.pem(root)}


def kept(path: Path) -> Signing:
    """The cluster's own, which is made at the first run and kept beside its other random values."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if "ca_key" not in known:
        known |= fresh()
        write_if_changed(path, json.dumps(known), mode=0o600)
    return Signing(known["ca_key"], known["ca_certificate"], known["ca_certificate"])
