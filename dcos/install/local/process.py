"""Driver ``process``: every node is a folder and a loopback address; its services are plain processes of one supervisor.

For machines where nodes cannot be booted. The same tree is planned from the same table as on a real node, below ``DCOS_ROOT``;
what differs is in ``CHANGES``: ports below 1024 are shifted by 10000, services that listen on 127.0.0.1 take the node's own
loopback address, and of this machine's network nothing is changed but, where that is allowed, one nftables table and routes on
``lo`` for the cluster's virtual IPs (``VIRTUAL_IPS``).
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psutil

from dcos import registry
from dcos.install import apply, assets, bundle, gui
from dcos.install.command import run
from dcos.install.genconf import Served, configure
from dcos.install.local import loopback, supervise
from dcos.install.local.driver import OFF, ON, NodeTrouble
from dcos.install.local.resources import agent_service, share_of_this_machine
from dcos.install.local.spec import ClusterSpec, Folders, NodeSpec
from dcos.install.prereqs import MASTER
from dcos.install.tree import Input, plan
from dcos.install.units import started_by_target
from dcos.model.layout import Layout
from dcos.registry import NodeRole
from dcos.wire import envfile

SHIFT = 20000
"""Of ports that only root may use. Not 10000: browsers refuse port 10080, and the front door would be there."""

_AGENT: Mapping[str, str] = {
    "MESOS_LAUNCHER": "posix",
    "MESOS_RUNTIME_DIR": "{root}/var/run/mesos",
    "MESOS_SECRETS_URL": "https://leader.mesos:20443",
}
# Variables that differ from production, over the node's own values: {ip}, {root}, {number}.
CHANGES: Mapping[str, Mapping[str, str]] = {
    "dcos-mesos-master": {"MESOS_BOUNCER": "{scheme}://{ip}:8101"},
    "dcos-marathon": {
        "MARATHON_HTTP_ADDRESS": "{ip}",
        "MARATHON_HOSTNAME": "{ip}",
        "MARATHON_BOUNCER": "{scheme}://{ip}:8101",
    },
    "dcos-metronome": {"METRONOME_BOUNCER": "{scheme}://{ip}:8101"},
    "dcos-bouncer": {"BOUNCER_IP": "{ip}"},
    "dcos-cosmos": {
        "COSMOS_HTTP_INTERFACE": "{ip}:7070",
        "COSMOS_IP": "{ip}",
        "COSMOS_ADMIN_ROUTER_URI": "{front_door}",
        "COSMOS_BOUNCER": "{scheme}://{ip}:8101",
    },
    "dcos-mesos-slave": _AGENT,
    "dcos-mesos-slave-public": _AGENT,
    "dcos-certificates": {"CERTIFICATES_HTTPS_PORT": "20443"},
    "dcos-secrets": {"SECRETS_IP": "{ip}", "SECRETS_BOUNCER": "{scheme}://{ip}:8101"},
    "dcos-net": {
        "DCOS_NET_MANAGE_NETWORK": "false",
        "DCOS_NET_DNS_BIND": "{ip}:20053",
        "DCOS_NET_REST_BIND": "{ip}",
    },
    "dcos-gen-resolvconf": {},
    "dcos-adminrouter": {
        "ADMINROUTER_IP": "{ip}",
        "ADMINROUTER_HTTP_PORT": "20080",
        "ADMINROUTER_HTTPS_PORT": "20443",
        "ADMINROUTER_WORKERS": "1",
        "ADMINROUTER_UPSTREAMS": "dcos-bouncer={ip}:8101,dcos-secrets={ip}:1337,dcos-cosmos={ip}:7070,dcos-net={ip}:62080",
    },
    "dcos-adminrouter-agent": {"ADMINROUTER_IP": "{ip}", "ADMINROUTER_WORKERS": "1"},
    "dcos-telegraf": {
        "TELEGRAF_NET": "http://{ip}:62080",
        "TELEGRAF_STATSD_LISTEN": "{ip}",
        "TELEGRAF_TASKS_HOST": "{ip}",
    },
    "dcos-log-master": {"LOG_ADMIN_ROUTER": "http://{ip}:20080"},
    "dcos-log-agent": {"LOG_ADMIN_ROUTER": "http://leader.mesos:20080"},
}


# Where virtual IPs may be: the range of named ones is the cluster's own, for clusters share this machine.
VIRTUAL_IPS: Mapping[str, str] = {
    "DCOS_NET_LOOPBACK_CLUSTER": "{number}",
    "DCOS_NET_ENABLE_IPV6": "false",
    "DCOS_NET_MIN_NAMED_IP": "11.{number}.0.0",
    "DCOS_NET_MAX_NAMED_IP": "11.{number}.255.255",
    "DCOS_NET_REPAIR_INTERVAL": "5",
}


def shifted(number: int) -> int:
    """The port that stands for one only root may use."""
    return number + SHIFT if number < 1024 else number


def agent_ports(spec: ClusterSpec, node: NodeSpec) -> str:
    """All agents share this machine's ports: each gets a range of its own."""
    number = [one.name for one in spec.agents].index(node.name)
    first = 21000 + number * 200
    return f"ports:[{first}-{first + 199}]"


class ProcessDriver:
    """Runs the services of one cluster below one supervisor process."""

    name = "process"

    def __init__(self, folders: Folders, spec: ClusterSpec) -> None:
        self.folders, self.spec = folders, spec
        self._site: Path | None = None
        """The web interface, where npm can build it."""

    def root(self, node: NodeSpec) -> Path:
        return self.folders.root(node.name, os.geteuid())

    def layout(self, node: NodeSpec) -> Layout:
        return Layout(self.root(node))

    # --- what is made once

    def prepare(self) -> None:
        """Nothing is shared but the supervisor, which ``start`` finds or starts. Errors: NodeTrouble naming what is missing."""
        if missing := loopback.missing_programs():
            proofs = ", ".join(row.command or row.file for row in missing)
            packages = " ".join(sorted(row.package for row in missing))
            raise NodeTrouble(f"not on this machine: {proofs}; as root: apt-get install {packages}")
        self.folders.nodes.mkdir(parents=True, exist_ok=True)

    def bootstrap_url(self) -> str:
        return f"file://{self.folders.genconf / 'serve'}"

    def configure(self, config: Path, say: Callable[[str], None]) -> Served:
        """No bundle is made: the services are the programs of this very environment."""
        checkout = assets.checkout()
        try:
            self._site = gui.build(checkout, bundle.cache_folder(), say)
        except gui.NoNpm as trouble:
            say(f"{trouble.output}; a plain page is served instead")
        return configure(
            config, config.parent, version=bundle.version_of(checkout), bundle_id=bundle.content_id(checkout)
        )

    def destroy(self) -> None:
        """End the supervisor, then every process that lives below the cluster's folder: tasks outlive their agent."""
        with self._without_supervisor():
            self._end_processes()
            if not self.spec.no_vips:
                net = Path(sys.executable).with_name("dcos-net")
                run([str(net), "cleanup", f"--loopback_cluster={self.spec.number}"], timeout_s=60)
            shutil.rmtree(self.folders.nodes, ignore_errors=True)
            alias = self.folders.alias(os.geteuid())
            if _is_ours(alias):
                shutil.rmtree(alias, ignore_errors=True)

    @contextmanager
    def _without_supervisor(self) -> Iterator[None]:
        """The supervisor is ended and no other can begin. Errors: NodeTrouble."""
        began = monotonic()
        while True:
            with supervise.only_one(self.folders) as alone:
                if alone:
                    yield
                    return
            if (pid := self._supervisor()) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if monotonic() < began + 30 else signal.SIGKILL)
            if monotonic() > began + 60:
                raise NodeTrouble(f"the supervisor of cluster {self.spec.name} does not end")
            sleep(0.2)

    def _end_processes(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = monotonic() + 3
            while (left := self._processes(self.folders.nodes)) and monotonic() < deadline:
                for process in left:
                    try:
                        process.send_signal(number)
                    except psutil.Error:
                        continue
                sleep(0.2)

    # --- one node

    def start(self, node: NodeSpec) -> None:
        folder = self.folders.node(node.name)
        (folder / "root").mkdir(parents=True, exist_ok=True)
        self._alias(node)
        (folder / "off").unlink(missing_ok=True)
        if self._supervisor() is None:
            self._launch()
        deadline = monotonic() + 20
        while monotonic() < deadline:
            if self._supervisor() is not None:
                return
            sleep(0.05)
        raise NodeTrouble(f"the supervisor did not start:\n{_tail(self.folders.cluster / 'supervisor.log', 30)}")

    def stop(self, node: NodeSpec, *, hard: bool = False) -> None:
        """The supervisor ends the node's services; a real node would end its tasks too, so they are ended here."""
        (self.folders.node(node.name) / "off").write_text("hard\n" if hard else "soft\n")
        deadline = monotonic() + 60
        while any(state["active_state"] != "inactive" for state in self.units(node).values()):
            if self._supervisor() is None:
                break
            if monotonic() > deadline:
                raise NodeTrouble(f"{node.name} did not stop within 60 s")
            sleep(0.1)
        for process in self._processes(self.folders.node(node.name)):
            try:
                process.kill()
            except psutil.Error:
                continue

    def state(self, node: NodeSpec) -> str:
        folder = self.folders.node(node.name)
        if not folder.is_dir() or (folder / "off").exists():
            return OFF
        if self._supervisor() is not None:
            return ON
        if left := supervise.left_running(folder):
            return (
                f"{len(left)} services run on without their supervisor; "
                f"`dcos-install local up --cluster={self.spec.name}` takes over"
            )
        return OFF

    def is_installed(self, node: NodeSpec) -> str:
        path = self.layout(node).etc / "dcos-version.json"
        return str(json.loads(path.read_text())["bootstrap-id"]) if path.exists() else ""

    def install(self, nodes: Sequence[NodeSpec], served: Served) -> None:
        for node in nodes:
            given = self._input(node, served)
            layout = self.layout(node)
            self._link_programs(given, layout)
            journal = apply.Journal()
            try:
                apply.apply(plan(given, layout), journal, owners=False)
            except OSError as trouble:
                journal.undo()
                raise NodeTrouble(f"{node.name} could not be installed: {trouble}") from trouble
            (self.root(node) / "etc/resolv.conf").write_text("# written by dcos-net\n")

    def reconfigure(self, node: NodeSpec, served: Served) -> str:
        raise NodeTrouble("another configuration needs nodes that are booted (driver nspawn)")

    def _input(self, node: NodeSpec, served: Served) -> Input:
        arguments = dict(served.public)
        for key in ("ip_detect_contents", "ip_detect_public_contents"):
            arguments[key] = f"#!/bin/sh\necho {node.ip}\n"
        front_door = self.url(node, "dcos-adminrouter")
        values = {"scheme": arguments["scheme"], "front_door": front_door}
        changes = {name: self._filled(CHANGES[name], node, **values) for name in CHANGES}
        if not self.spec.no_vips:
            changes["dcos-net"].update(self._filled(VIRTUAL_IPS, node))
        if node.role != MASTER:
            own = changes.setdefault(agent_service(node), {})
            overrides = share_of_this_machine(self.spec, node, self.folders.base)
            if os.geteuid() != 0:
                own["MESOS_SWITCH_USER"] = "false"  # tasks ask for root; here everybody is who we are
            kept = [part for part in overrides["MESOS_RESOURCES"].split(";") if not part.startswith("ports")]
            own["MESOS_RESOURCES"] = ";".join([*kept, agent_ports(self.spec, node)])
        units = assets.root() / "units"
        return Input(
            role=NodeRole(node.role),
            release=served.release,
            arguments=arguments,
            user_config=served.user_config,
            templates={path.name: path.read_text() for path in units.iterdir()},
            scripts=(*sorted(bundle.scripts_of(assets.checkout())), "python3", "python"),
            secrets=served.secrets,
            changes=changes,
        )

    def _filled(self, texts: Mapping[str, str], node: NodeSpec, **more: str) -> dict[str, str]:
        values = {"ip": node.ip, "root": str(self.root(node)), "number": str(self.spec.number), **more}
        return {key: text.format_map(values) for key, text in texts.items()}

    def _link_programs(self, given: Input, layout: Layout) -> None:
        """A package whose programs are those of this very environment."""
        programs = layout.opt / "packages" / given.release.package / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        site = programs.parent / assets.SHARE / gui.FOLDER
        if self._site is not None and not site.exists():
            shutil.copytree(self._site, site)
        for name in given.scripts:
            link = programs / name
            if not link.is_symlink():
                link.symlink_to(Path(sys.executable).with_name(name))

    # --- what runs on it

    def units(self, node: NodeSpec) -> dict[str, dict[str, str | int]]:
        """As the supervisor writes them; nothing installed, nothing to tell."""
        if not self.is_installed(node):
            return {}
        path = supervise.units_file(self.layout(node))
        known = json.loads(path.read_text()) if path.exists() else {}
        names = [started_by_target(row) for row in registry.services_on(NodeRole(node.role))]
        rest: dict[str, str | int] = {"active_state": "inactive", "pid": 0}
        return {name: {key: known.get(name, rest)[key] for key in rest} for name in names}

    def enter(self, node: NodeSpec, argv: Sequence[str]) -> list[str]:
        if self.state(node) == OFF:
            raise NodeTrouble(f"{node.name} is off; `dcos-install local start {node.name}` starts it")
        layout = self.layout(node)
        common = layout.opt / "environment"
        variables = envfile.parse(common.read_text()) if common.exists() else {}
        variables["PATH"] = f"{layout.bin}:{os.environ['PATH']}"
        pairs = [f"{key}={value}" for key, value in {**variables, "DCOS_ROOT": str(layout.root)}.items()]
        return ["env", "-C", str(layout.root), *pairs, *argv]

    def journal(self, node: NodeSpec, unit: str, *, lines: int, follow: bool = False) -> list[str]:
        folder = supervise.log_folder(self.folders.node(node.name))
        name = unit.removesuffix(".service").removesuffix(".timer")
        files = [str(folder / f"{name}.log")] if name else sorted(str(path) for path in folder.glob("*.log"))
        options = [f"--lines={lines}", *(["--follow"] if follow else [])]
        return ["/bin/sh", "-c", f"exec tail {shlex.join([*options, *files])}"]

    def url(self, node: NodeSpec, service: str, port: str = "http") -> str:
        if service == "dcos-adminrouter" and port == "http" and self.spec.security == "strict":
            return f"https://{node.ip}:{shifted(registry.port_of(service, 'https'))}"
        return f"http://{node.ip}:{shifted(registry.port_of(service, port))}"

    def memory_bytes(self, node: NodeSpec) -> int | None:
        total = 0
        for process in self._processes(self.folders.node(node.name)):
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total

    # --- inside

    def _alias(self, node: NodeSpec) -> None:
        """The short name of a node's root, where one is needed. Its folder is in /tmp, so it must be ours alone."""
        root = self.root(node)
        if root.parent != (alias := self.folders.alias(os.geteuid())):
            return
        alias.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(alias):
            raise NodeTrouble(f"{alias} is there and belongs to somebody else")
        if not root.is_symlink():
            root.symlink_to(self.folders.node(node.name) / "root")

    def _launch(self) -> None:
        program = [sys.executable, "-m", "dcos.install.local.supervise", str(self.folders.base), self.spec.name]
        with (self.folders.cluster / "supervisor.log").open("ab") as log:
            detached = ["setsid", "--fork", *program]
            subprocess.run(detached, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", check=True)

    def _supervisor(self) -> int | None:
        return supervise.running(self.folders)

    def _processes(self, folder: Path) -> list[psutil.Process]:
        """Processes that belong below a folder: by their DCOS_ROOT, their working folder or their task's sandbox."""
        found = []
        alias = self.folders.alias(os.geteuid())
        inside = (f"{folder}/", f"{alias}/" if folder == self.folders.nodes else f"{alias / folder.name}/")
        for process in psutil.process_iter():
            if process.pid == os.getpid():
                continue
            try:
                variables = process.environ()
                places = (variables.get("DCOS_ROOT", ""), variables.get("MESOS_SANDBOX", ""), process.cwd())
            except (psutil.Error, OSError):
                continue
            if any(f"{place}/".startswith(inside) for place in places if place):
                found.append(process)
        return found


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _tail(path: Path, lines: int) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else "(nothing)"
