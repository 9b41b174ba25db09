"""The API of dcos-ca: nodes ask for the certificates of their services.

POST /ca/node/v1/certificates     Authorization: Enrolment <hex of HMAC-SHA256(enrolment key, body)>
{"role": "slave", "address": "10.0.0.7", "addresses": [], "requests": {"dcos-net": "-----BEGIN CERTIFICATE REQUEST-----..."}}
200 {"certificates": {"dcos-net": "-----BEGIN CERTIFICATE-----..."}}     else {"code", "message"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web

from dcos.ca.core import policy
from dcos.runtime import http, log
from dcos.runtime.clock import Clock
from dcos.wire import certificates
from dcos.wire.certificates import Authority, CertificateError

PATH = "/ca/node/v1/certificates"
_MAX_BODY = 256 * 1024
_MAX_REQUESTS = 64
_log = log.get_logger("dcos-ca")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: str
    address: str
    addresses: tuple[str, ...] = ()
    requests: dict[str, str]


@dataclass(frozen=True, slots=True)
class Signer:
    """What the API works with."""

    authority: Authority
    keys: Mapping[str, str]
    masters: frozenset[str]
    clock: Clock
    revoked: frozenset[str] = frozenset()
    days: int = certificates.LEAF_DAYS

    def sign(self, body: bytes, header: str, came_from: str | None) -> dict[str, str]:
        """Certificates by service.   Errors: Refused."""
        try:
            asked = msgspec.json.decode(body, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise policy.Refused(400, f"the body is no request: {error}") from None
        who = policy.asker(
            role=asked.role,
            address=asked.address,
            extra=asked.addresses,
            header=header,
            body=body,
            keys=self.keys,
            came_from=came_from,
            masters=self.masters,
            revoked=self.revoked,
        )
        if len(asked.requests) > _MAX_REQUESTS:
            raise policy.Refused(400, f"requests: at most {_MAX_REQUESTS}, not {len(asked.requests)}")
        names = {service: policy.names(who, service) for service in asked.requests}
        try:
            made = {
                service: certificates.issue(self.authority, request, names[service], self.clock.now(), days=self.days)
                for service, request in asked.requests.items()
            }
        except CertificateError as error:
            raise policy.Refused(400, f"requests: {error}") from error
        for service in made:
            _log.info("issued", service=service, role=str(who.role), address=who.address, source=came_from or "local")
        return made


def application(signer: Signer) -> web.Application:
    async def sign(request: web.Request) -> web.Response:
        body = await request.read()
        source = request.headers.get("X-Real-IP")
        try:
            made = signer.sign(body, request.headers.get("Authorization", ""), source)
        except policy.Refused as refused:
            _log.warning("refused", status=refused.status, why=str(refused), source=source or "local")
            return http.json_response({"code": refused.status, "message": str(refused)}, status=refused.status)
        return http.json_response({"certificates": made}, headers={"Cache-Control": "no-store"})

    app = http.application(client_max_size=_MAX_BODY)
    app.add_routes([web.post(PATH, sign)])
    return app
