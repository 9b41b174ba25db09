"""A forwarder that no longer answers is started again.

It asks itself for ``ready.spartan`` as any client would, one of its addresses after another; while the answers come, systemd
hears so (``WatchdogSec`` of the unit). Without them, or when the loop stands still, systemd ends the process and starts it anew.
By UDP only: whoever takes all connections of TCP must not get the service started anew for everybody.
Source: upstream's dcos-net-watchdog, which restarts dcos-net when ``ready.spartan`` does not resolve.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Sequence

from dcos.runtime.dns import NoAnswer, Server, ask
from dcos.runtime.log import get_logger
from dcos.runtime.notify import notify
from dcos.wire import dns

_TIMEOUT_S = 2.0
_log = get_logger("watchdog")


def interval_s() -> float | None:
    """How often systemd wants to hear: a third of what it waits; None: it does not wait."""
    text = os.environ.get("WATCHDOG_USEC", "")
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # another process is meant
    return int(text) / 3e6 if text.isdigit() and int(text) > 0 else None


async def answers(server: Server) -> bool:
    try:
        reply = await ask(server, dns.make_query(0, "ready.spartan", dns.A), timeout_s=_TIMEOUT_S)
    except NoAnswer:
        return False
    return dns.rcode_of(reply) == dns.NOERROR


async def watch(servers: Sequence[Server], every_s: float, *, check: bool) -> None:
    """For ever. ``check`` False: only tell that the loop runs."""
    for server in itertools.cycle(servers):
        if not check or await answers(server):
            notify("WATCHDOG=1")
        else:
            _log.warning("does_not_answer", server=str(server))
        await asyncio.sleep(every_s)
