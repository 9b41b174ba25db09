"""systemd's part on nodes that are plain processes: start in table order, notice readiness, restart, stop in reverse.

    python3 -m dcos.install.local.supervise BASE CLUSTER

One process for all nodes of a cluster. A node is on while its folder has no file ``off``. States of a node's units stand in
``<DCOS_ROOT>/run/dcos/units.json``, written whenever one changes: unit id -> active_state, sub_state, load_state,
exec_main_status, description, pid, active_enter_timestamp.   Source of the words: systemd's unit properties.

Every process is on disk (``<node>/processes.json``: unit -> mark) before it begins. Should the supervisor be killed, its services
run on; the next one ends them by these marks before it starts its own. Tasks, which an agent started, are never touched.
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
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from dcos.install.local.spec import ClusterSpec, Folders, NodeSpec
from dcos.install.prereqs import SEARCH_PATH
from dcos.install.units import override, started_by_target
from dcos.model.layout import Layout
from dcos.registry import NodeRole, Service, services_on
from dcos.runtime import pids
from dcos.runtime.files import write_atomic
from dcos.runtime.pids import Mark
from dcos.runtime.settings import duration
from dcos.wire import envfile

POLL_S = 0.2
STOP_S = 15.0
ONESHOT_RETRY_S = 2.0
AGENT_UNIT = "agent.service.in"
LAST = "dcos-exhibitor"  # holds the sessions of all others: whoever can still say goodbye is not waited for at the next start
# Waits until it is told that its mark is on disk; at the end of the pipe the supervisor is gone, and so is the reason to begin.
GATE = 'read -r _ || exit 75; exec "$@" </dev/null'


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
    return pids.living(pid_file(folders))


def marks_file(node: Path) -> Path:
    return node / "processes.json"


def recorded(node: Path) -> dict[str, Mark]:
    """The processes of a node's services, living or not."""
    try:
        return msgspec.json.decode(marks_file(node).read_bytes(), type=dict[str, Mark])
    except (OSError, msgspec.MsgspecError):
        return {}


def left_running(node: Path) -> list[str]:
    """Services of a node that run, whether or not anybody supervises them."""
    return sorted(name for name, mark in recorded(node).items() if pids.lives(mark))


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
        self.marks: dict[str, Mark] = {}
        self.hard = False

    @property
    def is_wanted(self) -> bool:
        return (self.layout.opt / "environment").exists() and not (self.folder / "off").exists()

    async def run(self) -> None:
        """Follow the ``off`` file for ever; ends when cancelled, after the services have ended."""
        await self.take_over()
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
                for wave in (False, True):
                    ending = [unit for unit in units if (unit.get_name() == LAST) is wave]
                    for unit in ending:
                        unit.cancel()
                    await asyncio.gather(*ending, return_exceptions=True)
                self._write()

    # --- what an earlier supervisor left

    def forget_states(self) -> None:
        """What the file says is not so any more: nothing is supervised yet."""
        if self.layout.run.is_dir():
            self._write()

    async def take_over(self) -> None:
        """End the services that lost their supervisor."""
        left = recorded(self.folder)
        spared = {row.name for row in self.rows if row.unit == AGENT_UNIT}
        for wave in (False, True):
            ending = {name: mark for name, mark in left.items() if (name == LAST) is wave}
            await asyncio.gather(*(_end_left(mark, self.layout.root, name in spared) for name, mark in ending.items()))
        self._write_marks()

    def _write_marks(self) -> None:
        write_atomic(marks_file(self.folder), msgspec.json.encode(self.marks))

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
                if "PATH" in found:  # and where only root's own path would lead
                    found["PATH"] = ":".join((found["PATH"], variables.get("PATH", ""), *SEARCH_PATH))
                variables.update(found)
        return {**variables, "DCOS_ROOT": str(self.layout.root)}

    async def _unit(self, row: Service) -> None:
        service = f"{row.name}.service"
        self.states[service] = UnitState(f"{row.title}: {row.summary}")
        if row.sockets:  # the service makes them itself here
            self.states[f"{row.name}.socket"] = UnitState(
                f"{row.title} socket", active_state="active", sub_state="running", active_enter_timestamp=time.time()
            )
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
            for name in {service, started_by_target(row), f"{row.name}.socket"} & self.states.keys():
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
                *("/bin/sh", "-c", GATE, row.name, *command),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=variables,
                cwd=self.layout.root,
                start_new_session=True,
            )
        try:
            if mark := pids.mark(process.pid):
                self.marks[row.name] = mark
                self._write_marks()
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.write(b"\n")
                process.stdin.close()
            yield process
        finally:
            await self._end(process, row)
            self.marks.pop(row.name, None)
            self._write_marks()

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
        if row.unit != AGENT_UNIT:  # what an agent started are tasks: they live on
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


async def _end_left(mark: Mark, root: Path, spare_group: bool) -> None:
    """End a process that is not our child, by its mark, then what is left of its group; ``spare_group``: those are tasks."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + STOP_S
        if pids.lives(mark):
            with suppress(ProcessLookupError):
                os.kill(mark.pid, number)
        while pids.lives(mark) and time.monotonic() < deadline:  # noqa: ASYNC110  # the kernel tells only parents
            await asyncio.sleep(0.05)
    if not spare_group:
        for pid in _group(mark.pid, root):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _group(leader: int, root: Path) -> list[int]:
    """Members of a process group that work below ``root``: the number alone may be somebody else's by now."""
    top = os.path.realpath(root)
    found = []
    for pid in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        try:
            place = os.readlink(f"/proc/{pid}/cwd")
            if os.getpgid(pid) == leader and (place == top or place.startswith(f"{top}/")):
                found.append(pid)
        except OSError:
            continue
    return found


def plan_nodes(folders: Folders) -> list[Node]:
    spec = msgspec.json.decode(folders.spec.read_bytes(), type=ClusterSpec)
    uid = os.geteuid()
    return [Node(node, folders.node(node.name), folders.root(node.name, uid)) for node in spec.nodes]


async def supervise(made: list[Node]) -> None:
    """Run every node of the cluster until asked to stop."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    nodes = [asyncio.create_task(node.run(), name=node.node.name) for node in made]
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait([stop, *nodes], return_when=asyncio.FIRST_COMPLETED)
    for task in (*nodes, stop):
        task.cancel()
    for node, result in zip(made, await asyncio.gather(*nodes, return_exceptions=True), strict=True):
        if isinstance(result, Exception):
            print(f"{node.node.name}: {result!r}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    base, name = argv
    folders = Folders(Path(base), name)
    with only_one(folders) as alone:
        if not alone:
            return 0  # nodes that start at the same moment each ask for the one supervisor
        made = plan_nodes(folders)
        for node in made:
            node.forget_states()
        path = pid_file(folders)
        pids.leave_own(path)
        try:
            asyncio.run(supervise(made))
        finally:
            path.unlink(missing_ok=True)
    return 0


@contextmanager
def only_one(folders: Folders) -> Iterator[bool]:
    """Whether no other supervisor of the cluster lives, and none can begin meanwhile."""
    with pid_file(folders).with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        yield alone


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
