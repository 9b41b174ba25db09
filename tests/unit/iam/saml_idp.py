"""Responses of a SAML identity provider, good ones and forged ones: what pysaml2 would never send. Signing is signxml's."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import CanonicalizationMethod, DigestAlgorithm, SignatureMethod, XMLSigner

from dcos.iam.core.saml import Metadata, SamlProvider, callback_url, entity_id, person
from dcos.iam.saml_xml import metadata, response
from tests.unit.iam.served import NOW

ENTITY = "https://idp.test/metadata"
NAME, REQUEST = "ours", "_request-0123456789abcdef"
SAML, SAMLP = "urn:oasis:names:tc:SAML:2.0:assertion", "urn:oasis:names:tc:SAML:2.0:protocol"
DS = "{http://www.w3.org/2000/09/xmldsig#}"


class _Signer(XMLSigner):
    """Signs with what nobody should as well."""

    def check_deprecated_methods(self) -> None:
        pass


def instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def certificate_of(key: Any, *, days: tuple[int, int] = (-1, 365)) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.test")])
    at = datetime.fromtimestamp(NOW, UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(at + timedelta(days=days[0])).not_valid_after(at + timedelta(days=days[1]))
    return made.sign(key, hashes.SHA256())


@dataclass
class Idp:
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    days: tuple[int, int] = (-1, 365)

    def __post_init__(self) -> None:
        self.certificate = certificate_of(self.key, days=self.days)

    def metadata(self, *, role: str = "", binding: str = "HTTP-Redirect", use: str = "signing", of: str = "") -> str:
        der = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        return (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY}" {of}>'
            f'<md:IDPSSODescriptor protocolSupportEnumeration="{SAMLP}" {role}><md:KeyDescriptor use="{use}">'
            f'<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>{der}'
            "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            f'<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{binding}" Location="https://idp.test/sso"/>'
            "</md:IDPSSODescriptor></md:EntityDescriptor>"
        )

    def provider(self) -> SamlProvider:
        return SamlProvider(description="Ours", idp_metadata=self.metadata(), sp_base_url="https://cluster.test")

    def known(self) -> Metadata:
        return metadata(self.metadata())

    def sign(
        self,
        element: Any,
        *,
        method: SignatureMethod = SignatureMethod.RSA_SHA256,
        digest: DigestAlgorithm = DigestAlgorithm.SHA256,
        canonical: CanonicalizationMethod = CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
        key: Any = None,
        uri: str | None = None,
    ) -> Any:
        signer = _Signer(signature_algorithm=method, digest_algorithm=digest, c14n_algorithm=canonical)
        reference = uri if uri is not None else f"#{element.get('ID')}"
        mine = {"key": self.key, "cert": [self.certificate]} if key is None else {"key": key}
        return signer.sign(element, reference_uri=reference, id_attribute="ID", **mine)


def assertion(
    *,
    id: str = "_assertion",
    issuer: str = ENTITY,
    name_id: str = "bob@example.org",
    name_format: str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    recipient: str | None = None,
    answers: str = REQUEST,
    audience: str | None = None,
    begin: float = NOW - 10,
    end: float = NOW + 300,
    bearer_end: float = NOW + 300,
    issued: float = NOW,
    session_end: float = NOW + 3600,
    conditions: str = "",
    statements: str = "",
) -> Any:
    provider = SamlProvider(description="", idp_metadata="", sp_base_url="https://cluster.test")
    where = callback_url(provider, NAME) if recipient is None else recipient
    reader = entity_id(provider, NAME) if audience is None else audience
    return etree.fromstring(
        f'<saml:Assertion xmlns:saml="{SAML}" ID="{id}" Version="2.0" IssueInstant="{instant(issued)}">'
        f"<saml:Issuer>{issuer}</saml:Issuer><saml:Subject>"
        f'<saml:NameID Format="{name_format}">{name_id}</saml:NameID>'
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
        f'<saml:SubjectConfirmationData Recipient="{where}" InResponseTo="{answers}" NotOnOrAfter="{instant(bearer_end)}"/>'
        "</saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{instant(begin)}" NotOnOrAfter="{instant(end)}">'
        f"<saml:AudienceRestriction><saml:Audience>{reader}</saml:Audience></saml:AudienceRestriction>{conditions}"
        "</saml:Conditions>"
        f'<saml:AuthnStatement AuthnInstant="{instant(issued)}" SessionNotOnOrAfter="{instant(session_end)}"/>{statements}'
        "</saml:Assertion>"
    )


def respond(
    *inside: Any,
    destination: str = "https://cluster.test/acs/api/v1/auth/saml/providers/ours/acs-callback",
    answers: str = REQUEST,
    status: str = "Success",
    issuer: str = ENTITY,
) -> Any:
    root = etree.fromstring(
        f'<samlp:Response xmlns:samlp="{SAMLP}" xmlns:saml="{SAML}" ID="_response" Version="2.0"'
        f' IssueInstant="{instant(NOW)}" Destination="{destination}" InResponseTo="{answers}">'
        f"<saml:Issuer>{issuer}</saml:Issuer><samlp:Status>"
        f'<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></samlp:Status></samlp:Response>'
    )
    for one in inside:
        root.append(one)
    return root


def read(idp: Idp, message: Any, now: float = NOW) -> tuple[str, str]:
    """Whom bouncer takes a message to speak for: (uid, description).   Errors: SamlError."""
    raw = message if isinstance(message, bytes) else etree.tostring(message)
    known = idp.known()
    return person(response(raw, known, now), idp.provider(), known, NAME, REQUEST, now)
