"""Tokens that are none: unsigned, signed by others, over, with keys confused, cut off, hidden beside a good one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from dcos.testing.identity import GuardedCluster
from dcos.wire import jwt


def forgeries(cluster: GuardedCluster) -> list[str]:
    """Values of ``Authorization`` that must let nobody in."""
    good = cluster.tokens["admin"]
    header, claims, signature = good.split(".")
    (jwk,) = cluster.through("GET", "/acs/api/v1/auth/jwks", uid=None).json()["keys"]
    pem = jwt.public_pem(jwt.from_jwks({"keys": [jwk]})[0]).encode()
    admin = {"uid": "admin", "exp": 4_000_000_000}

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    confused = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(admin)}"
    proof = base64.urlsafe_b64encode(hmac.digest(pem, confused.encode(), hashlib.sha256)).rstrip(b"=").decode()
    other = jwt.generate_key()
    tokens = [
        f"{confused}.{proof}",
        f"{part({'alg': 'none'})}.{part(admin)}.",
        f"{part({'alg': 'none'})}.{part(admin)}.{signature}",
        f"{header}.{part(admin)}.{signature}",
        f"{header}.{claims}.",
        f"{header}.{claims}",
        f"{part({'alg': 'RS256', 'jwk': jwt.to_jwk(other.public_key())})}.{part(admin)}.{signature}",
        jwt.sign("admin", None, other),
        jwt.sign("admin", 1, other),
        "a" * 4000,
        "..",
        "\u00e9.\u00e9.\u00e9",
    ]
    schemes = [
        "token=",
        f"token=x token={good}",
        f"token={tokens[0]} Bearer {good}",
        "Basic YWRtaW46YWRtaW4=",
        good,
        "Bearer ",
    ]
    return [*(f"{scheme}{one}" for one in tokens for scheme in ("token=", "Bearer ")), *schemes]
