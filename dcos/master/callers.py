"""What agents' machines may ask a master where callers show certificates: to register, and to read.

Their services follow the state (dcos-net) and keep a link (the agent). With everything else a machine that was taken over could
reach beyond its own tasks. Services on masters may ask anything; who they are is checked before.
"""

from __future__ import annotations

import ipaddress

import msgspec
from aiohttp import web

from dcos.registry import NodeRole
from dcos.runtime.tls import Caller
from dcos.wire import agent_link
from dcos.wire.pid import pid_address

_CALLS = frozenset({"/api/v1", "/master/api/v1"})
_GET_THAT_ACTS = ("/logging", "profiler")


_EVERYBODYS = ("127.0.0.1", "::1")
"""Every certificate names them, and every machine calls itself so."""
_AGENTS = ("dcos-mesos-slave", "dcos-mesos-slave-public")


class _Call(msgspec.Struct, frozen=True):
    type: str = ""


async def admits(request: web.Request, caller: Caller) -> bool:
    """``request`` of whoever showed a certificate of the cluster."""
    if caller.unit == NodeRole.MASTER:
        return True
    if request.method in ("GET", "HEAD"):
        return not any(word in request.path for word in _GET_THAT_ACTS)
    if request.path == agent_link.PATH:
        return True
    if request.method != "POST" or request.path.rstrip("/") not in _CALLS or request.content_type != "application/json":
        return False
    return reads(await request.read())


def agent_problem(caller: Caller | None, pid: str) -> str | None:
    """Why who shows a certificate may not be the agent at ``pid`` (``slave(1)@ip:port``); None: it may, or showed none.

    One machine cannot take the place of another, nor of the master itself by an address that every machine calls its own.
    """
    if caller is None or caller.unit == NodeRole.MASTER:
        return None
    if caller.service not in _AGENTS:
        return f"the certificate is of {caller.service}, which is no agent"
    where = pid_address(pid)
    try:
        address = ipaddress.ip_address(where[0] if where is not None else "")
    except ValueError:
        return f"{pid}: no address"
    if str(address) in _EVERYBODYS or str(address) not in caller.addresses:
        return f"the certificate is not for {address}"
    return None


def reads(body: bytes) -> bool:
    """Whether a call of the operator API, as JSON, changes nothing."""
    try:
        kind = msgspec.json.decode(body, type=_Call).type
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return kind == "SUBSCRIBE" or kind.startswith("GET_")
