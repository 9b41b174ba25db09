"""pysaml2, with Debian's xmlsec1, as a SAML identity provider over HTTP: it lets everybody in whose request it can read."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.metadata import create_metadata_string
from saml2.saml import NAMEID_FORMAT_EMAILADDRESS, NameID
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

from dcos.runtime import http

_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


@dataclass
class SamlProviderServer:
    """``options``: of pysaml2's ``create_authn_response``, such as what is signed and how (by itself it would take SHA-1)."""

    folder: Path
    url: str = ""
    email: str = "bob@example.org"
    options: dict[str, Any] = field(default_factory=lambda: {"sign_assertion": True, "sign_response": False})
    requests: list[Any] = field(default_factory=list)
    """Those that came, as pysaml2 understood them."""
    _server: Any = None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[SamlProviderServer]:
        app = web.Application()
        app.add_routes([web.get("/sso", self._sso)])
        async with http.listen(app, host="127.0.0.1", port=0) as (host, port):
            self.url = f"http://{host}:{port}"
            self._make_key()
            yield self

    def metadata(self) -> str:
        made = create_metadata_string(None, config=IdPConfig().load(self._config(None)))
        return made.decode() if isinstance(made, bytes) else str(made)

    def meet(self, sp_metadata: str) -> None:
        """Know a service provider by what it says of itself."""
        self._server = Server(config=IdPConfig().load(self._config(sp_metadata)))

    def _config(self, sp_metadata: str | None) -> dict[str, Any]:
        return {
            "entityid": f"{self.url}/metadata",
            "xmlsec_binary": shutil.which("xmlsec1"),
            "key_file": str(self.folder / "key.pem"),
            "cert_file": str(self.folder / "certificate.pem"),
            "metadata": {} if sp_metadata is None else {"inline": [sp_metadata]},
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(f"{self.url}/sso", BINDING_HTTP_REDIRECT)]},
                    "policy": {"default": {"lifetime": {"minutes": 5}}},
                    "want_authn_requests_signed": False,
                }
            },
        }

    async def _sso(self, request: web.Request) -> web.Response:
        form = await asyncio.to_thread(self._answer, request.query["SAMLRequest"], request.query.get("RelayState", ""))
        return web.Response(text=form, content_type="text/html")

    def _answer(self, text: str, relay_state: str) -> str:
        asked = self._server.parse_authn_request(text, BINDING_HTTP_REDIRECT)
        self.requests.append(asked.message)
        arguments = self._server.response_args(asked.message)
        binding, where = arguments.pop("binding"), arguments["destination"]
        assert binding == BINDING_HTTP_POST
        made = self._server.create_authn_response(
            identity={"mail": self.email, "displayName": "Bob B."},
            name_id=NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=self.email),
            authn={"class_ref": _PASSWORD, "authn_auth": self.url},
            **{"sign_alg": SIG_RSA_SHA256, "digest_alg": DIGEST_SHA256, **arguments, **self.options},
        )
        return str(self._server.apply_binding(binding, str(made), where, relay_state, response=True)["data"])

    def _make_key(self) -> None:
        key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.test")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        certificate = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (self.folder / "certificate.pem").write_bytes(certificate)
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        (self.folder / "key.pem").write_bytes(pem)
        (self.folder / "key.pem").chmod(0o600)
