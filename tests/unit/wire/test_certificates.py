"""Certificates: what an authority issues is accepted by a verifier that is not ours; what cannot be used is named."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from dcos.wire import certificates
from dcos.wire.certificates import Authority, CertificateError, Names, PrivateKey

NOW = 1_800_000_000.0
DAY = 86400.0
NAMES = Names("dcos-net", "slave", ("localhost",), ("10.0.0.7", "127.0.0.1", "::1"))


def authority() -> Authority:
    key = certificates.generate_key()
    return Authority(certificates.make_authority("Trial", key, NOW), key)


def signed(
    name: str,
    key: PrivateKey,
    above: tuple[x509.Certificate, PrivateKey] | None,
    *,
    ca: bool = True,
    signs: bool = True,
) -> x509.Certificate:
    """A certificate as operators bring them."""
    subject = x509.Name.from_rfc4514_string(f"CN={name}")
    start = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(above[0].subject if above else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1000))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=signs, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((above[1] if above else key).public_key()),
            critical=False,
        )
        .sign(above[1] if above else key, hashes.SHA256())
    )


def accepts(chain: str, root: x509.Certificate, address: str, now: float = NOW) -> bool:
    leaf, *between = certificates.read_certificates(chain)
    builder = PolicyBuilder().store(Store([root])).time(datetime.datetime.fromtimestamp(now, datetime.UTC))
    verifier = builder.build_server_verifier(x509.IPAddress(ipaddress.ip_address(address)))
    try:
        verifier.verify(leaf, between)
    except VerificationError:
        return False
    return True


def test_what_is_issued_is_accepted_for_its_names_and_time_only() -> None:
    made = authority()
    text = certificates.issue(made, certificates.make_request(certificates.generate_key()), NAMES, NOW)
    assert accepts(text, made.certificate, "10.0.0.7")
    assert not accepts(text, made.certificate, "10.0.0.8")
    assert not accepts(text, authority().certificate, "10.0.0.7")
    assert not accepts(text, made.certificate, "10.0.0.7", NOW + 15 * DAY)
    facts = certificates.facts(text)
    assert facts.names == NAMES
    assert facts.life_left(NOW) == pytest.approx(1.0, abs=0.001)
    assert facts.life_left(NOW + 28 / 3 * DAY) == pytest.approx(1 / 3, abs=0.001)
    assert facts.life_left(NOW + 15 * DAY) == 0.0
    assert certificates.leads_to(text, made.certificate)
    assert not certificates.leads_to(text, authority().certificate)


def test_nothing_outlives_its_authority() -> None:
    made = authority()
    end = made.certificate.not_valid_after_utc
    later = end.timestamp() - 10 * DAY
    text = certificates.issue(made, certificates.make_request(certificates.generate_key()), NAMES, later)
    assert certificates.facts(text).end == end.timestamp()


def test_the_facts_of_a_file_with_its_key_in_front() -> None:
    made, key = authority(), certificates.generate_key()
    text = certificates.key_pem(key) + certificates.issue(made, certificates.make_request(key), NAMES, NOW)
    assert certificates.facts(text).names.common_name == "dcos-net"


def test_an_authority_below_others_sends_those_between_along() -> None:
    keys = [certificates.generate_key() for _ in range(3)]
    root = signed("root", keys[0], None)
    middle = signed("middle", keys[1], (root, keys[0]))
    low = signed("low", keys[2], (middle, keys[1]))
    made, found = certificates.authority_of(
        certificates.pem(low), certificates.key_pem(keys[2]), certificates.pem(middle) + certificates.pem(root)
    )
    assert found == root
    text = certificates.issue(made, certificates.make_request(certificates.generate_key()), NAMES, NOW)
    assert [one.subject.rfc4514_string() for one in certificates.read_certificates(text)][1:] == ["CN=low", "CN=middle"]
    assert accepts(text, root, "10.0.0.7")
    assert certificates.leads_to(text, root)


def test_an_rsa_authority() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    root = signed("root", key, None)
    made, _ = certificates.authority_of(certificates.pem(root), certificates.key_pem(key))
    text = certificates.issue(made, certificates.make_request(certificates.generate_key()), NAMES, NOW)
    assert accepts(text, root, "10.0.0.7")


def test_what_does_not_fit_is_named() -> None:
    key, other = certificates.generate_key(), certificates.generate_key()
    root, leaf = signed("root", key, None), signed("leaf", key, None, ca=False, signs=False)
    below = signed("below", other, (root, key))
    pem, key_pem = certificates.pem, certificates.key_pem
    for words, given in (
        ("holds no certificate", ("x", key_pem(key), "")),
        ("must hold one certificate, not 2", (pem(root) + pem(below), key_pem(key), "")),
        ("is not the certificate of that private key", (pem(root), key_pem(other), "")),
        ("is not an authority's certificate", (pem(leaf), key_pem(key), "")),
        ("may not sign certificates", (pem(signed("r", key, None, signs=False)), key_pem(key), "")),
        ("must lead to a root", (pem(below), key_pem(other), "")),
        ("the chain is not in order", (pem(below), key_pem(other), pem(signed("another", other, None)))),
        ("holds no private key", (pem(root), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "")),
    ):
        with pytest.raises(CertificateError, match=words):
            certificates.authority_of(*given)


@pytest.mark.parametrize(
    ("key", "passphrase", "words"),
    [
        (rsa.generate_private_key(public_exponent=65537, key_size=1024), b"", "of 1024 bits"),
        (ec.generate_private_key(ec.SECP256K1()), b"", "curve secp256k1"),
        (ed25519.Ed25519PrivateKey.generate(), b"", "must be an RSA or an elliptic curve key"),
        (certificates.generate_key(), b"word", "is encrypted"),
    ],
)
def test_keys_that_cannot_be_used(key: PrivateKey, passphrase: bytes, words: str) -> None:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how).decode()
    with pytest.raises(CertificateError, match=words):
        certificates.read_key(text)


@pytest.mark.parametrize(
    "request_text", ["", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAA\n-----END CERTIFICATE REQUEST-----\n"]
)
def test_requests_that_are_none(request_text: str) -> None:
    with pytest.raises(CertificateError, match="no certificate request"):
        certificates.issue(authority(), request_text, NAMES, NOW)


def test_a_request_must_be_signed_by_the_key_that_it_names() -> None:
    raw = bytearray(
        x509.load_pem_x509_csr(certificates.make_request(certificates.generate_key()).encode()).public_bytes(
            serialization.Encoding.DER
        )
    )
    raw[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(raw)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CertificateError, match=r"not signed by the key|no certificate request"):
        certificates.issue(authority(), forged, NAMES, NOW)


def test_names_of_another_unit_are_another_certificate() -> None:
    assert replace(NAMES, unit="master") != NAMES
