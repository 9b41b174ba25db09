"""How an agent proves its principal to a master without telling its secret: a challenge, and the secret's seal of it.

    GET  /internal/v1/agent                  -> 401, WWW-Authenticate: Mesos-Agent nonce="N"   (204: nobody asks)
    POST, Authorization: Mesos-Agent principal="P", nonce="N", proof="hex of HMAC-SHA256(secret, N)"

Source: ours; upstream's agents prove theirs by CRAM-MD5 over libprocess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

SCHEME = "Mesos-Agent"
_PAIR = re.compile(r'([a-z]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Proof:
    principal: str
    nonce: str
    proof: str

    def header(self) -> str:
        """Errors: ValueError for a principal that no header can carry."""
        if not self.principal.isprintable() or '"' in self.principal:
            raise ValueError("a principal cannot have quotes or control characters")
        return f'{SCHEME} principal="{self.principal}", nonce="{self.nonce}", proof="{self.proof}"'

    def holds(self, secret: str) -> bool:
        return hmac.compare_digest(self.proof.encode(), seal(secret, self.nonce).encode())


def seal(secret: str, nonce: str) -> str:
    return hmac.new(secret.encode(), nonce.encode(), hashlib.sha256).hexdigest()


def prove(principal: str, secret: str, challenge: str) -> Proof | None:
    """The answer to a ``WWW-Authenticate`` header; None where it is not ours."""
    nonce = _pairs(challenge).get("nonce")
    return None if nonce is None else Proof(principal, nonce, seal(secret, nonce))


def read(header: str) -> Proof | None:
    """An ``Authorization`` header; None where it is not ours."""
    pairs = _pairs(header)
    if not {"principal", "nonce", "proof"} <= pairs.keys():
        return None
    return Proof(pairs["principal"], pairs["nonce"], pairs["proof"])


def challenge(nonce: str) -> str:
    return f'{SCHEME} nonce="{nonce}"'


def _pairs(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    return dict(_PAIR.findall(rest)) if scheme == SCHEME else {}
