"""Who comes in: agents get a link at once, everybody else is HTTP's.

A connection whose first request opens an agent's link, in the plain form in which agents ask, and that the master can take now
becomes a ``DirectLink``. All others, and all that is unusual about an agent's request, go to the HTTP server, which answers as
the reference page has it (``AgentsApi``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, cast

from dcos.master.api_agents import AgentsApi
from dcos.master.direct_link import DirectLink, Reception
from dcos.runtime.tls import caller
from dcos.wire import agent_link

_REQUEST: Final = f"POST {agent_link.PATH} HTTP/1.1\r\n".encode()
_MAX_HEAD: Final = 8192
_KNOWN: Final = frozenset(
    {
        "host",
        "content-type",
        "transfer-encoding",
        "authorization",
        "accept",
        "accept-encoding",
        "user-agent",
        "connection",
    }
)
Serve = Callable[[], asyncio.BaseProtocol]


class Door(asyncio.Protocol):
    """A connection of which it is not known yet what it wants."""

    def __init__(self, agents: AgentsApi, reception: Reception, serve: Serve) -> None:
        """``serve``: makes the HTTP server's end of a connection."""
        self._agents = agents
        self._reception = reception
        self._serve = serve
        self._came = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        if not self._came.startswith(_REQUEST[: len(self._came)]):
            self._hand_over()
            return
        head, end, rest = self._came.partition(b"\r\n\r\n")
        if not end:
            if len(head) > _MAX_HEAD:
                self._hand_over()
            return
        fields = _fields(head)
        problem = self._agents.admit(fields, caller(self._transport)) if fields is not None else None
        if problem is None:
            self._hand_over()
            return
        link = DirectLink(self._reception, self._transport, problem)
        self._transport.set_protocol(link)
        link.begin(rest)

    def _hand_over(self) -> None:
        server = cast("asyncio.Protocol", self._serve())
        self._transport.set_protocol(server)
        server.connection_made(self._transport)
        server.data_received(self._came)


def _fields(head: bytes) -> Mapping[str, str] | None:
    """The request's fields by their names in lower case; None unless it is as agents write it."""
    if not head.startswith(_REQUEST):
        return None
    out: dict[str, str] = {}
    for line in head[len(_REQUEST) :].split(b"\r\n"):
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.lower()
        if not colon or name not in _KNOWN or name in out:
            return None
        out[name] = value.strip()
    plain = out.get("transfer-encoding", "").lower() == "chunked" and "host" in out
    return out if plain and out.get("connection", "keep-alive").lower() == "keep-alive" else None
