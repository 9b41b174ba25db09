"""systemd's part on nodes that are plain processes: start in table order, notice readiness, restart, stop in reverse.

    python3 -m dcos.install.local.supervise BASE CLUSTER

One process for all nodes of a cluster. A node is on while its folder has no file ``off``. States of a node's units stand in
``<DCOS_ROOT>/run/dcos/units.json``, written whenever one changes: unit id -> active_state, sub_state, load_state,
exec_main_status, description, pid, active_enter_timestamp.   Source of the words: systemd's unit properties.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from dcos.install import envfile
from dcos.install.local.spec import ClusterSpec, Folders, NodeSpec
from dcos.install.units import override, started_by_target
from dcos.model.layout import Layout
from dcos.registry import NodeRole, Service, services_on
from dcos.runtime.files import write_atomic
from dcos.runtime.settings import duration

POLL_S = 0.2
STOP_S = 15.0
ONESHOT_RETRY_S = 2.0


@dataclass(slots=True)
class UnitState:
    """One unit as ``systemctl show`` would tell it."""

    description: str
    load_state: str = "loaded"
    active_state: str = "inactive"
    sub_state: str = "dead"
    exec_main_status: int = 0
    pid: int = 0
    active_enter_timestamp: float = 0.0


def units_file(layout: Layout) -> Path:
    return layout.run / "units.json"


def log_folder(node: Path) -> Path:
    return node / "log"


def pid_file(folders: Folders) -> Path:
    return folders.cluster / "supervisor.pid"


def running(folders: Folders) -> int | None:
    """The supervisor's pid, if it lives."""
    try:
        pid = int(pid_file(folders).read_text())
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if b"dcos.install.local.supervise" in words and folders.name.encode() in words else None


def seconds(text: str) -> float:
    """A systemd time span of one unit (``5s``, ``1min``)."""
    for short, long in (("min", "mins"), ("s", "secs"), ("h", "hrs")):
        number = text.removesuffix(short)
        if number != text and number.replace(".", "").isdigit():
            return duration(number + long)
    return duration(text)


class Node:
    """The units of one node."""

    def __init__(self, node: NodeSpec, folder: Path, root: Path) -> None:
        self.node, self.folder = node, folder
        self.layout = Layout(root)
        self.rows = services_on(NodeRole(node.role))
        self.states: dict[str, UnitState] = {}
        self.hard = False

    @property
    def is_wanted(self) -> bool:
        return (self.layout.opt / "environment").exists() and not (self.folder / "off").exists()

    async def run(self) -> None:
        """Follow the ``off`` file for ever; ends when cancelled, after the services have ended."""
        while True:
            while not self.is_wanted:  # noqa: ASYNC110  # another process makes the file
                await asyncio.sleep(POLL_S)
            self.hard = False
            units = [asyncio.create_task(self._unit(row), name=row.name) for row in self.rows]
            try:
                while self.is_wanted:  # noqa: ASYNC110  # another process makes the file
                    await asyncio.sleep(POLL_S)
                self.hard = (self.folder / "off").exists() and (self.folder / "off").read_text().strip() == "hard"
            finally:
                for unit in reversed(units):
                    unit.cancel()
                await asyncio.gather(*units, return_exceptions=True)
                self._write()

    # --- one unit

    def _change(self, name: str, **fields: object) -> None:
        state = self.states[name]
        if fields.get("active_state") == "active" and state.active_state != "active":
            state.active_enter_timestamp = time.time()
        for key, value in fields.items():
            setattr(state, key, value)
        self._write()

    def _write(self) -> None:
        self.layout.run.mkdir(parents=True, exist_ok=True)
        data = {name: asdict(state) for name, state in self.states.items()}
        write_atomic(units_file(self.layout), json.dumps(data, indent=1) + "\n")

    def _environment(self, row: Service) -> dict[str, str]:
        variables = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "HOME", "TZ")}
        files = [self.layout.opt / "environment", override(row, self.layout)]
        if row.env_file:
            files.insert(1, self.layout.etc / row.env_file)
        for path in files:
            if path.exists():
                found = envfile.parse(path.read_text())
                if "PATH" in found:
                    found["PATH"] = f"{found['PATH']}:{variables.get('PATH', '')}"
                variables.update(found)
        return {**variables, "DCOS_ROOT": str(self.layout.root)}

    async def _unit(self, row: Service) -> None:
        service = f"{row.name}.service"
        self.states[service] = UnitState(f"{row.title}: {row.summary}")
        try:
            if row.timer:
                await self._timer(row, service)
            elif row.unit.startswith("oneshot"):
                while await self._once(row, service, stays=True) != 0:  # noqa: ASYNC110  # a pause between tries
                    await asyncio.sleep(ONESHOT_RETRY_S)
                await asyncio.Event().wait()
            else:
                await self._service(row, service)
        finally:
            for name in {service, started_by_target(row)}:
                state = self.states[name]
                state.active_state, state.sub_state, state.pid = "inactive", "dead", 0

    async def _timer(self, row: Service, service: str) -> None:
        timer = started_by_target(row)
        self.states[timer] = UnitState(f"{row.title} timer")
        self._change(timer, active_state="active", sub_state="waiting")
        spans = {key: seconds(value) for key, value in row.timer if key in ("OnBootSec", "OnUnitActiveSec")}
        await asyncio.sleep(spans.get("OnBootSec", 0.0))
        while True:
            await self._once(row, service, stays=False)
            await asyncio.sleep(spans.get("OnUnitActiveSec", 3600.0))

    async def _once(self, row: Service, service: str, *, stays: bool) -> int:
        async with self._started(row, service) as process:
            self._change(service, active_state="activating", sub_state="start", pid=process.pid)
            code = await process.wait()
        if code == 0:
            done = (
                {"active_state": "active", "sub_state": "exited"}
                if stays
                else {"active_state": "inactive", "sub_state": "dead"}
            )
        else:
            done = {"active_state": "failed", "sub_state": "failed"}
        self._change(service, pid=0, exec_main_status=code, **done)
        return code

    async def _service(self, row: Service, service: str) -> None:
        while True:
            async with self._notifications() as (address, messages), self._started(row, service, address) as process:
                self._change(service, active_state="activating", sub_state="start", pid=process.pid)
                watcher = asyncio.create_task(self._watch(service, messages))
                try:
                    code = await process.wait()
                finally:
                    watcher.cancel()
            self._change(service, active_state="activating", sub_state="auto-restart", pid=0, exec_main_status=code)
            await asyncio.sleep(row.restart_s)

    async def _watch(self, service: str, messages: asyncio.Queue[str]) -> None:
        while True:
            if "READY=1" in (await messages.get()).splitlines():
                self._change(service, active_state="active", sub_state="running")

    @asynccontextmanager
    async def _notifications(self) -> AsyncIterator[tuple[str, asyncio.Queue[str]]]:
        """An abstract socket for sd_notify: it needs no file and no short path."""
        messages: asyncio.Queue[str] = asyncio.Queue()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
            receiver.bind(f"\0dcos-local/{os.getpid()}/{id(receiver)}")
            loop = asyncio.get_running_loop()
            loop.add_reader(receiver, lambda: messages.put_nowait(receiver.recv(4096).decode(errors="replace")))
            try:
                yield "@" + receiver.getsockname()[1:].decode(), messages
            finally:
                loop.remove_reader(receiver)

    @asynccontextmanager
    async def _started(self, row: Service, service: str, notify: str = "") -> AsyncIterator[asyncio.subprocess.Process]:
        """The unit's process; leaving the block ends it and what it started in its session."""
        folder = log_folder(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        command = [str(self.layout.bin / row.command[0]), *row.command[1:]]
        variables = self._environment(row)
        if notify:
            variables["NOTIFY_SOCKET"] = notify
        with (folder / f"{row.name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=variables,
                cwd=self.layout.root,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            await self._end(process, row)

    async def _end(self, process: asyncio.subprocess.Process, row: Service) -> None:
        if process.returncode is None and not self.hard:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(process.wait()), STOP_S)
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if row.unit != "agent.service.in":  # what an agent started are tasks: they live on
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


async def supervise(folders: Folders) -> None:
    """Run every node of the cluster until asked to stop."""
    spec = msgspec.json.decode(folders.spec.read_bytes(), type=ClusterSpec)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    uid = os.geteuid()
    made = [Node(node, folders.node(node.name), folders.root(node.name, uid)) for node in spec.nodes]
    nodes = [asyncio.create_task(node.run(), name=node.node.name) for node in made]
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([stop, *nodes], return_when=asyncio.FIRST_COMPLETED)
    for task in (*nodes, stop):
        task.cancel()
    for name, result in zip(spec.nodes, await asyncio.gather(*nodes, return_exceptions=True), strict=True):
        if isinstance(result, Exception):
            print(f"{name.name}: {result!r}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    base, name = argv
    folders = Folders(Path(base), name)
    path = pid_file(folders)
    with path.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0  # nodes that start at the same moment each ask for the one supervisor
        path.write_text(f"{os.getpid()}\n")
        try:
            asyncio.run(supervise(folders))
        finally:
            path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
