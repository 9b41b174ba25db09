"""The cluster's identity: agreed through ZooKeeper at ``/cluster-id``, kept on every node in ``/var/lib/dcos/cluster-id``.

The first node to come proposes; creation decides. A node that knows the id brings it back should ZooKeeper have lost it.
Source: DC/OS ``packages/bootstrap`` (``cluster_id``): same path, same file, uuid and line break.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path

from dcos.runtime.files import write_if_changed
from dcos.store import zookeeper
from dcos.store.base import BadVersion, Disconnected, NodeExists, NoNode, SessionLost, Store
from dcos.store.url import ZkUrl

PATH = "/cluster-id"
RETRY_S = 1.0


def valid(text: str) -> str:
    """The id in its one form; empty for anything that is none."""
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        return ""


async def agree(store: Store, known: str, propose: Callable[[], str]) -> str:
    """What the cluster calls itself: ZooKeeper's word, else what this node knows, else a new id."""
    while True:
        node = await store.get(PATH)
        if node is not None and (decided := valid(node.data.decode(errors="replace"))):
            return decided
        proposal = known or propose()
        with contextlib.suppress(NodeExists, NoNode, BadVersion):  # somebody was faster: look again
            if node is None:
                await store.create(PATH, proposal.encode())
            else:
                await store.set(PATH, proposal.encode(), version=node.version)


async def establish(servers: tuple[str, ...], file: Path) -> str:
    """Agree with the other nodes, however long ZooKeeper takes to come, and write the file."""
    known = valid(file.read_text()) if file.exists() else ""
    while True:
        try:
            store = await zookeeper.connect(servers)
            try:
                decided = await agree(store, known, lambda: str(uuid.uuid4()))
            finally:
                await store.close()
            write_if_changed(file, decided + "\n")
            return decided
        except (Disconnected, SessionLost):
            await asyncio.sleep(RETRY_S)


def servers_of(url: str) -> tuple[str, ...]:
    """Errors: ValueError for what is no ZooKeeper URL."""
    return ZkUrl.parse(url).hosts
