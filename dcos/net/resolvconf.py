"""``dcos-net gen-resolvconf``: /etc/resolv.conf with the forwarders that answer.

Each of 198.51.100.1-3 that answers for ``ready.spartan`` becomes a name server; if none does, up to three of the configured
resolvers in random order, so that a node without a forwarder still finds its way. Written only if it changes.
Source: 5.4 of the cluster facts.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from dcos.model.layout import Layout
from dcos.net.config import PREFIX, Config
from dcos.net.watchdog import answers
from dcos.runtime import log
from dcos.runtime.dns import Server
from dcos.runtime.files import write_atomic
from dcos.runtime.settings import load_or_exit

MAX_SERVERS = 3
"""More are ignored by the C library."""
_PAUSE_S = 0.5

_log = log.get_logger("gen_resolvconf")


def text(search: str, servers: Sequence[str]) -> str:
    """The file."""
    lines = ["# Made by dcos-net gen-resolvconf; changes are overwritten.", "options timeout:1", "options attempts:3"]
    if search:
        lines.append(f"search {search}")
    return "\n".join([*lines, *(f"nameserver {server}" for server in servers)]) + "\n"


async def answering(forwarders: Sequence[Server]) -> list[str]:
    """Those that answer for ``ready.spartan``."""

    good = await asyncio.gather(*map(answers, forwarders))
    return [server.host for server, ok in zip(forwarders, good, strict=True) if ok]


def fallback(resolvers: Sequence[Server], rng: random.Random) -> list[str]:
    """Up to three of the resolvers on port 53 (the file cannot say another)."""
    usable = [server.host for server in resolvers if server.port == 53]
    rng.shuffle(usable)
    return usable[:MAX_SERVERS]


def write(path: Path, content: str) -> bool:
    """By rename; in place where the file is a mount (as in containers); tells whether it changed."""
    if path.is_symlink():
        path.unlink()  # into /run/systemd/resolve or the like: what is there belongs to somebody else
    elif path.exists() and path.read_text() == content:
        return False
    try:
        write_atomic(path, content)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        path.write_text(content)  # a mount point cannot be replaced
    return True


async def _patiently(forwarders: Sequence[Server], wait_s: float) -> list[str]:
    """As ``answering``, but at boot the forwarder may be a moment behind: the next run is a minute away."""
    for _ in range(max(1, round(wait_s / _PAUSE_S)) if forwarders else 0):
        if found := await answering(forwarders):
            return found
        await asyncio.sleep(_PAUSE_S)
    return []


async def _generate(config: Config, path: Path) -> int:
    forwarders = [Server(host, port) for host, port in config.dns_bind if port == 53][:MAX_SERVERS]
    servers = await _patiently(forwarders, config.resolvconf_wait) or fallback(config.resolvers, random.Random())
    if not servers:
        _log.warning("left_alone", reason="no forwarder answers and there are no resolvers")
        return 0
    if write(path, text(config.search, servers)):
        _log.info("written", path=str(path), servers=",".join(servers))
    return 0


def main(argv: Sequence[str]) -> int:
    config = load_or_exit(Config, argv, os.environ, prefix=PREFIX, prog="dcos-net gen-resolvconf")
    log.configure(os.environ.get("DCOS_LOG_LEVEL", "INFO"))
    try:
        return asyncio.run(_generate(config, Layout.from_environ(os.environ).resolv_conf))
    except OSError as error:
        print(f"dcos-net gen-resolvconf: {error}", file=sys.stderr)
        return 1
