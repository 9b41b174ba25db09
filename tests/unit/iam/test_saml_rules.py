"""Forged, moved, stale and ill-formed SAML messages: none speaks for anybody, and each is refused for what is bad in it."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml import CanonicalizationMethod, DigestAlgorithm, SignatureMethod

from dcos.iam.core.saml import MESSAGE_MAX_BYTES, SamlError
from dcos.iam.saml_xml import metadata
from tests.unit.iam.saml_idp import DS, ENTITY, SAML, SAMLP, Idp, assertion, read, respond
from tests.unit.iam.served import NOW

IDP, STRANGER = Idp(), Idp()
BOB = ("bob@example.org", "bob@example.org")


def _signed(**said: Any) -> Any:
    return IDP.sign(assertion(**said))


def _refused(message: Any, why: str, idp: Idp = IDP) -> None:
    with pytest.raises(SamlError, match=why):
        read(idp, message)


# ---- what is taken ---------------------------------------------------------------------------------------------------


def test_what_may_be_signed() -> None:
    assert read(IDP, respond(_signed())) == BOB, "an assertion"
    assert read(IDP, IDP.sign(respond(assertion()))) == BOB, "the response around one that is not"
    assert read(IDP, IDP.sign(respond(_signed()))) == BOB, "both"


@pytest.mark.parametrize(
    "method", [SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA512, SignatureMethod.SHA256_RSA_MGF1]
)
def test_methods_of_rsa(method: SignatureMethod) -> None:
    assert read(IDP, respond(IDP.sign(assertion(), method=method, digest=DigestAlgorithm.SHA512))) == BOB


def test_keys_on_curves() -> None:
    idp = Idp(ec.generate_private_key(ec.SECP256R1()))
    assert read(idp, respond(idp.sign(assertion(), method=SignatureMethod.ECDSA_SHA256))) == BOB


def _attributes(*pairs: tuple[str, str]) -> str:
    rows = "".join(
        f'<saml:Attribute Name="{name}"><saml:AttributeValue>{value}</saml:AttributeValue></saml:Attribute>'
        for name, value in pairs
    )
    return f"<saml:AttributeStatement>{rows}</saml:AttributeStatement>"


@pytest.mark.parametrize(
    ("name_id", "attributes", "uid", "description"),
    [
        pytest.param("bob@x.org", (("mail", "other@x.org"),), "bob@x.org", "other@x.org", id="NameID is an address"),
        pytest.param("bob", (("mail", "bob@x.org"), ("displayName", "Bob B.")), "bob@x.org", "Bob B.", id="mail"),
        pytest.param("bob", (("manager", "boss@x.org"),), "bob", "bob", id="an address of another attribute"),
        pytest.param("bob", (("mail", "no address"),), "bob", "no address", id="mail is no address"),
    ],
)
def test_who_it_is(name_id: str, attributes: tuple[tuple[str, str], ...], uid: str, description: str) -> None:
    message = respond(_signed(name_id=name_id, statements=_attributes(*attributes)))
    assert read(IDP, message) == (uid, description)


# ---- claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "why"),
    [
        pytest.param({"issuer": "https://other.test"}, "issuer", id="issuer"),
        pytest.param({"audience": "https://other.test"}, "audience", id="audience"),
        pytest.param({"recipient": "https://other.test"}, "recipient", id="recipient"),
        pytest.param({"recipient": ""}, "recipient", id="no recipient"),
        pytest.param({"answers": "_another-0123456789abcdef"}, "another request", id="request"),
        pytest.param({"answers": ""}, "another request", id="not asked for"),
        pytest.param({"end": NOW - 61}, "conditions: expired", id="expired"),
        pytest.param({"begin": NOW + 61}, "conditions: not valid yet", id="not valid yet"),
        pytest.param({"bearer_end": NOW - 61}, "confirmation: expired", id="confirmation expired"),
        pytest.param({"issued": NOW + 61}, "future", id="of the future"),
        pytest.param({"session_end": NOW - 61}, "session", id="session over"),
        pytest.param({"conditions": f'<x:Odd xmlns:x="{SAML}x"/>'}, "condition is not known", id="unknown condition"),
        pytest.param(
            {"conditions": "<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"},
            "audience",
            id="a second restriction without us",
        ),
        pytest.param(
            {"name_format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"}, "transient", id="transient name"
        ),
    ],
)
def test_assertions_that_do_not_hold(said: dict[str, Any], why: str) -> None:
    _refused(respond(_signed(**said)), why)


def _without(path: str) -> Any:
    made = assertion()
    found = made.find(path, {"saml": SAML})
    found.getparent().remove(found)
    return respond(IDP.sign(made))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("saml:Issuer", "one Issuer"),
        ("saml:Subject", "one Subject"),
        ("saml:Subject/saml:NameID", "one NameID"),
        ("saml:Subject/saml:SubjectConfirmation", "no bearer"),
        ("saml:Conditions", "one Conditions"),
        ("saml:Conditions/saml:AudienceRestriction", "audience"),
        ("saml:AuthnStatement", "session"),
    ],
)
def test_assertions_that_lack_something(path: str, why: str) -> None:
    _refused(_without(path), why)


@pytest.mark.parametrize("attribute", ["NotOnOrAfter", "Recipient", "InResponseTo"])
def test_confirmations_that_lack_something(attribute: str) -> None:
    made = assertion()
    del made.find(f".//{{{SAML}}}SubjectConfirmationData").attrib[attribute]
    _refused(respond(IDP.sign(made)), "no end|recipient|another request")


def test_responses_that_do_not_hold() -> None:
    _refused(respond(_signed(), destination="https://other.test"), "destination")
    _refused(respond(_signed(), answers="_another-0123456789abcdef"), "another request")
    _refused(respond(_signed(), issuer="https://other.test"), "issuer")
    _refused(respond(_signed(), status="Requester"), "the provider says: .*Requester")
    _refused(IDP.sign(respond(assertion(), destination="https://other.test")), "destination")


@pytest.mark.parametrize("when", ["2023-11-14T22:13:20+02:00", "tomorrow", "", "2023-13-40T00:00:00Z"])
def test_times_that_are_none(when: str) -> None:
    made = assertion()
    made.set("IssueInstant", when)
    _refused(respond(IDP.sign(made)), "time|IssueInstant")


# ---- signatures ------------------------------------------------------------------------------------------------------


def test_nothing_is_signed() -> None:
    _refused(respond(assertion()), "nothing is signed")


def test_keys_of_others() -> None:
    """The certificate in the message is of no account."""
    for forged in (
        respond(STRANGER.sign(assertion())),
        STRANGER.sign(respond(_signed())),
        IDP.sign(respond(STRANGER.sign(assertion()))),
    ):
        _refused(forged, "InvalidSignature")


def test_certificates_that_ended() -> None:
    old = Idp(IDP.key, days=(-30, -1))
    _refused(respond(old.sign(assertion())), "InvalidCertificate", old)


@pytest.mark.parametrize(
    ("method", "digest"),
    [
        (SignatureMethod.RSA_SHA1, DigestAlgorithm.SHA256),
        (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA1),
        (SignatureMethod.RSA_SHA224, DigestAlgorithm.SHA256),
    ],
)
def test_weak_algorithms(method: SignatureMethod, digest: DigestAlgorithm) -> None:
    _refused(respond(IDP.sign(assertion(), method=method, digest=digest)), "SHA(1|224) forbidden")


def test_the_public_key_as_a_secret() -> None:
    pem = IDP.certificate.public_bytes(serialization.Encoding.PEM)
    der = IDP.certificate.public_bytes(serialization.Encoding.DER)
    for secret in (pem, der, b""):
        forged = IDP.sign(assertion(), method=SignatureMethod.HMAC_SHA256, key=secret or b"\0")
        _refused(respond(forged), "HMAC_SHA256 forbidden")


@pytest.mark.parametrize("name", ["none", "", "http://www.w3.org/2000/09/xmldsig#none", None])
def test_no_algorithm(name: str | None) -> None:
    made = _signed()
    method = made.find(f".//{DS}SignatureMethod")
    method.attrib.pop("Algorithm")
    if name is not None:
        method.set("Algorithm", name)
    made.find(f".//{DS}SignatureValue").text = ""
    _refused(respond(made), "signature")


def test_other_canonical_forms_and_transforms() -> None:
    inclusive = CanonicalizationMethod.CANONICAL_XML_1_0
    _refused(respond(IDP.sign(assertion(), canonical=inclusive)), "transform|exclusive")
    for name in ("http://www.w3.org/TR/1999/REC-xslt-19991116", "http://www.w3.org/TR/1999/REC-xpath-19991116"):
        made = _signed()
        made.find(f".//{DS}Transform").set("Algorithm", name)
        _refused(respond(made), "transform")


@pytest.mark.parametrize("what", ["name", "digest", "value"])
def test_changes_after_signing(what: str) -> None:
    made = _signed()
    if what == "name":
        made.find(f".//{{{SAML}}}NameID").text = "admin@example.org"
    elif what == "digest":
        made.find(f".//{DS}DigestValue").text = "AAAA"
    else:
        made.find(f".//{DS}SignatureValue").text = "AAAA"
    _refused(respond(made), "signature")
    whole = IDP.sign(respond(assertion()))
    whole.find(f".//{{{SAML}}}NameID").text = "admin@example.org"
    _refused(whole, "signature")


# ---- wrapping --------------------------------------------------------------------------------------------------------


def _evil(**said: Any) -> Any:
    return assertion(**{"id": "_evil", "name_id": "admin@example.org", **said})


def test_a_second_assertion() -> None:
    _refused(respond(_evil(), _signed()), "one assertion")
    _refused(respond(_signed(), _evil()), "one assertion")


def test_the_signed_assertion_moved_elsewhere() -> None:
    """Into what the forged one holds, into the signature, beside the response."""
    for where in (f"{{{SAML}}}Subject", f"{{{SAML}}}Conditions"):
        forged = _evil()
        forged.find(where).append(_signed())
        _refused(respond(forged), "one assertion")
    extension = etree.Element(f"{{{SAMLP}}}Extensions")
    extension.append(_signed())
    _refused(respond(extension, _evil()), "one assertion")
    _refused(respond(extension), "one assertion")
    forged, good = _evil(), _signed()
    signature = good.find(f"{DS}Signature")
    held = etree.SubElement(signature, f"{DS}Object")
    bare = copy.deepcopy(good)
    bare.remove(bare.find(f"{DS}Signature"))
    held.append(bare)
    forged.append(signature)
    _refused(respond(forged), "one assertion")


def test_a_signature_of_another_element() -> None:
    forged = _evil()
    forged.append(_signed().find(f"{DS}Signature"))
    _refused(respond(forged), "something else")
    forged = _evil(id="_assertion")
    forged.append(_signed().find(f"{DS}Signature"))
    _refused(respond(forged), "signature: InvalidDigest")
    root = respond(_evil())
    root.append(_signed().find(f"{DS}Signature"))
    _refused(root, "something else")


def test_a_response_signed_around_its_assertion_alone() -> None:
    """Signed is an element with another name in the place of the response."""
    whole = IDP.sign(respond(assertion()))
    status = respond(_evil()).find(f"{{{SAMLP}}}Status")
    status.append(whole)
    root = respond(_evil())
    root.replace(root.find(f"{{{SAMLP}}}Status"), status)
    _refused(root, "twice|one assertion")


@pytest.mark.parametrize("attribute", ["ID", "Id", "id", "{http://www.w3.org/XML/1998/namespace}id", "AssertionID"])
def test_ids_that_are_there_twice(attribute: str) -> None:
    root = respond(_signed())
    root.find(f"{{{SAML}}}Issuer").set(attribute, "_assertion")
    _refused(root, "twice")


@pytest.mark.parametrize("uri", ["", "#_response", "#xpointer(id('_assertion'))", "http://idp.test/x"])
def test_references_to_elsewhere(uri: str) -> None:
    made = _signed()
    made.find(f".//{DS}Reference").set("URI", uri)
    _refused(respond(made), "something else")


def test_references_that_are_not_one() -> None:
    made = _signed()
    info = made.find(f".//{DS}SignedInfo")
    info.append(copy.deepcopy(info.find(f"{DS}Reference")))
    _refused(respond(made), "something else")
    info.clear()
    _refused(respond(made), "something else")


def test_signatures_in_odd_places() -> None:
    made = _signed()
    made.find(f"{{{SAML}}}Subject").append(copy.deepcopy(made.find(f"{DS}Signature")))
    _refused(respond(made), "where none may be")
    made = _signed()
    made.append(copy.deepcopy(made.find(f"{DS}Signature")))
    _refused(respond(made), "where none may be")


def test_comments_in_names() -> None:
    """``admin@x.org<!---->.evil.org``: signed as a whole, read in part by some."""
    for odd in ("<!---->", "<?x?>"):
        _refused(respond(_signed(name_id=f"admin@example.org{odd}.evil.org")), "comments")
        message = etree.tostring(respond(_signed(name_id="admin@example.org.evil.org")))
        _refused(message.replace(b"org.evil", f"org{odd}.evil".encode()), "comments")
    _refused(respond(_signed(name_id="admin@example.org<x/>")), "text alone")


def _mutated(root: Any, chance: random.Random) -> bytes:
    """A few elements moved, doubled, brought in, renamed or given another text."""
    elements = list(root.iter())
    for _ in range(chance.randrange(1, 4)):
        one, other = chance.choice(elements), chance.choice(elements)
        match chance.randrange(5):
            case 0 if one.getparent() is not None and one not in other.iterancestors() and one is not other:
                other.append(one)
            case 1:
                other.append(copy.deepcopy(one))
            case 2:
                other.append(_evil(id=chance.choice(("_evil", "_assertion"))))
            case 3 if one.attrib:
                one.set(chance.choice(list(one.attrib)), chance.choice(("_evil", "_assertion", "#_evil", "")))
            case _:
                one.text = chance.choice(("admin@example.org", "", None))
    return etree.tostring(root)


def test_whatever_is_done_to_it_a_message_speaks_for_nobody_else() -> None:
    chance = random.Random(6)
    good = [
        etree.tostring(one)
        for one in (respond(_signed()), IDP.sign(respond(assertion())), IDP.sign(respond(_signed())))
    ]
    spoken_for, refused = set(), 0
    for _ in range(1000):
        message = _mutated(etree.fromstring(chance.choice(good)), chance)
        try:
            spoken_for.add(read(IDP, message))
        except SamlError:
            refused += 1
    assert spoken_for <= {BOB}
    assert refused > 500


# ---- XML -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"<!DOCTYPE x>",
        b'<!DOCTYPE x [<!ENTITY a "b">]>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        b'<!DOCTYPE x [<!ENTITY % a SYSTEM "file:///etc/passwd"> %a;]>',
    ],
)
def test_document_types(head: bytes) -> None:
    _refused(head + etree.tostring(respond(_signed())), "document type")
    body = head + etree.tostring(respond(_signed()))
    utf_16 = (b'<?xml version="1.0" encoding="utf-16"?>' + body).decode().encode("utf-16")
    utf_7 = b'<?xml version="1.0" encoding="utf-7"?>' + body.replace(b"<!", b"+ADwAIQ-")
    for hidden in (utf_16, utf_7):
        _refused(hidden, "no XML in UTF-8")


@pytest.mark.parametrize("raw", [b"", b"x", b"<a>", b"<a/>", b"\xff\xfe<\0a\0", b"\0", b"<a>&b;</a>"])
def test_what_is_no_message(raw: bytes) -> None:
    _refused(raw, "no XML|no response")


def test_what_is_too_much() -> None:
    _refused(b"<a>" + b" " * MESSAGE_MAX_BYTES + b"</a>", "bytes")
    _refused(b"<a>" * 10_000 + b"</a>" * 10_000, "no XML")


def test_encrypted_assertions_are_refused_in_words() -> None:
    _refused(respond(etree.Element(f"{{{SAML}}}EncryptedAssertion")), "must not encrypt")


# ---- metadata --------------------------------------------------------------------------------------------------------


def test_metadata() -> None:
    known = metadata(IDP.metadata())
    assert (known.entity_id, known.sso_url, len(known.certificates)) == (ENTITY, "https://idp.test/sso", 1)
    many = f'<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">{IDP.metadata()}</md:EntitiesDescriptor>'
    assert metadata(f'<?xml version="1.0" encoding="UTF-8"?>\n{many}') == known


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "no XML", id="nothing"),
        pytest.param("<a/>", "one identity provider", id="something else"),
        pytest.param(f"<!DOCTYPE x>{IDP.metadata()}", "document type", id="document type"),
        pytest.param(f"<a>{IDP.metadata()}{IDP.metadata()}</a>", "not of 2", id="two providers"),
        pytest.param(IDP.metadata(role='WantAuthnRequestsSigned="true"'), "not signed here", id="signed requests"),
        pytest.param(IDP.metadata(binding="HTTP-POST"), "HTTP-Redirect", id="no redirect"),
        pytest.param(IDP.metadata(use="encryption"), "no certificate", id="no signing key"),
        pytest.param(IDP.metadata().replace("https://idp.test/sso", "javascript:x"), "Location", id="location"),
        pytest.param(IDP.metadata().replace(f'entityID="{ENTITY}"', ""), "entityID", id="no id"),
        pytest.param(IDP.metadata(of='validUntil="x"'), "time", id="time"),
        pytest.param(Idp(rsa.generate_private_key(65537, 1024)).metadata(), "2048 bits", id="short key"),
    ],
)
def test_metadata_that_cannot_be(text: str, why: str) -> None:
    with pytest.raises(SamlError, match=why):
        metadata(text)


def test_what_reads_xml_is_not_loaded_unasked() -> None:
    program = "import sys, dcos.iam.service; print([one for one in ('lxml', 'signxml') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
