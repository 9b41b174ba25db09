"""Reading SAML's XML: metadata of identity providers, and responses, of which only what a signature covers is told.

Signatures are signxml's (on lxml and cryptography); here is what SAML asks beyond it. A message is taken only in the one shape
that there has to be: no DTD, comment or processing instruction, no id twice, one assertion directly below the response, and
signatures of nothing but the element they stand in. The algorithms are a list of known good ones, the key is one of the
metadata's, and what is read is what signxml gives back: the very bytes that were digested, parsed again.
Imported by the first who uses SAML (``dcos.iam.api_saml``): lxml takes time and memory.
Source: SAML Core 2.0 (5.4: signatures), Metadata 2.0; XML Signature Best Practices.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import cryptography.exceptions
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from dcos.iam.core.saml import MESSAGE_MAX_BYTES, METADATA_MAX_BYTES, SUCCESS, Confirmation, Metadata, Said, SamlError

_SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_SAMLP = "{urn:oasis:names:tc:SAML:2.0:protocol}"
_MD = "{urn:oasis:names:tc:SAML:2.0:metadata}"
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
_REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
_MAIL_NAMES = frozenset(
    {
        *("mail", "email", "urn:oid:0.9.2342.19200300.100.1.3"),
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    }
)
_PERSON_NAMES = frozenset(
    {
        *("displayName", "urn:oid:2.16.840.1.113730.3.1.241", "cn", "urn:oid:2.5.4.3", "name"),
        "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    }
)
_CONDITIONS = frozenset(f"{_SAML}{name}" for name in ("AudienceRestriction", "OneTimeUse", "ProxyRestriction"))

_EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_CANONICAL = frozenset({_EXCLUSIVE, f"{_EXCLUSIVE}WithComments"})
_TRANSFORMS = frozenset({"http://www.w3.org/2000/09/xmldsig#enveloped-signature", *_CANONICAL})
_METHODS = frozenset(
    getattr(SignatureMethod, name.format(bits))
    for name in ("RSA_SHA{}", "ECDSA_SHA{}", "SHA{}_RSA_MGF1")
    for bits in (256, 384, 512)
)
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_RSA_MIN_BITS = 2048

_ID = re.compile(r"[A-Za-z_][\w.\-]{0,255}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?Z?", re.ASCII)
_BAD = (SignXMLException, etree.LxmlError, cryptography.exceptions.UnsupportedAlgorithm, ValueError, TypeError)
"""What signxml and lxml say of signatures and XML that are not as they should be."""


# ---- metadata --------------------------------------------------------------------------------------------------------


def metadata(text: str) -> Metadata:
    """Of the one identity provider that it tells of.   Errors: SamlError."""
    found = [
        (one, role)
        for one in _parsed(text.encode(), METADATA_MAX_BYTES).iter(f"{_MD}EntityDescriptor")
        for role in one.findall(f"{_MD}IDPSSODescriptor")
        if _PROTOCOL in role.get("protocolSupportEnumeration", "").split()
    ]
    if len(found) != 1:
        raise SamlError(f"it must tell of one identity provider (IDPSSODescriptor of SAML 2.0), not of {len(found)}")
    one, role = found[0]
    if role.get("WantAuthnRequestsSigned") in ("true", "1"):
        raise SamlError("WantAuthnRequestsSigned: requests are not signed here")
    ends = [_time(each.get("validUntil")) for each in (one, role) if each.get("validUntil") is not None]
    return Metadata(
        entity_id=_attribute(one, "entityID"),
        sso_url=_sso_url(role),
        certificates=_certificates(role),
        until=min((end for end in ends if end is not None), default=None),
    )


def _sso_url(role: Any) -> str:
    """Errors: SamlError."""
    for service in role.findall(f"{_MD}SingleSignOnService"):
        where = service.get("Location", "")
        if service.get("Binding") == _REDIRECT:
            if not re.fullmatch(r"https?://[!-~]+", where) or "#" in where:
                raise SamlError("SingleSignOnService: Location must be an http or https URL")
            return str(where)
    raise SamlError("it has no SingleSignOnService with the binding HTTP-Redirect")


def _certificates(role: Any) -> tuple[str, ...]:
    """Errors: SamlError."""
    found = []
    for key in role.findall(f"{_MD}KeyDescriptor"):
        if key.get("use") in (None, "signing"):
            found += [_pem(_text(each)) for each in key.iter(f"{_DS}X509Certificate")]
    if not found:
        raise SamlError("it has no certificate of a signing key")
    return tuple(found)


def _pem(text: str) -> str:
    """Errors: SamlError."""
    body = "".join(text.split())
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    pem = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except _BAD as error:
        raise SamlError("X509Certificate cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise SamlError("the signing key must be RSA or ECDSA")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _RSA_MIN_BITS:
        raise SamlError(f"the signing key must have at least {_RSA_MIN_BITS} bits")
    return pem


# ---- responses -------------------------------------------------------------------------------------------------------


def response(raw: bytes, known: Metadata, now: float) -> Said:
    """What a response says.   Errors: SamlError."""
    root = _parsed(raw, MESSAGE_MAX_BYTES)
    _check_plain(root)
    if root.tag != f"{_SAMLP}Response" or root.get("Version") != "2.0":
        raise SamlError("it is no response of SAML 2.0")
    _check_status(root)
    _check_ids(root)
    assertion = _only_assertion(root)
    signed = _signatures(root, assertion)
    if root in signed:
        whole = _covered(root, known, now)
        root, trusted = whole, _only_assertion(whole)
    if assertion in signed:
        trusted = _covered(assertion, known, now)
    issuer = root.find(f"{_SAML}Issuer")
    return _said(trusted, root, None if issuer is None else _text(issuer))


def _check_status(root: Any) -> None:
    """Errors: SamlError."""
    code = root.find(f"{_SAMLP}Status/{_SAMLP}StatusCode")
    value = "nothing" if code is None else code.get("Value", "nothing")
    if value != SUCCESS:
        inner = None if code is None else code.find(f"{_SAMLP}StatusCode")
        raise SamlError(f"the provider says: {(value if inner is None else inner.get('Value', value))[:100]}")


def _check_ids(root: Any) -> None:
    """No id twice, however its attribute is written, so that a reference means one element.   Errors: SamlError."""
    seen: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if etree.QName(name).localname.lower() in ("id", "assertionid", "responseid"):
                if value in seen:
                    raise SamlError("an id is there twice")
                seen.add(value)


def _only_assertion(root: Any) -> Any:
    """Errors: SamlError."""
    if (
        next(root.iter(f"{_SAML}EncryptedAssertion", f"{_SAML}EncryptedID", f"{_SAML}EncryptedAttribute"), None)
        is not None
    ):
        raise SamlError("encrypted assertions are not supported: the provider must not encrypt them")
    found = list(root.iter(f"{_SAML}Assertion"))
    if len(found) != 1 or found[0].getparent() is not root:
        raise SamlError("there must be one assertion, directly in the response")
    return found[0]


def _signatures(root: Any, assertion: Any) -> list[Any]:
    """The elements that a signature of theirs is to cover: the response, the assertion or both.   Errors: SamlError."""
    signed: list[Any] = []
    for signature in root.iter(f"{_DS}Signature"):
        owner = signature.getparent()
        if (owner is not root and owner is not assertion) or owner in signed:
            raise SamlError("a signature is where none may be")
        _check_form(signature, owner.get("ID", ""))
        signed.append(owner)
    if not signed:
        raise SamlError("nothing is signed")
    return signed


def _check_form(signature: Any, owner: str) -> None:
    """One reference, to the element it stands in, and no way to make that mean anything else.   Errors: SamlError."""
    if signature.find(f"{_DS}Object") is not None:
        raise SamlError("a signature holds an object")
    references = list(signature.iter(f"{_DS}Reference"))
    if len(references) != 1 or not _ID.fullmatch(owner) or references[0].get("URI") != f"#{owner}":
        raise SamlError("a signature is of something else than the element it is in")
    if any(
        each.get("Algorithm") not in _TRANSFORMS or each.find(f"{_DS}XPath") is not None
        for each in signature.iter(f"{_DS}Transform")
    ):
        raise SamlError("a signature has a transform that is not allowed")
    if any(each.get("Algorithm") not in _CANONICAL for each in signature.iter(f"{_DS}CanonicalizationMethod")):
        raise SamlError("a signature is not canonical in the exclusive way")


def _covered(element: Any, known: Metadata, now: float) -> Any:
    """``element`` as it was signed, with nothing around it.   Errors: SamlError."""
    data = etree.tostring(element, with_tail=False)
    config = SignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=1,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=datetime.fromtimestamp(now, UTC),
    )
    why = "no key"
    for certificate in known.certificates:
        try:
            found: Any = XMLVerifier().verify(
                data, x509_cert=certificate, parser=_parser(), id_attribute="ID", expect_config=config
            )
        except _BAD as error:
            why = f"{type(error).__name__} {error}"[:200]
            continue
        covered = found.signed_xml
        if covered is None or covered.tag != element.tag or covered.get("ID") != element.get("ID"):
            raise SamlError("the signature is of something else")
        return covered
    raise SamlError(f"signature: {why}")


def _said(assertion: Any, root: Any, response_issuer: str | None) -> Said:
    """Errors: SamlError."""
    if assertion.get("Version") != "2.0":
        raise SamlError("it is no assertion of SAML 2.0")
    issued = _time(_attribute(assertion, "IssueInstant"))
    subject, conditions = _one(assertion, "Subject"), _one(assertion, "Conditions")
    if any(each.tag not in _CONDITIONS for each in conditions):
        raise SamlError("a condition is not known")
    name_id = _one(subject, "NameID")
    assert issued is not None
    return Said(
        response_destination=root.get("Destination"),
        response_issuer=response_issuer,
        response_in_response_to=root.get("InResponseTo"),
        issuer=_text(_one(assertion, "Issuer")),
        name_id=_text(name_id),
        name_id_format=name_id.get("Format", ""),
        confirmations=tuple(
            _confirmation(_one(each, "SubjectConfirmationData"))
            for each in subject.findall(f"{_SAML}SubjectConfirmation")
            if each.get("Method") == _BEARER
        ),
        issued=issued,
        not_before=_time(conditions.get("NotBefore")),
        until=_time(conditions.get("NotOnOrAfter")),
        audiences=tuple(
            tuple(_text(each) for each in row.findall(f"{_SAML}Audience"))
            for row in conditions.findall(f"{_SAML}AudienceRestriction")
        ),
        sessions=tuple(_time(each.get("SessionNotOnOrAfter")) for each in assertion.findall(f"{_SAML}AuthnStatement")),
        mail=_value(assertion, _MAIL_NAMES),
        name=_value(assertion, _PERSON_NAMES),
    )


def _confirmation(data: Any) -> Confirmation:
    """Errors: SamlError."""
    return Confirmation(
        recipient=data.get("Recipient", ""),
        in_response_to=data.get("InResponseTo", ""),
        until=_time(data.get("NotOnOrAfter")),
        not_before=_time(data.get("NotBefore")),
    )


def _value(assertion: Any, names: frozenset[str]) -> str | None:
    """The first value of the first attribute of one of these names.   Errors: SamlError."""
    for attribute in assertion.iterfind(f"{_SAML}AttributeStatement/{_SAML}Attribute"):
        if attribute.get("Name") in names or attribute.get("FriendlyName") in names:
            value = attribute.find(f"{_SAML}AttributeValue")
            if value is not None and _text(value):
                return _text(value)
    return None


# ---- XML -------------------------------------------------------------------------------------------------------------


def _parser() -> Any:
    """Expands nothing, fetches nothing, and takes UTF-8 whatever the text says of itself."""
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
    )


def _parsed(raw: bytes, limit: int) -> Any:
    """The root.   Errors: SamlError."""
    if len(raw) > limit:
        raise SamlError(f"it has more than {limit} bytes")
    if b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
        raise SamlError("it has a document type")
    try:
        root = etree.fromstring(raw, _parser())
    except (etree.LxmlError, ValueError) as error:
        raise SamlError(f"it is no XML in UTF-8: {error}"[:200]) from error
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None or info.externalDTD is not None:
        raise SamlError("it has a document type")
    return root


def _check_plain(root: Any) -> None:
    """Comments and the like part texts: who signs and who reads may see different ones.   Errors: SamlError."""
    if next(root.iter(etree.Comment, etree.ProcessingInstruction, etree.Entity), None) is not None:
        raise SamlError("it has comments or processing instructions")


def _one(above: Any, name: str) -> Any:
    """The child of that name in SAML's namespace.   Errors: SamlError."""
    found = above.findall(f"{_SAML}{name}")
    if len(found) != 1:
        raise SamlError(f"there must be one {name}, not {len(found)}")
    return found[0]


def _text(element: Any) -> str:
    """Of an element that has nothing but text.   Errors: SamlError."""
    if len(element):
        raise SamlError(f"{etree.QName(element).localname} must hold text alone")
    return str(element.text or "").strip()


def _attribute(element: Any, name: str) -> str:
    """Errors: SamlError."""
    value = element.get(name)
    if not value:
        raise SamlError(f"{etree.QName(element).localname} must have {name}")
    return str(value)


def _time(text: str | None) -> float | None:
    """Unix seconds; what has no zone is in UTC, and no other zone may be.   Errors: SamlError."""
    if text is None:
        return None
    if not _TIME.fullmatch(text):
        raise SamlError("a time is not in UTC in the form of XML")
    try:
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise SamlError("a time cannot be") from error
