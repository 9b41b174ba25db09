"""X.509: keys, requests, the cluster's own authority and what it issues. The time is always given.

All keys made here are P-256: small, quick to sign with, known to every client of the last decade. An authority that was given
may have an RSA key too.   Source: RFC 5280; RFC 6125 for names.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
LEAF_DAYS = 14
_SKEW = datetime.timedelta(minutes=5)
"""Clocks of nodes differ: a certificate holds from a little before it was made."""
_RSA_BITS = 2048
_PEM_KEY = "-----BEGIN CERTIFICATE-----"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class CertificateError(ValueError):
    """What should be a certificate, a key or a request is none, or does not fit."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a certificate says of its owner."""

    common_name: str
    unit: str
    """``OU``: on what kind of machine."""
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What one must know of a certificate to decide whether it still serves."""

    names: Names
    start: float
    end: float

    def life_left(self, now: float) -> float:
        """Part of its life that is still to come: 1 at its start, 0 at its end or later."""
        return max(0.0, min(1.0, (self.end - now) / max(self.end - self.start, 1.0)))


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs. ``intermediates``: those between it and its root, without the root; empty where it is the root."""

    certificate: x509.Certificate
    key: PrivateKey
    intermediates: tuple[x509.Certificate, ...] = ()

    @property
    def served(self) -> str:
        """What follows each certificate that it issues, for who knows the root only."""
        own = () if is_self_signed(self.certificate) else (self.certificate,)
        return "".join(pem(one) for one in (*own, *self.intermediates))


# ---- forms -----------------------------------------------------------------------------------------------------------


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def key_pem(key: PrivateKey) -> str:
    """PKCS#8, not encrypted."""
    raw = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return raw.decode("ascii")


def read_certificates(text: str) -> tuple[x509.Certificate, ...]:
    """All of a PEM text, one at least.   Errors: CertificateError."""
    try:
        return tuple(x509.load_pem_x509_certificates(text.encode("ascii")))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("holds no certificate in PEM form") from error


def read_key(text: str) -> PrivateKey:
    """A private key that is not encrypted.   Errors: CertificateError, which never shows it."""
    try:
        key = serialization.load_pem_private_key(text.encode("ascii"), password=None)
    except TypeError:
        raise CertificateError("is encrypted; the key must be without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("holds no private key in PEM form") from None
    if isinstance(key, rsa.RSAPrivateKey):
        if key.key_size < _RSA_BITS:
            raise CertificateError(f"is an RSA key of {key.key_size} bits; {_RSA_BITS} are the least")
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1 | ec.SECP521R1):
            raise CertificateError(f"is on the curve {key.curve.name}; P-256, P-384 and P-521 are known everywhere")
        return key
    raise CertificateError("must be an RSA or an elliptic curve key")


# ---- making ----------------------------------------------------------------------------------------------------------


def generate_key() -> PrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(common_name: str, key: PrivateKey, now: float) -> x509.Certificate:
    """A root that signs leaves only."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    start = _instant(now)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _SKEW)
        .not_valid_after(start + datetime.timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def make_request(key: PrivateKey) -> str:
    """Proves that we have ``key`` and asks for nothing else: the authority knows who gets which names."""
    empty = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return empty.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")


def issue(authority: Authority, request: str, names: Names, now: float, *, days: int = LEAF_DAYS) -> str:
    """A certificate for the key of ``request`` and whatever must follow it.   Errors: CertificateError."""
    try:
        asked = x509.load_pem_x509_csr(request.encode("ascii"))
        proven = asked.is_signature_valid
        key = asked.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("is no certificate request in PEM form") from error
    if not proven:
        raise CertificateError("is not signed by the key that it names")
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise CertificateError("must name an RSA or an elliptic curve key")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_BITS:
        raise CertificateError(f"names an RSA key of {key.key_size} bits; {_RSA_BITS} are the least")
    issuer, start = authority.certificate, _instant(now)
    end = min(start + datetime.timedelta(days=days), issuer.not_valid_after_utc)
    made = (
        _leaf(names, key)
        .issuer_name(issuer.subject)
        .not_valid_before(max(start - _SKEW, issuer.not_valid_before_utc))
        .not_valid_after(end)
        .add_extension(_authority_identifier(issuer), critical=False)
        .sign(authority.key, _hash_for(authority.key))
    )
    return pem(made) + authority.served


def self_signed(key: PrivateKey, names: Names, now: float, *, days: int = AUTHORITY_DAYS) -> str:
    """A certificate that nobody vouches for: encryption where there is no authority."""
    start = _instant(now)
    made = _leaf(names, key.public_key())
    made = made.issuer_name(_subject(names)).not_valid_before(start - _SKEW)
    return pem(made.not_valid_after(start + datetime.timedelta(days=days)).sign(key, _hash_for(key)))


def _subject(names: Names) -> x509.Name:
    parts = ((NameOID.ORGANIZATIONAL_UNIT_NAME, names.unit), (NameOID.COMMON_NAME, names.common_name))
    return x509.Name([x509.NameAttribute(which, value) for which, value in parts if value])


def _leaf(names: Names, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> x509.CertificateBuilder:
    """All but by whom and how long."""
    alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names.dns]
    alternatives += [x509.IPAddress(ipaddress.ip_address(one)) for one in names.addresses]
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(names))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _instant(now: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(now), datetime.UTC)


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    large = isinstance(key, ec.EllipticCurvePrivateKey) and key.key_size > 256
    return hashes.SHA384() if large else hashes.SHA256()


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _identifier(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(_identifier(issuer), None, None)


# ---- looking ---------------------------------------------------------------------------------------------------------


def facts(text: str) -> Facts:
    """Of the first certificate of a PEM text.   Errors: CertificateError."""
    return _facts(read_certificates(_only_certificates(text))[0])


def facts_of(der: bytes) -> Facts:
    """Of a certificate as TLS shows it.   Errors: CertificateError."""
    try:
        return _facts(x509.load_der_x509_certificate(der))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("is no certificate in DER form") from error


def first_der(text: str) -> bytes:
    """The first certificate of a PEM text, as TLS shows it.   Errors: CertificateError."""
    return read_certificates(_only_certificates(text))[0].public_bytes(serialization.Encoding.DER)


def _facts(certificate: x509.Certificate) -> Facts:
    extensions = certificate.extensions
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns = tuple(names.get_values_for_type(x509.DNSName))
        addresses = tuple(str(one) for one in names.get_values_for_type(x509.IPAddress))
    except x509.ExtensionNotFound:
        pass
    return Facts(
        Names(
            _attribute(certificate, NameOID.COMMON_NAME),
            _attribute(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME),
            dns,
            addresses,
        ),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
    )


def leads_to(text: str, root: x509.Certificate) -> bool:
    """Whether the last certificate of a PEM text was signed by ``root``.   Errors: CertificateError."""
    return _signed_by(read_certificates(_only_certificates(text))[-1], root)


def _only_certificates(text: str) -> str:
    """Without what stands before the first: a private key."""
    start = text.find(_PEM_KEY)
    if start < 0:
        raise CertificateError("holds no certificate in PEM form")
    return text[start:]


def _attribute(certificate: x509.Certificate, which: x509.ObjectIdentifier) -> str:
    found = certificate.subject.get_attributes_for_oid(which)
    return str(found[0].value) if found else ""


def is_self_signed(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer and _signed_by(certificate, certificate)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def authority_of(certificates: str, key: str, above: str = "") -> tuple[Authority, x509.Certificate]:
    """Who signs, and its root. ``above``: the chain over an intermediate authority, up to the root, in order.

    Errors: CertificateError: it cannot sign, or what is given does not fit together.
    """
    given = read_certificates(certificates)
    if len(given) != 1:
        raise CertificateError(f"must hold one certificate, not {len(given)}; what is above it belongs into the chain")
    certificate, private = given[0], read_key(key)
    may_sign(certificate)
    if _public(certificate.public_key()) != _public(private.public_key()):
        raise CertificateError("is not the certificate of that private key")
    chain = read_certificates(above) if above.strip() else ()
    lower = certificate
    for upper in chain:
        may_sign(upper)
        if not _signed_by(lower, upper):
            raise CertificateError(
                f"the chain is not in order: {lower.subject.rfc4514_string()} is not signed by "
                f"{upper.subject.rfc4514_string()}"
            )
        lower = upper
    if not is_self_signed(lower):
        raise CertificateError(
            f"the chain must lead to a root: {lower.subject.rfc4514_string()} is not signed by itself"
        )
    return Authority(certificate, private, tuple(one for one in chain if not is_self_signed(one))), lower


def may_sign(certificate: x509.Certificate) -> None:
    """Errors: CertificateError for what is no authority's certificate."""
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        authority = basic.ca
    except x509.ExtensionNotFound:
        authority = False
    name = certificate.subject.rfc4514_string()
    if not authority:
        raise CertificateError(f"{name} is not an authority's certificate (basic constraint CA)")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise CertificateError(f"{name} may not sign certificates (its key usage)")


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
