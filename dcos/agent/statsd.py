"""Where a container's programs may tell their metrics: dcos-telegraf gives each a port of its own.

Source: the environment of tasks in DC/OS (``STATSD_UDP_HOST``, ``STATSD_UDP_PORT``), which its metrics module for Mesos sets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from dcos.runtime import http
from dcos.runtime.log import Logger

_ANSWER_S = 2.0


class _Port(msgspec.Struct, frozen=True):
    statsd_host: str
    statsd_port: int


@dataclass(slots=True)
class StatsdPorts:
    """``socket``: dcos-telegraf's."""

    socket: Path
    log: Logger

    async def variables(self, run_id: str) -> dict[str, str]:
        """Of an executor's container. Nobody waits for metrics: without an answer there are none."""
        if not self.socket.exists():
            return {}
        try:
            async with (
                http.session(unix=self.socket, timeout_s=_ANSWER_S) as session,
                session.post("http://telegraf/container", json={"container_id": run_id}) as answer,
            ):
                answer.raise_for_status()
                found = msgspec.json.decode(await answer.read(), type=_Port)
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.MsgspecError) as error:
            self.log.warning("no_statsd_port", container=run_id, error=str(error) or type(error).__name__)
            return {}
        return {"STATSD_UDP_HOST": found.statsd_host, "STATSD_UDP_PORT": str(found.statsd_port)}
