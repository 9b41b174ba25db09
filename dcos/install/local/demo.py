"""What ``make up`` does with a fresh cluster: log in, install hello-world, show that it answers, say how to get in."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic, sleep

import click

from dcos.install.command import CommandFailed, run
from dcos.install.local.cluster import ADMIN, LocalCluster, LocalError
from dcos.install.local.spec import ClusterSpec

PACKAGE = "hello-world"
ANSWERS_WITHIN_S = 90.0
HEALTHY_WITHIN_S = 60.0


def client(one: LocalCluster, *words: str, timeout_s: float = 120) -> str:
    """Run the ``dcos`` command with the cluster's own settings; returns what it printed. Errors: CommandFailed."""
    program = Path(sys.executable).with_name("dcos")
    environment = {**os.environ, "DCOS_DIR": str(one.folders.cli)}
    return run([str(program), *words], env=environment, timeout_s=timeout_s)


def run_setup(one: LocalCluster, spec: ClusterSpec) -> None:
    """Point the command line client at the cluster and log in; the password travels in its file."""
    one.folders.cli.mkdir(mode=0o700, exist_ok=True)
    login = ("--username", ADMIN, "--password-file", str(one.folders.password))
    client(one, "cluster", "setup", one.front_door(spec), "--no-check", *login)


def run_demo(one: LocalCluster, spec: ClusterSpec) -> str:
    """Install the package if it is not, wait for its answer through Admin Router; returns the answer."""
    _install(one)
    token = client(one, "config", "show", "core.dcos_acs_token").strip()
    url = f"{one.front_door(spec)}/service/{PACKAGE}/"
    request = urllib.request.Request(url, headers={"Authorization": f"token={token}"})
    deadline = monotonic() + ANSWERS_WITHIN_S
    last = ""
    while monotonic() < deadline:
        try:
            with one.looks(spec).open(request) as answer:
                return str(answer.read(4096).decode(errors="replace")).strip()
        except urllib.error.HTTPError as trouble:
            last = f"{trouble.code} {trouble.read(200).decode(errors='replace').strip()}"
        except OSError as trouble:
            last = str(trouble)
        sleep(0.3)
    tasks = _or_message(one, "task", "list") if spec.agents else "no agents"
    raise LocalError(f"{url} did not answer within {ANSWERS_WITHIN_S:.0f} s: {last}\n{tasks}")


def _install(one: LocalCluster) -> None:
    """Once, however often Marathon, which may have just begun, refuses to answer before."""
    deadline = monotonic() + ANSWERS_WITHIN_S
    while True:
        try:
            if f'"{PACKAGE}"' not in _installed_packages(one):
                client(one, "package", "install", PACKAGE, "--yes")
            return
        except CommandFailed:
            if monotonic() > deadline:
                raise
        sleep(0.5)


def _installed_packages(one: LocalCluster) -> str:
    try:
        return client(one, "package", "list", "--json")
    except CommandFailed as trouble:
        if "no installed packages" in trouble.output:  # the client calls an empty list an error
            return "[]"
        raise


def _or_message(one: LocalCluster, *words: str) -> str:
    try:
        return client(one, *words)
    except CommandFailed as trouble:
        return trouble.output


def run_all(one: LocalCluster, spec: ClusterSpec) -> str:
    with one.progress.step("log in"):
        run_setup(one, spec)
    with one.progress.step(f"package {PACKAGE}"):
        answer = run_demo(one, spec)
    with one.progress.step("health checks"):
        _wait_for_health(one)
    return answer


def _wait_for_health(one: LocalCluster) -> None:
    """Until ``dcos status`` sees no problem: health checks and reports of other nodes take their first round."""
    deadline = monotonic() + HEALTHY_WITHIN_S
    while True:
        try:
            client(one, "status")
            return
        except CommandFailed as trouble:
            if monotonic() > deadline:
                raise LocalError(f"not healthy after {HEALTHY_WITHIN_S:.0f} s:\n{trouble.output}") from None
        sleep(0.3)


def summary(one: LocalCluster, spec: ClusterSpec, answer: str = "") -> None:
    """How to get in, what is there, what it took."""
    driver = one.driver(spec)
    if answer:
        click.echo(f"\n{one.front_door(spec)}/service/{PACKAGE}/ answers: {answer.splitlines()[0][:100]}")
    click.echo(
        f"\nURL       {one.front_door(spec)}\nUser      {ADMIN}\nPassword  {one.password()}  (kept in {one.folders.password})"
    )
    if answer:
        click.echo()
        click.echo(_or_message(one, "status").rstrip())
    click.echo()
    for node in spec.nodes:
        used = driver.memory_bytes(node)
        click.echo(
            f"{node.name:<10} {node.ip:<15} {node.role:<13} {used / 2**20:5.0f} MB" if used is not None else node.name
        )
    click.echo(
        f"{one.progress.elapsed_s:.1f} s: "
        + ", ".join(f"{name} {seconds:.1f}" for name, seconds in one.progress.timings)
    )
