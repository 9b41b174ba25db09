"""Driver ``nspawn``: every node is a systemd-nspawn machine with real systemd as its PID 1, on a private bridge."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dcos import registry
from dcos.install import units
from dcos.install.command import CommandFailed, run, succeeds
from dcos.install.genconf import Served, generate
from dcos.install.local import cgroups, image, machine, network
from dcos.install.local.driver import OFF, ON, NodeTrouble
from dcos.install.local.resources import agent_service, share_of_this_machine
from dcos.install.local.spec import ClusterSpec, Folders, NodeSpec
from dcos.install.serve import serving
from dcos.model.layout import Layout
from dcos.runtime import pids
from dcos.wire import envfile

NODE_PATH = "/opt/mesosphere/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOTSTRAP_PORT = 61099  # only on the bridge's own address, only while nodes are installed
HOST_TOOLS = ("systemd-nspawn", "mmdebstrap", "ip", "nft", "nsenter", "mount", "cp")


def obstacle(base: Path) -> str:
    """Why this machine cannot boot nodes; empty when it can."""
    if os.geteuid() != 0:
        return "only root can boot nodes"
    if not succeeds(["unshare", "--mount", "--net", "true"]):
        return "this machine allows no new namespaces"
    missing = [tool for tool in HOST_TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    probe = f"dcos-probe-{os.getpid()}"
    try:
        run(["ip", "netns", "add", probe])
    except CommandFailed:
        return "network namespaces cannot be made here"
    run(["ip", "netns", "delete", probe])
    trial = base / probe
    parts = {part: trial / part for part in ("lower", "upper", "work", "root")}
    try:
        for path in parts.values():
            path.mkdir(parents=True)
        options = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
        if not succeeds(["mount", "-t", "overlay", "-o", options, "overlay", str(parts["root"])]):
            return f"overlay file systems cannot be mounted on {base}"
        run(["umount", str(parts["root"])])
        try:
            cgroups.remove(cgroups.make_children(probe))
        except OSError as trouble:
            return f"control groups cannot be made here ({trouble})"
    finally:
        shutil.rmtree(trial, ignore_errors=True)
    return ""


def host_has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


class NspawnDriver:
    """Boots, stops, enters and removes the nodes of one cluster."""

    name = "nspawn"

    def __init__(self, folders: Folders, spec: ClusterSpec) -> None:
        self.folders, self.spec = folders, spec

    # --- what is made once

    def prepare(self) -> None:
        """The image and the bridge."""
        path = image.build(self.folders.base)
        pinned = self.folders.cluster / "image"
        if not pinned.exists():
            pinned.write_text(f"{path}\n")
        network.make_bridge(self.spec)

    def destroy(self) -> None:
        """Remove whatever of the cluster is found, after a crash too: processes, mounts, namespaces, groups, trees."""
        units = {node.name: self._unit(node.name) for node in self.spec.nodes}
        for node in self.spec.nodes:
            self._signal_supervisor(node.name, signal.SIGTERM)
        _within(20, lambda: not any(self._supervisor(node.name) for node in self.spec.nodes))
        for node in self.spec.nodes:
            groups = self._groups(node.name)
            self._signal_supervisor(node.name, signal.SIGKILL)
            if host_has_systemd():
                succeeds(["systemctl", "stop", units[node.name]])
            for _ in range(50):
                left = cgroups.processes(groups)
                if not left:
                    break
                for pid in left:
                    _kill(pid, signal.SIGKILL)
                time.sleep(0.1)
            cgroups.remove(groups)
            folder = self.folders.node(node.name)
            for point in _mounts_below(folder):
                succeeds(["umount", point]) or run(["umount", "--lazy", point])
        network.remove_all(self.spec)
        with ThreadPoolExecutor(max_workers=8) as pool:  # thousands of files each; the disk is what is waited for
            pool.map(lambda node: shutil.rmtree(self.folders.node(node.name), ignore_errors=True), self.spec.nodes)

    def bootstrap_url(self) -> str:
        return f"http://{self.spec.host_ip}:{BOOTSTRAP_PORT}"

    def configure(self, config: Path, say: Callable[[str], None]) -> Served:
        return generate(config, config.parent, say=say)

    # --- one node

    def start(self, node: NodeSpec) -> None:
        """Boot a node and wait until systemd says that it is up. Errors: NodeTrouble."""
        folder = self.folders.node(node.name)
        machine.prepare_tree(folder, self.spec, node, Path((self.folders.cluster / "image").read_text().strip()))
        network.make_bridge(self.spec)
        if self._supervisor(node.name) is None:
            if self.state(node) not in (ON, OFF):
                self.stop(node)
            self._launch(node)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            if self._leader(node.name) is not None:
                state = self._system_state(node)
                if state in ("running", "degraded"):
                    return
            elif self._supervisor(node.name) is None and not self._starting(node.name):
                break
            time.sleep(0.1)
        raise NodeTrouble(f"{node.name} did not boot:\n{self.tail(node, 30)}")

    def stop(self, node: NodeSpec, *, hard: bool = False) -> None:
        """Power a node off; ``hard`` is pulling the plug: every process is killed at once."""
        supervisor = self._supervisor(node.name)
        groups = self._groups(node.name)
        if supervisor is not None and not hard:
            _kill(supervisor, signal.SIGTERM)
            if not _within(100, lambda: self._supervisor(node.name) is None):
                raise NodeTrouble(f"{node.name} did not power off within 100 s:\n{self.tail(node, 30)}")
            return
        if supervisor is not None:
            _kill(supervisor, signal.SIGKILL)
        elif not hard and (leader := self._leader(node.name)) is not None:
            # Its supervisor was killed: systemd itself is asked.
            _kill(leader, signal.SIGRTMIN + 4)
            _within(60, lambda: not cgroups.processes(groups))
        while left := cgroups.processes(groups):
            for pid in left:
                _kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        cgroups.remove(groups)
        (self.folders.node(node.name) / "machine.pid").unlink(missing_ok=True)
        network.remove_node_link(self.spec, node)

    def state(self, node: NodeSpec) -> str:
        if self._leader(node.name) is None:
            return OFF
        if self._supervisor(node.name) is None and not self._starting(node.name):
            return f"on, but its supervisor is gone; `dcos-install local up --cluster={self.spec.name}` boots it anew"
        return ON

    def enter(self, node: NodeSpec, argv: Sequence[str]) -> list[str]:
        """The command that runs ``argv`` inside the node. Errors: NodeTrouble when it is off."""
        leader = self._leader(node.name)
        if leader is None:
            raise NodeTrouble(f"{node.name} is off; `dcos-install local start {node.name}` boots it")
        # In the node's own groups, or its limits would not hold and a later `down` would not find the command.
        joins = "".join(
            f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))} && " for group in cgroups.groups_of(leader).values()
        )
        variables = [f"PATH={NODE_PATH}", "HOME=/root", "LANG=C.UTF-8", f"TERM={os.environ.get('TERM', 'dumb')}"]
        inner = ["nsenter", f"--target={leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        inner += ["env", "-i", "-C", "/root", *variables, *argv]
        return ["/bin/sh", "-c", f"{joins}exec {shlex.join(inner)}"]

    def journal(self, node: NodeSpec, unit: str, *, lines: int, follow: bool = False) -> list[str]:
        """The command that shows a node's journal."""
        options = ["--no-pager", f"--lines={lines}", *(["--follow"] if follow else [])]
        return self.enter(node, ["journalctl", *options, *([f"--unit={unit}"] if unit else [])])

    def tail(self, node: NodeSpec, lines: int) -> str:
        """The last lines a node said: its journal, or its console when it is off."""
        try:
            return run(self.journal(node, "", lines=lines), timeout_s=20)
        except (NodeTrouble, CommandFailed):
            console = self.folders.node(node.name) / "console.log"
            text = console.read_text(errors="replace") if console.exists() else "(no console output)"
            return "\n".join(text.splitlines()[-lines:])

    def memory_bytes(self, node: NodeSpec) -> int | None:
        return cgroups.memory_bytes(self._groups(node.name))

    def url(self, node: NodeSpec, service: str, port: str = "http") -> str:
        number = registry.port_of(service, port)
        if service == "dcos-adminrouter" and port == "http" and self.spec.security == "strict":
            return f"https://{node.ip}"  # all that port 80 does then is to lead there
        return f"http://{node.ip}" if number == 80 else f"http://{node.ip}:{number}"

    # --- what runs on it

    def is_installed(self, node: NodeSpec) -> str:
        # Read from outside: the same file whether the node is on or off.
        for layer in ("root", "upper"):
            path = self.folders.node(node.name) / layer / "opt/mesosphere/etc/dcos-version.json"
            real = path.parent.parent / "active/dcos-config/etc/dcos-version.json"
            for candidate in (path, real):
                if candidate.is_file():
                    return str(json.loads(candidate.read_text())["bootstrap-id"])
        return ""

    def install(self, nodes: Sequence[NodeSpec], served: Served) -> None:
        """The way of every installation: fetch dcos_install.sh from the bootstrap server and run it."""
        with serving(served.folder, self.spec.host_ip, BOOTSTRAP_PORT), ThreadPoolExecutor(max_workers=8) as pool:
            for future in [pool.submit(self._install_one, node) for node in nodes]:
                future.result()

    def _install_one(self, node: NodeSpec) -> None:
        overrides = share_of_this_machine(self.spec, node, self.folders.base)
        script = "set -e; "
        if overrides:
            path = units.override(registry.service(agent_service(node)), Layout())
            script += f"mkdir -p {path.parent}; cat > {path}; "
        script += f"curl -fsS {self.bootstrap_url()}/dcos_install.sh -o dcos_install.sh; exec bash dcos_install.sh {node.role}"
        try:
            run(self.enter(node, ["bash", "-c", script]), input_text=envfile.render(overrides), timeout_s=300)
        except CommandFailed as trouble:
            raise NodeTrouble(f"{node.name} could not be installed:\n{trouble.output}") from trouble

    def reconfigure(self, node: NodeSpec, served: Served) -> str:
        """The way of every node: fetch the new dcos_install.sh and run it; then wait until systemd has nothing more to do."""
        script = f"set -e; curl -fsS {self.bootstrap_url()}/dcos_install.sh -o dcos_install.sh; "
        script += f"bash dcos_install.sh --reconfigure {node.role}; "
        script += 'while [ -n "$(systemctl list-jobs --no-legend)" ]; do sleep 0.5; done'
        with serving(served.folder, self.spec.host_ip, BOOTSTRAP_PORT):
            try:
                return run(self.enter(node, ["bash", "-c", script]), timeout_s=600).strip()
            except CommandFailed as trouble:
                raise NodeTrouble(f"{node.name} could not be reconfigured:\n{trouble.output}") from trouble

    def units(self, node: NodeSpec) -> dict[str, dict[str, str | int]]:
        rows = registry.services_on(registry.NodeRole(node.role))
        names = [units.started_by_target(row) for row in rows]
        command = self.enter(node, ["systemctl", "show", "--property=Id,ActiveState,LoadState,MainPID", *names])
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        states: dict[str, dict[str, str | int]] = {}
        for block in done.stdout.split("\n\n"):
            fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            if "Id" in fields:
                state = fields["ActiveState"] if fields["LoadState"] == "loaded" else fields["LoadState"]
                states[fields["Id"]] = {"active_state": state, "pid": int(fields.get("MainPID", 0))}
        return states

    # --- inside

    def _unit(self, node: str) -> str:
        return f"dcos-local-{self.spec.name}-{node}.service"

    def _launch(self, node: NodeSpec) -> None:
        folder = self.folders.node(node.name)
        (folder / "console.log").unlink(missing_ok=True)
        program = [sys.executable, "-m", "dcos.install.local.machine"]
        program += [str(self.folders.base), self.spec.name, node.name]
        if host_has_systemd():
            # A unit of its own with a delegated group: otherwise the node would die with the caller's session.
            options = ["--quiet", "--collect", f"--unit={self._unit(node.name)}", "--property=Delegate=yes"]
            run(["systemd-run", *options, "--property=KillMode=mixed", *program])
            return
        with (folder / "supervisor.log").open("ab") as log:
            detached = ["setsid", "--fork", *program]
            subprocess.run(detached, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=True)
        (folder / "launched").touch()

    def _starting(self, node: str) -> bool:
        """The supervisor was launched a moment ago and has not written its pid yet."""
        marker = self.folders.node(node) / "launched"
        return host_has_systemd() or (marker.exists() and time.time() - marker.stat().st_mtime < 5)

    def _supervisor(self, node: str) -> int | None:
        return pids.living(self.folders.node(node) / "machine.pid")

    def _signal_supervisor(self, node: str, number: signal.Signals) -> None:
        pid = self._supervisor(node)
        if pid is not None:
            _kill(pid, number)

    def _groups(self, node: str) -> list[Path]:
        try:
            return [Path(line) for line in (self.folders.node(node) / "cgroups").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _leader(self, node: str) -> int | None:
        """The host's pid of the node's systemd. Its first process is nspawn's own, so the name is looked at."""
        for pid in cgroups.processes(self._groups(node)[:1]):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            ids = fields.get("NSpid", "").split()
            if fields.get("Name", "").strip() == "systemd" and len(ids) > 1 and ids[-1] == "1":
                return pid
        return None

    def _system_state(self, node: NodeSpec) -> str:
        try:
            done = subprocess.run(
                self.enter(node, ["systemctl", "is-system-running"]),
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except (NodeTrouble, subprocess.TimeoutExpired, OSError):
            return ""
        return done.stdout.strip()


def _within(limit_s: float, done: Callable[[], bool]) -> bool:
    """Wait for it; whether it came."""
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _mounts_below(folder: Path) -> list[str]:
    """Mount points at or below a folder, innermost first."""
    prefix = str(folder)
    points = [line.split()[1].replace("\\040", " ") for line in Path("/proc/mounts").read_text().splitlines()]
    return sorted((point for point in points if point == prefix or point.startswith(prefix + "/")), reverse=True)
