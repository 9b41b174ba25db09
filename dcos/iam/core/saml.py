"""SAML 2.0 sign-in begun here (SP-initiated): what is sent, and whom an assertion with a good signature speaks for.

The browser goes away with an AuthnRequest (HTTP-Redirect) and comes back by POST. Nothing is kept here in between, so that any
master can finish what another began: what a login is about travels in a signed cookie of that browser, named after the request
that the assertion must answer. RelayState is neither sent nor read: nobody is led anywhere by it.
XML is read elsewhere (``dcos.iam.saml_xml``); here are only the rules.
Source: SAML Core, Bindings and Profiles 2.0 (4.1, web browser SSO); ids, URLs and accounts as in DC/OS Enterprise.
"""

from __future__ import annotations

import base64
import hmac
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape, quoteattr

import msgspec

from dcos.iam.core.errors import IamError, unexpected_input

PROVIDERS = "/acs/api/v1/auth/saml/providers/"
FLOW_S = 600
TARGET_MAX_CHARACTERS = 2000
"""The way back travels in a cookie, of which browsers take 4 kB."""
METADATA_MAX_BYTES = MESSAGE_MAX_BYTES = 256 * 1024
_LEEWAY_S = 60
_REQUEST_ID = re.compile(r"_[A-Za-z0-9\-_]{20,64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
POST_BINDING = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
_NAMES = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'


class SamlProvider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    description: str
    idp_metadata: str
    """The identity provider's, XML."""
    sp_base_url: str
    """Of this cluster, as browsers see it."""


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What an identity provider says of itself."""

    entity_id: str
    sso_url: str
    """Where browsers bring requests (HTTP-Redirect)."""
    certificates: tuple[str, ...]
    """Of its signing keys, PEM."""
    until: float | None = None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One login on its way."""

    provider: str
    target: str
    request: str
    """Id of the AuthnRequest."""
    until: float


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """Who may bring an assertion: a bearer, to there, until then, as the answer to that request."""

    recipient: str
    in_response_to: str
    until: float | None
    not_before: float | None = None


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A response. Everything of the assertion is covered by a good signature; ``response_*`` is so only if the response was
    signed, and can only make it be refused."""

    response_destination: str | None = None
    response_issuer: str | None = None
    response_in_response_to: str | None = None
    issuer: str
    name_id: str
    name_id_format: str = ""
    confirmations: tuple[Confirmation, ...]
    issued: float
    not_before: float | None = None
    until: float | None = None
    audiences: tuple[tuple[str, ...], ...] = ()
    """One row per restriction: the reader must be in each."""
    sessions: tuple[float | None, ...] = ()
    """When each session that the provider tells of ends."""
    mail: str | None = None
    """The first value of the attribute ``mail``."""
    name: str | None = None


class SamlError(Exception):
    """What came is not to be trusted or not understood; says why, for the log."""


def provider_of(body: Mapping[str, Any], before: SamlProvider | None = None) -> SamlProvider:
    """Errors: IamError. ``before``: what the body changes. Whether the metadata can be read is seen later."""
    merged = {**(msgspec.to_builtins(before) if before is not None else {}), **body}
    try:
        made = msgspec.convert(merged, SamlProvider)
    except msgspec.ValidationError as error:
        raise unexpected_input(str(error)) from error
    parts = urlsplit(made.sp_base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise IamError(400, "sp_base_url must be an http or https URL.", "ERR_INVALID_DATA")
    if len(made.idp_metadata.encode()) > METADATA_MAX_BYTES:
        raise IamError(400, f"idp_metadata must have at most {METADATA_MAX_BYTES} bytes.", "ERR_INVALID_DATA")
    return made


def callback_url(provider: SamlProvider, name: str) -> str:
    return f"{provider.sp_base_url.rstrip('/')}{PROVIDERS}{name}/acs-callback"


def entity_id(provider: SamlProvider, name: str) -> str:
    """Ours, which is also the audience of assertions: where our metadata is."""
    return f"{provider.sp_base_url.rstrip('/')}{PROVIDERS}{name}/sp-metadata"


def sp_metadata(provider: SamlProvider, name: str) -> str:
    """What an identity provider has to know of us, XML."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID={quoteattr(entity_id(provider, name))}>\n'
        '  <md:SPSSODescriptor AuthnRequestsSigned="false" WantAssertionsSigned="true"'
        ' protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">\n'
        "    <md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>\n"
        f'    <md:AssertionConsumerService index="0" isDefault="true" Binding="{POST_BINDING}"'
        f" Location={quoteattr(callback_url(provider, name))}/>\n"
        "  </md:SPSSODescriptor>\n"
        "</md:EntityDescriptor>\n"
    )


# ---- away ------------------------------------------------------------------------------------------------------------


def redirect_url(provider: SamlProvider, metadata: Metadata, flow: Flow, now: float) -> str:
    """Where the browser is sent, the request with it."""
    request = (
        f'<samlp:AuthnRequest {_NAMES} ID="{flow.request}" Version="2.0" IssueInstant="{_instant(now)}"'
        f' Destination={quoteattr(metadata.sso_url)} ProtocolBinding="{POST_BINDING}"'
        f" AssertionConsumerServiceURL={quoteattr(callback_url(provider, flow.provider))}>"
        f"<saml:Issuer>{escape(entity_id(provider, flow.provider))}</saml:Issuer>"
        '<samlp:NameIDPolicy AllowCreate="true"/>'
        "</samlp:AuthnRequest>"
    )
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(request.encode()) + packer.flush()
    query = urlencode({"SAMLRequest": base64.b64encode(packed).decode()})
    return f"{metadata.sso_url}{'&' if '?' in metadata.sso_url else '?'}{query}"


def pack(flow: Flow, key: bytes) -> str:
    """The value of the cookie."""
    raw = _base64(msgspec.json.encode(flow))
    return f"{raw}.{_base64(hmac.digest(key, raw.encode(), 'sha256'))}"


def unpack(text: str, key: bytes, name: str, request: str, now: float) -> Flow:
    """What the login at provider ``name`` with that request was about.   Errors: SamlError."""
    raw, _, proof = text.partition(".")
    if not text.isascii() or not hmac.compare_digest(
        proof.encode(), _base64(hmac.digest(key, raw.encode(), "sha256")).encode()
    ):
        raise SamlError("this browser began no such login")
    flow = msgspec.json.decode(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)), type=Flow)
    if flow.provider != name or flow.request != request:
        raise SamlError("it answers another login")
    if not now < flow.until:
        raise SamlError("the login took too long")
    return flow


# ---- and back --------------------------------------------------------------------------------------------------------


def answered(said: Said) -> str:
    """The request that an assertion answers, for finding the cookie.   Errors: SamlError."""
    found = {one.in_response_to for one in said.confirmations}
    if len(found) != 1:
        raise SamlError("the assertion does not answer one request")
    request = found.pop()
    if not _REQUEST_ID.fullmatch(request):
        raise SamlError("the assertion answers no request of ours")
    return request


def person(
    said: Said, provider: SamlProvider, metadata: Metadata, name: str, request: str, now: float
) -> tuple[str, str]:
    """(uid, description) of whom a signed assertion speaks for, as the answer to ``request``.   Errors: SamlError."""
    where = callback_url(provider, name)
    if said.response_destination not in (None, where):
        raise SamlError("destination")
    if said.response_issuer not in (None, metadata.entity_id) or said.issuer != metadata.entity_id:
        raise SamlError("issuer")
    if said.response_in_response_to not in (None, request):
        raise SamlError("the response answers another request")
    if said.issued > now + _LEEWAY_S:
        raise SamlError("issued in the future")
    _check_span(said.not_before, said.until, now, "conditions")
    if not said.audiences or not all(entity_id(provider, name) in row for row in said.audiences):
        raise SamlError("audience")
    if not said.sessions or not all(end is None or now < end + _LEEWAY_S for end in said.sessions):
        raise SamlError("the provider's session is over")
    _check_bearer(said.confirmations, where, request, now)
    return _uid(said), said.name or said.mail or said.name_id


def _check_bearer(found: tuple[Confirmation, ...], where: str, request: str, now: float) -> None:
    """One confirmation that holds is enough.   Errors: SamlError."""
    why = "no bearer may bring it"
    for one in found:
        try:
            if one.recipient != where:
                raise SamlError("recipient")
            if one.in_response_to != request:
                raise SamlError("the assertion answers another request")
            if one.until is None:
                raise SamlError("the confirmation has no end")
            _check_span(one.not_before, one.until, now, "confirmation")
        except SamlError as error:
            why = str(error)
        else:
            return
    raise SamlError(why)


def _check_span(begin: float | None, end: float | None, now: float, what: str) -> None:
    """Errors: SamlError."""
    if begin is not None and now + _LEEWAY_S < begin:
        raise SamlError(f"{what}: not valid yet")
    if end is not None and not now < end + _LEEWAY_S:
        raise SamlError(f"{what}: expired")


def _uid(said: Said) -> str:
    """The NameID if it is an e-mail address, else the attribute ``mail``, else the NameID. Nothing in it is replaced, so that
    no two people share an account.   Errors: SamlError."""
    if said.name_id_format == _TRANSIENT:
        raise SamlError("the NameID is transient: accounts need one that stays")
    if _EMAIL.fullmatch(said.name_id):
        return said.name_id
    return said.mail if said.mail is not None and _EMAIL.fullmatch(said.mail) else said.name_id


def _instant(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
