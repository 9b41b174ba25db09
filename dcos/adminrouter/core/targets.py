"""The answer to "where does this request go?", as nginx takes it: a few headers.

A refusal is a target as well: nginx may only be told yes, 401 or 403 by its sub-request, so 404 and 503 are said by sending
the request to the decision service itself together with the text to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

DECISION_UPSTREAM = "dcos_decision"
"""Name of the nginx group that is the decision service; questions to it wait while that is away."""

QUICK_UPSTREAM = "dcos_decision_now"
"""The same, but nobody waits."""

KEPT_UPSTREAM = "dcos_kept"
"""Name of the nginx groups that hold connections to wherever the decision leads; the one for TLS ends in ``_tls``."""

LONGER_MODE = "longer"
"""What nginx is told where the first segment of a path does not name a service: to ask about more of them."""

ANSWER_HEADER = "X-Dcos-Answer"
OF_THE_CLUSTER = "verified"
"""Mode of upstreams that must show a certificate of the cluster."""
_PLAIN = re.compile(r"[\x21-\x7e]*")
_PLAIN_TEXT = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An upstream. ``address``: IP:port or the name of a group; ``path`` goes before what remains of the request's path.

    ``strip`` counts the segments of the service's name to cut off together with ``/service`` (0: the path stays);
    ``location`` is the path under which browsers see the upstream, percent-encoded, for redirects that it sends.
    """

    address: str
    scheme: str = "http"
    path: str = ""
    strip: int = 0
    location: str = ""
    buffered: bool = True
    forwarded: bool = False
    """The next hop is another Admin Router: it shall not send the request on once more."""
    peer: str = ""
    """The service of the cluster that must be there, where its certificate is looked at."""

    @property
    def mode(self) -> str:
        """Which of nginx's locations takes it."""
        return OF_THE_CLUSTER if self.peer else "buffered" if self.buffered else "unbuffered"


@dataclass(frozen=True, slots=True)
class Refusal:
    """``text`` begins with the status' number, as upstream's texts do.

    ``passing``: nothing is known just now, so what nginx was told before is better than this.
    """

    text: str
    passing: bool = False

    @property
    def status(self) -> int:
        return int(self.text[:3])


@dataclass(frozen=True, slots=True)
class Longer:
    """The path's first segment alone names nothing: more of them shall be asked about."""


Decision = Target | Refusal | Longer


def headers(decision: Decision) -> dict[str, str]:
    """What the sub-request's answer carries.   Errors: ValueError (a value that no header may have)."""
    match decision:
        case Longer():
            values = {"X-Dcos-Mode": LONGER_MODE}
        case Refusal(text):
            values = {"X-Dcos-Upstream": DECISION_UPSTREAM, "X-Dcos-Scheme": "http", "X-Dcos-Strip": "0"}
            values |= {"X-Dcos-Mode": "buffered", ANSWER_HEADER: text}
        case Target():
            values = {
                "X-Dcos-Upstream": decision.address,
                "X-Dcos-Scheme": decision.scheme,
                "X-Dcos-Strip": str(decision.strip),
                "X-Dcos-Mode": decision.mode,
                "X-Dcos-Peer": decision.peer,
                "X-Dcos-Path": decision.path,
                "X-Dcos-Location": decision.location,
                "X-Dcos-Forward": "true" if decision.forwarded else "",
            }
    for name, value in values.items():
        if not (_PLAIN_TEXT if name == ANSWER_HEADER else _PLAIN).fullmatch(value):
            raise ValueError(f"{name}: not plain text")
    return {name: value for name, value in values.items() if value}


def said_answer(request_headers: Mapping[str, str]) -> Refusal | None:
    """The refusal that a request carries which was sent here to be refused."""
    text = request_headers.get(ANSWER_HEADER, "")
    return Refusal(text) if re.match(r"[45][0-9]{2} ", text) else None
