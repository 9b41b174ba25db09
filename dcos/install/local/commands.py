"""``dcos-install local``: one command each thing a person does with a cluster on this machine."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dcos.install.bundle import cache_folder
from dcos.install.command import CommandFailed
from dcos.install.genconf import ConfigError
from dcos.install.local import demo, loopback
from dcos.install.local.cluster import (
    DRIVERS,
    LocalCluster,
    LocalError,
    Wanted,
    base_folder,
    choose_driver,
    known_clusters,
    unit_states,
)
from dcos.install.local.driver import ON, NodeTrouble
from dcos.install.local.progress import Progress
from dcos.install.local.spec import DEFAULT_NAME, SpecError

F = TypeVar("F", bound=Callable[..., Any])

_cluster = click.option("--cluster", default=DEFAULT_NAME, show_default=True, help="Name of the cluster.")


def _explained(command: F) -> F:
    """Known trouble becomes a message and exit code 1."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (LocalError, NodeTrouble, SpecError, CommandFailed, ConfigError) as trouble:
            raise click.ClickException(str(trouble)) from None

    return wrapper  # type: ignore[return-value]


def _open(cluster: str) -> LocalCluster:
    return LocalCluster(base_folder(), cluster, Progress(sys.stderr))


@click.group("local")
def local() -> None:
    """Clusters on this machine."""


@local.command("up")
@_cluster
@click.option(
    "--driver", type=click.Choice(["auto", *DRIVERS]), default="auto", show_default=True, help="How nodes are made."
)
@click.option("--masters", type=int, default=1, show_default=True)
@click.option("--agents", type=int, default=1, show_default=True, help="Private agents.")
@click.option("--public-agents", type=int, default=1, show_default=True)
@click.option(
    "--security",
    type=click.Choice(["disabled", "permissive", "strict"]),
    default="disabled",
    show_default=True,
    help="As in config.yaml; of a new cluster.",
)
@click.option("--demo/--no-demo", "with_demo", default=False, help="Install hello-world and show that it answers.")
@_explained
def up(
    cluster: str, driver: str, masters: int, agents: int, public_agents: int, security: str, with_demo: bool
) -> None:
    """Make a cluster, or what is missing of it, and wait until it is healthy."""
    one = _open(cluster)
    spec = one.up(Wanted(masters, agents, public_agents, driver, security))
    answer = demo.run_all(one, spec) if with_demo else ""
    one.keep_timings()
    demo.summary(one, spec, answer)


@local.command("reconfigure")
@_cluster
@click.argument("settings", nargs=-1, metavar="KEY=VALUE...")
@_explained
def reconfigure(cluster: str, settings: tuple[str, ...]) -> None:
    """Change settings of config.yaml on a cluster that runs, one node after the other; tasks run on."""
    pairs = [setting.partition("=") for setting in settings]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise click.UsageError(f"{wrong[0]}: must be KEY=VALUE")
    one = _open(cluster)
    spec = one.reconfigure({key: value for key, _, value in pairs})
    if one.folders.cli.exists():
        demo.run_setup(one, spec)  # it may be another URL now, and another authority vouches for it


@local.command("down")
@_cluster
@click.option("--all", "everything", is_flag=True, help="Every cluster on this machine.")
@_explained
def down(cluster: str, everything: bool) -> None:
    """Remove a cluster: processes, mounts, interfaces, trees. The node image stays for the next one."""
    base = base_folder()
    for name in sorted(known_clusters(base)) if everything else [cluster]:
        one = _open(name)
        with one.progress.step(f"removing cluster {name}"):
            there = one.down()
        if not there:
            click.echo(f"there is no cluster {name}", err=True)


@local.command("status")
@_cluster
@click.option("--json", "as_json", is_flag=True, help="For programs: nodes, folders, URL, unit states.")
@_explained
def status(cluster: str, as_json: bool) -> None:
    """Nodes, units, problems. The exit code is 1 when something is wrong."""
    one = _open(cluster)
    spec = one.spec()
    driver = one.driver(spec)
    if as_json:
        facts = one.facts()
        click.echo(json.dumps(facts, indent=2))
        raise SystemExit(1 if facts["problems"] else 0)
    click.echo(f"cluster {spec.name}, driver {spec.driver}, {one.front_door(spec)}")
    if spec.no_vips:
        click.echo(f"  no virtual IPs: {spec.no_vips}")
    for node in spec.nodes:
        if (state := driver.state(node)) != ON:
            click.echo(f"  {node.name:<10} {node.ip:<15} {node.role:<13} {state}")
            continue
        states = unit_states(driver, node)
        bad = [f"{unit} {state}" for unit, state in states.items() if state != "active"]
        memory = driver.memory_bytes(node)
        used = f"{memory / 2**20:4.0f} MB" if memory is not None else ""
        count = f"{len(states) - len(bad)}/{len(states)} units"
        click.echo(f"  {node.name:<10} {node.ip:<15} {node.role:<13} {count}  {used}  {', '.join(bad)}")
    problems = one.problems(spec, driver)
    click.echo("healthy" if not problems else f"not healthy: {', '.join(problems)}")
    if problems:
        raise SystemExit(1)


@local.command("clean-cache")
@click.option("--cluster", hidden=True, help="Accepted; the caches belong to all clusters.")
@_explained
def clean_cache(cluster: str | None) -> None:
    """Remove the node image and the kept bundles, so that the next `up` makes them again."""
    base = base_folder()
    if there := sorted(known_clusters(base)):
        raise LocalError(f"clusters still use the image: {', '.join(there)}; `dcos-install local down --all` first")
    for folder in (base / "images", cache_folder()):
        shutil.rmtree(folder, ignore_errors=True)


@local.command("needs")
@click.option("--driver", type=click.Choice(["auto", *DRIVERS]), default="auto", show_default=True)
@_explained
def needs(driver: str) -> None:
    """Packages of the operating system that `up` would miss, one a line: for set-up scripts."""
    chosen = driver if driver != "auto" else choose_driver(driver, base_folder())[0]
    for row in loopback.wanted_programs() if chosen == "process" else ():
        click.echo(row.package)


@local.command("list")
def list_command() -> None:
    """Clusters on this machine."""
    for name, spec in known_clusters(base_folder()).items():
        click.echo(f"{name:<20} {spec.driver:<8} {spec.prefix}.0/24  {' '.join(node.name for node in spec.nodes)}")


@local.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_cluster
@click.argument("node")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@_explained
def exec_command(cluster: str, node: str, argv: tuple[str, ...]) -> None:
    """Run a command on a node (a shell when none is given); its exit code is ours."""
    one = _open(cluster)
    spec = one.spec()
    words = argv[1:] if argv[:1] == ("--",) else argv
    command = one.driver(spec).enter(spec.node(node), words or ("bash",))
    sys.stdout.flush()
    os.execvp(command[0], command)


@local.command("logs")
@_cluster
@click.option("--lines", "-n", type=int, default=50, show_default=True)
@click.option("--follow", "-f", is_flag=True)
@click.argument("node")
@click.argument("unit", default="")
@_explained
def logs(cluster: str, lines: int, follow: bool, node: str, unit: str) -> None:
    """What a node, or one of its units, said."""
    one = _open(cluster)
    spec = one.spec()
    command = one.driver(spec).journal(spec.node(node), unit, lines=lines, follow=follow)
    sys.stdout.flush()
    os.execvp(command[0], command)


@local.command("stop")
@_cluster
@click.option("--hard", is_flag=True, help="Like pulling the plug: nothing is asked to end.")
@click.argument("node")
@_explained
def stop(cluster: str, hard: bool, node: str) -> None:
    """Power a node off."""
    one = _open(cluster)
    spec = one.spec()
    one.driver(spec).stop(spec.node(node), hard=hard)


@local.command("start")
@_cluster
@click.argument("node")
@_explained
def start(cluster: str, node: str) -> None:
    """Boot a node that is off."""
    one = _open(cluster)
    spec = one.spec()
    one.driver(spec).start(spec.node(node))


@local.command("restart-node")
@_cluster
@click.option("--hard", is_flag=True, help="Like pulling the plug: nothing is asked to end.")
@click.argument("node")
@_explained
def restart_node(cluster: str, hard: bool, node: str) -> None:
    """Power a node off and on again."""
    one = _open(cluster)
    spec = one.spec()
    driver = one.driver(spec)
    driver.stop(spec.node(node), hard=hard)
    driver.start(spec.node(node))


@local.command("dcos", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@_cluster
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
@_explained
def dcos(cluster: str, argv: tuple[str, ...]) -> None:
    """The dcos command, already set up for this cluster."""
    one = _open(cluster)
    one.spec()
    program = Path(sys.executable).with_name("dcos")
    environment = {**os.environ, "DCOS_DIR": str(one.folders.cli)}
    raise SystemExit(subprocess.run([str(program), *argv], env=environment, check=False).returncode)
