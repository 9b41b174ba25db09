"""Isolator ``network/ports``: which TCP ports tasks in the machine's own network listen on, and an end to those not given.

A task may listen on its ports; one of a group on those of all its executor's tasks. Containers with a network of their own
are not looked at.   Source: Mesos docs/isolators/network-ports.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from dcos.agent import netns
from dcos.agent.containerizer import processes
from dcos.agent.core.agent import AgentCore
from dcos.agent.core.events import ContainerLimited, Event
from dcos.agent.core.state import ExecutorRun, Phase
from dcos.model.v1.types import Resource, TaskStatusReason, ValueRange, ValueRanges, ValueType
from dcos.runtime.clock import Clock
from dcos.runtime.log import Logger

_PROC = Path("/proc")
_LISTEN = "0A"
Ranges = tuple[tuple[int, int], ...]


class PortUsage:
    """``total``: the agent's own port ranges, where only those are watched; None: all ports are."""

    def __init__(
        self,
        core: AgentCore,
        *,
        post: Callable[[Event], None],
        interval_s: float,
        enforce: bool,
        total: Callable[[], Ranges] | None,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._core = core
        self._post = post
        self._interval_s = interval_s
        self._enforce = enforce
        self._total = total
        self._clock = clock
        self._log = log

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            self.look()

    def look(self) -> None:
        """Compare what every container listens on with what it was given."""
        watched = list(self._watched())
        if not watched:
            return
        listening, seen = listeners(), processes.look()
        for container_id, pid, allowed in watched:
            ports = {listening[one] for one in sockets(seen.tree(pid)) if one in listening}
            extra = sorted(port for port in ports if not within(port, allowed) and self._counts(port))
            if not extra:
                continue
            self._log.warning("ports_not_given", container=container_id, ports=extra)
            if self._enforce:
                text = ", ".join(f"{begin}-{end}" for begin, end in grouped(extra))
                self._post(
                    ContainerLimited(
                        container_id,
                        f"Container is listening on unallocated port(s): [{text}]",
                        TaskStatusReason.REASON_CONTAINER_LIMITATION,
                        (_ports(extra),),
                        self._clock.now(),
                    )
                )

    def _counts(self, port: int) -> bool:
        return self._total is None or within(port, self._total())

    def _watched(self) -> Iterator[tuple[str, int, Ranges]]:
        """Containers of the machine's network: main process and ports given."""
        for container_id, pid, executor in self._running():
            if pid is not None and not netns.is_elsewhere(pid):
                yield container_id, pid, given(executor)

    def _running(self) -> Iterator[tuple[str, int | None, ExecutorRun]]:
        for _, executor, task in self._core.runs():
            if executor.life is None and task.phase is Phase.RUNNING:
                yield task.container_id, task.pid, executor
        for container_id in self._core.custom_containers():
            found = self._core.find_executor(container_id)
            if found is not None and found.life is not None:
                yield container_id, found.life.pid, found


def given(executor: ExecutorRun) -> Ranges:
    """Ports of an executor and of its tasks that have not ended."""
    return tuple(executor.used().ranges("ports"))


def within(port: int, ranges: Iterable[tuple[int, int]]) -> bool:
    return any(begin <= port <= end for begin, end in ranges)


def listeners(tables: Iterable[Path] = (_PROC / "net/tcp", _PROC / "net/tcp6")) -> Mapping[int, int]:
    """TCP ports that are listened on in our network, by the socket's inode."""
    found = {}
    for table in tables:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                words = line.split()
                if len(words) > 9 and words[3] == _LISTEN:
                    found[int(words[9])] = int(words[1].rpartition(":")[2], 16)
    return found


def sockets(pids: Iterable[int]) -> Iterator[int]:
    """Inodes of the sockets that processes have open."""
    for pid in pids:
        with contextlib.suppress(OSError):
            for entry in os.scandir(_PROC / str(pid) / "fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(entry.path)
                    if target.startswith("socket:["):
                        yield int(target[8:-1])


def grouped(ports: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted ``ports`` as ranges."""
    out: list[tuple[int, int]] = []
    for port in ports:
        if out and out[-1][1] == port - 1:
            out[-1] = (out[-1][0], port)
        else:
            out.append((port, port))
    return out


def _ports(ports: Iterable[int]) -> Resource:
    ranges = tuple(ValueRange(begin=begin, end=end) for begin, end in grouped(ports))
    return Resource(name="ports", type=ValueType.RANGES, ranges=ValueRanges(range=ranges), role="*")
