"""SAML requests that were answered, in ZooKeeper, so that no answer lets anybody in twice, whichever master it is brought to.

A node ``/saml-answered/<end>-<digest>`` per login, made only for answers that are good in everything else; whoever makes one
takes away those that ended long ago.
"""

from __future__ import annotations

import hashlib

from dcos.iam.core.saml import Flow
from dcos.store.base import NodeExists, NoNode, Store

PATH = "/saml-answered"
_KEPT_S = 3600
"""Beyond the end of a login: more than masters' clocks are apart."""


async def first_answer(store: Store, flow: Flow, now: float) -> bool:
    """Whether this login was not finished before; it is from now on."""
    digest = hashlib.sha256(f"{flow.provider} {flow.request}".encode()).hexdigest()
    try:
        await store.create(f"{PATH}/{int(flow.until)}-{digest}", b"", parents=True)
    except NodeExists:
        return False
    for name in await store.children(PATH) or ():
        end = name.partition("-")[0]
        if end.isdecimal() and int(end) + _KEPT_S < now:
            try:
                await store.delete(f"{PATH}/{name}")
            except NoNode:
                continue
    return True
