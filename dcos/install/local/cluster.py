"""Bring a cluster on this machine up, look at it, take it away. Knows no driver's ways: see ``driver.py``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import msgspec

from dcos.install import assets, authority, genconf, passwords
from dcos.install.command import CommandFailed, run
from dcos.install.local import loopback, network, nspawn, process, supervise
from dcos.install.local.driver import ON, Driver, NodeTrouble
from dcos.install.local.looks import Looks
from dcos.install.local.progress import Progress
from dcos.install.local.spec import ClusterSpec, Folders, NodeSpec, plan
from dcos.install.locking import locked
from dcos.runtime.files import write_atomic

DRIVERS = ("nspawn", "process")
ADMIN = "admin"
HEALTHY_WITHIN_S = 180.0


class LocalError(Exception):
    """The local cluster cannot do what was asked: says why and what to do."""


def base_folder(environ: dict[str, str] | None = None) -> Path:
    """Where local clusters are kept; ``DCOS_LOCAL`` moves it."""
    variables = dict(os.environ) if environ is None else environ
    if chosen := variables.get("DCOS_LOCAL"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/dcos-local")
    return Path(variables.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "dcos-local"


def choose_driver(wanted: str, base: Path) -> tuple[str, str]:
    """Driver and the reason. Errors: LocalError when the wanted one cannot work."""
    if wanted == "process":
        return "process", "asked for"
    obstacle = nspawn.obstacle(base)
    if wanted == "nspawn":
        if obstacle:
            raise LocalError(f"driver nspawn cannot work here: {obstacle}")
        return "nspawn", "asked for"
    return (
        ("process", f"nodes cannot be booted here: {obstacle}")
        if obstacle
        else ("nspawn", "this machine can boot nodes")
    )


def known_clusters(base: Path) -> dict[str, ClusterSpec]:
    """Every cluster that was not taken down."""
    found = {}
    for path in sorted((base / "clusters").glob("*/cluster.json")):
        found[path.parent.name] = msgspec.json.decode(path.read_bytes(), type=ClusterSpec)
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """What ``up`` was asked for."""

    masters: int
    agents: int
    public_agents: int
    driver: str = "auto"
    security: str = "disabled"


class LocalCluster:
    """One cluster; its spec is on disk from before the first thing is made until after the last one is gone."""

    def __init__(self, base: Path, name: str, progress: Progress) -> None:
        self.folders = Folders(base, name)
        self.progress = progress

    # --- what there is

    def spec(self) -> ClusterSpec:
        """Errors: LocalError when there is no such cluster."""
        if not self.folders.spec.exists():
            others = ", ".join(known_clusters(self.folders.base)) or "none"
            raise LocalError(
                f"no cluster {self.folders.name!r} on this machine (there are: {others}); `make up` makes one"
            )
        return msgspec.json.decode(self.folders.spec.read_bytes(), type=ClusterSpec)

    def driver(self, spec: ClusterSpec) -> Driver:
        kind: Callable[[Folders, ClusterSpec], Driver]
        kind = nspawn.NspawnDriver if spec.driver == "nspawn" else process.ProcessDriver
        return kind(self.folders, spec)

    def front_door(self, spec: ClusterSpec) -> str:
        """URL of the first master's Admin Router."""
        return self.driver(spec).url(spec.masters[0], "dcos-adminrouter")

    def password(self) -> str:
        return self.folders.password.read_text().strip()

    def facts(self) -> dict[str, Any]:
        """The cluster for programs. ``units``: node -> unit -> {active_state, pid}."""
        spec = self.spec()
        driver = self.driver(spec)
        states = {node.name: driver.state(node) for node in spec.nodes}
        timings = self.folders.cluster / "timings.json"
        return {
            "name": spec.name,
            "driver": spec.driver,
            "url": self.front_door(spec),
            "admin": ADMIN,
            "password_file": str(self.folders.password),
            "dcos_dir": str(self.folders.cli),
            "folder": str(self.folders.cluster),
            "nodes": [
                {
                    "name": node.name,
                    "role": node.role,
                    "ip": node.ip,
                    "running": states[node.name] == ON,
                    "state": states[node.name],
                    "memory_bytes": driver.memory_bytes(node),
                }
                for node in spec.nodes
            ],
            "units": {node.name: driver.units(node) for node in spec.nodes if states[node.name] == ON},
            "no_virtual_ips": spec.no_vips,
            "supervisor": supervise.running(self.folders),
            "problems": self.problems(spec, driver),
            "steps": json.loads(timings.read_text()) if timings.exists() else {},
        }

    def keep_timings(self) -> None:
        """What the last ``up`` spent its time on, for ``status --json``."""
        write_atomic(self.folders.cluster / "timings.json", json.dumps(dict(self.progress.timings)))

    # --- up

    def up(self, wanted: Wanted) -> ClusterSpec:
        """Make what is missing until the cluster is whole and healthy. Errors: LocalError, NodeTrouble, CommandFailed."""
        base = self.folders.base
        base.mkdir(parents=True, exist_ok=True)
        with locked(base / f"{self.folders.name}.lock"):
            spec = self._planned(wanted)
            driver = self.driver(spec)
            with self.progress.step("bundle and configuration"):
                served = self._configure(spec, driver)
            with self.progress.step("node image and network" if spec.driver == "nspawn" else "network"):
                driver.prepare()
            with self.progress.step(f"{len(spec.nodes)} nodes"):
                self._each(spec.nodes, driver.start)
            installed = {node: driver.is_installed(node) for node in spec.nodes}
            if new := [node for node, bundle_id in installed.items() if not bundle_id]:
                with self.progress.step(f"installing {', '.join(node.name for node in new)}"):
                    driver.install(new, served)
            with self.progress.step("services"):
                self._wait_healthy(spec, driver)
            if other := {bundle_id for bundle_id in installed.values() if bundle_id} - {served.release.bundle_id}:
                self.progress.say(_other_version(spec, other, served.release.bundle_id))
        return spec

    def reconfigure(self, changes: Mapping[str, str]) -> ClusterSpec:
        """Other settings, one node after the other, masters first; tasks run on.

        Errors: LocalError, NodeTrouble, CommandFailed.
        """
        with locked(self.folders.base / f"{self.folders.name}.lock"):
            spec = self.spec()
            config = self.folders.genconf / "config.yaml"
            settings = {**json.loads(config.read_text()), **changes}
            write_atomic(config, json.dumps(settings, indent=2) + "\n", mode=0o600)
            spec = msgspec.structs.replace(spec, security=settings["security"])
            driver = self.driver(spec)
            with self.progress.step("configuration"):
                served = driver.configure(config, self.progress.detail)
            write_atomic(self.folders.spec, msgspec.json.encode(spec))
            for node in (*spec.masters, *spec.agents):
                with self.progress.step(node.name):
                    self.progress.detail(driver.reconfigure(node, served))
                    self._wait_active(node, driver)
            with self.progress.step("services"):
                self._wait_healthy(spec, driver)
        return spec

    def _wait_active(self, node: NodeSpec, driver: Driver) -> None:
        """Errors: NodeTrouble."""
        deadline = monotonic() + HEALTHY_WITHIN_S
        while waiting := [unit for unit, state in unit_states(driver, node).items() if state != "active"]:
            if monotonic() > deadline:
                raise NodeTrouble(f"{node.name} has no {', '.join(waiting)} after {HEALTHY_WITHIN_S:.0f} s")
            sleep(0.3)

    def _planned(self, wanted: Wanted) -> ClusterSpec:
        counts = {"masters": wanted.masters, "agents": wanted.agents, "public_agents": wanted.public_agents}
        if self.folders.spec.exists():
            spec = self.spec()
            same = plan(spec.name, spec.driver, spec.prefix, **counts)
            if same.nodes != spec.nodes:
                have = ", ".join(node.name for node in spec.nodes)
                raise LocalError(
                    f"cluster {spec.name!r} is there with other nodes ({have}); `make down` removes it first"
                )
            return spec
        name, reason = choose_driver(wanted.driver, self.folders.base)
        self.progress.say(f"driver {name}: {reason}")
        taken = {spec.prefix for spec in known_clusters(self.folders.base).values()}

        def keep(prefix: str, no_vips: str = "") -> ClusterSpec:
            spec = msgspec.structs.replace(
                plan(self.folders.name, name, prefix, **counts), no_vips=no_vips, security=wanted.security
            )
            self.folders.cluster.mkdir(parents=True, exist_ok=True)
            self.folders.cluster.chmod(0o700)
            write_atomic(self.folders.spec, msgspec.json.encode(spec))
            return spec

        if name == "nspawn":
            try:
                return network.claim(self.folders.name, taken, keep)
            except network.Taken as trouble:
                raise LocalError(str(trouble)) from trouble
        prefix = loopback.free_prefix(taken)
        if no_vips := loopback.no_virtual_ips(prefix):
            self.progress.say(f"virtual IPs are left out: {no_vips}")
        return keep(prefix, no_vips)

    def _configure(self, spec: ClusterSpec, driver: Driver) -> genconf.Served:
        """A ``config.yaml`` like an operator would write it, and genconf on it."""
        out = self.folders.genconf
        out.mkdir(parents=True, exist_ok=True)
        config = out / "config.yaml"
        if not self.folders.password.exists():
            write_atomic(self.folders.password, passwords.random_password() + "\n", mode=0o600)
        if not config.exists():
            shutil.copyfile(assets.root() / "config/ip-detect", out / "ip-detect")
            settings = {
                "cluster_name": spec.name,
                "bootstrap_url": driver.bootstrap_url(),
                "master_discovery": "static",
                "exhibitor_storage_backend": "static",
                "master_list": [node.ip for node in spec.masters],
                "resolvers": [spec.host_ip],
                "superuser_username": ADMIN,
                "superuser_password_hash": passwords.hash_password(self.password()),
                "enable_lb": not spec.no_vips,
                "security": spec.security,
            }
            write_atomic(config, json.dumps(settings, indent=2) + "\n", mode=0o600)  # JSON is YAML
        return driver.configure(config, self.progress.detail)

    def _each(self, nodes: Sequence[NodeSpec], work: Callable[[NodeSpec], None]) -> None:
        with ThreadPoolExecutor(max_workers=max(1, min(16, len(nodes)))) as pool:
            futures = [pool.submit(work, node) for node in nodes]
        for future in futures:
            future.result()

    def _wait_healthy(self, spec: ClusterSpec, driver: Driver) -> None:
        deadline = monotonic() + HEALTHY_WITHIN_S
        while problems := self.problems(spec, driver):
            self.progress.detail(
                f"waiting for {problems[0]}" + (f" and {len(problems) - 1} more" if problems[1:] else "")
            )
            if monotonic() > deadline:
                raise NodeTrouble(self._explain(spec, driver, problems))
            sleep(0.3)

    def problems(self, spec: ClusterSpec, driver: Driver) -> list[str]:
        """What is not as it should be; empty means healthy."""
        found = []
        for node in spec.nodes:
            if (state := driver.state(node)) != ON:
                found.append(f"{node.name} ({state})")
                continue
            states = unit_states(driver, node)
            found += [f"{unit} on {node.name} ({state})" for unit, state in states.items() if state != "active"]
            if not states:
                found.append(f"{node.name} (nothing installed)")
        if found:
            return found
        looks = self.looks(spec)
        for node in spec.masters:
            if not looks.answers(driver.url(node, "dcos-adminrouter")):
                found.append(f"Admin Router on {node.name}")
        if spec.security == "strict":
            registered = looks.registered_behind(self.front_door(spec), ADMIN, self.password())
        else:
            registered = looks.registered([driver.url(node, "dcos-mesos-master") for node in spec.masters])
        if registered < len(spec.agents):
            found.append(f"agents to register ({registered} of {len(spec.agents)})")
        return found

    def looks(self, spec: ClusterSpec) -> Looks:
        if spec.security != "strict":
            return Looks()
        return Looks(authority.kept(self.folders.genconf / "secrets.json").root)

    def _explain(self, spec: ClusterSpec, driver: Driver, problems: Sequence[str]) -> str:
        parts = [f"not healthy after {HEALTHY_WITHIN_S:.0f} s: {', '.join(problems)}"]
        for node in spec.nodes:
            try:
                states = unit_states(driver, node)
            except NodeTrouble as trouble:
                parts.append(str(trouble))
                continue
            for unit in [unit for unit, state in states.items() if state != "active"][:3]:
                try:
                    said = run(driver.journal(node, unit, lines=15), timeout_s=20)
                except (CommandFailed, NodeTrouble) as trouble:
                    said = str(trouble)
                parts.append(f"--- {unit} on {node.name}\n{said.rstrip()}")
        return "\n".join(parts)

    # --- down

    def down(self) -> bool:
        """Remove everything of the cluster but the node image; False when there was nothing."""
        with locked(self.folders.base / f"{self.folders.name}.lock"):
            if not self.folders.cluster.exists():
                return False
            if self.folders.spec.exists():
                self.driver(self.spec()).destroy()
            shutil.rmtree(self.folders.cluster)
        (self.folders.base / f"{self.folders.name}.lock").unlink(missing_ok=True)
        return True


def _other_version(spec: ClusterSpec, other: set[str], ours: str) -> str:
    """What to do about nodes that were installed from another state of this checkout."""
    return (
        f"NOTE: cluster {spec.name!r} was installed from another version of these sources (bundle "
        f"{', '.join(sorted(one[:12] for one in other))}; they now make {ours[:12]}) and was left as it is.\n"
        f"      To run the new version: `dcos-install local down --cluster={spec.name}`, then `up` again; apps and "
        "packages installed in the cluster go with it.\n"
        f"      To have both: `dcos-install local up --cluster=OTHER` makes a second cluster of the new version."
    )


def unit_states(driver: Driver, node: NodeSpec) -> dict[str, str]:
    """Active state of every unit that ``dcos.target`` starts on a node."""
    return {name: str(state["active_state"]) for name, state in driver.units(node).items()}
