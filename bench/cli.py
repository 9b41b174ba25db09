"""How long ``dcos`` takes: ``python -m bench.cli [--runs N] [--official PATH]``.

Each program is started N times, in turn with the others, so that all see the same machine: ``dcos --version``, ``dcos --help``,
and against a real cluster of one node (ZooKeeper, master, agent, Marathon, diagnostics, Admin Router behind nginx, all on
loopback) ``dcos status``, ``dcos node list``, ``dcos task list`` and the completion of app ids. Peers: ``python -c pass``, which
no Python program can beat, and the official command line from PyPI (dcoscli 0.6.1), where ``--official`` names it. Told are the
least and the median of wall time and of CPU time (user and system, with children), in ms, and the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble
from tests.integration.cli.conftest import PASSWORD, node_files

ROOT = Path(__file__).resolve().parents[1]
DCOS = (sys.executable, "-c", "import sys; from dcos.cli.main import main; sys.exit(main())")
Sample = tuple[float, float]
"""Wall and CPU, in seconds."""


def measured(argv: tuple[str, ...], environ: dict[str, str]) -> Sample:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    done = subprocess.run(argv, env=environ, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{argv}: {done.stdout.decode()}{done.stderr.decode()}")
    return wall, (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


@contextmanager
def cluster(folder: Path) -> Iterator[Processes]:
    node_files(folder, "3.0.0")
    with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as made:
        made.start("bouncer", "dcos.iam", f"--zk={made.zk}/dcos/iam", f"--port={made.port('bouncer')}")
        made.start_mesos()
        made.start_marathon()
        made.start(
            *("mesos-dns", "dcos.dns", f"--zk={made.zk}/mesos", "--ip=127.0.0.1"),
            *(f"--dns_port={made.port('dns')}", f"--http_port={made.port('mesos-dns')}"),
        )
        running = {"load_state": "loaded", "active_state": "active", "sub_state": "running", "pid": 1}
        units = ("dcos-marathon", "dcos-adminrouter", "dcos-mesos-master", "dcos-mesos-dns", "dcos-bouncer")
        (folder / "units.json").write_text(json.dumps({f"{unit}.service": running for unit in units}))
        made.start(
            *("diagnostics", "dcos.node", "--role=master", "--ip=127.0.0.1", f"--port={made.port('diagnostics')}"),
            *(f"--units_source=file:{folder}/units.json", "--master_list=127.0.0.1"),
        )
        names = ("bouncer", "diagnostics", "marathon", "mesos-dns")
        upstreams = ",".join(f"dcos-{name}=127.0.0.1:{made.port(name)}" for name in names)
        made.start(
            *("adminrouter", "dcos.adminrouter", "--role=master", "--ip=127.0.0.1", f"--zk={made.zk}/mesos"),
            *(f"--http_port={made.port('adminrouter')}", f"--https_port={made.port('tls')}", "--access_log=off"),
            *(f"--upstreams={upstreams}", "--cache_first_poll_delay=0.2", "--cache_poll_period=1"),
        )
        yield made


def set_up(made: Processes, environ: dict[str, str]) -> None:
    def ready() -> bool:
        url = made.url("adminrouter")
        done = subprocess.run(
            [*DCOS, "cluster", "setup", url, "--username=admin", "--no-check"],
            env={**environ, "DCOS_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise KeyError(done.stderr)
        return True

    made.eventually("the cluster can be set up", ready)
    made.eventually("Marathon leads", lambda: made.get("marathon", "/v2/info").get("frameworkId"))
    made.eventually("an agent is there", lambda: made.get("master", "/slaves")["slaves"])
    app = {"id": "/web", "cmd": "sleep 3600", "cpus": 0.1, "mem": 16, "instances": 2}
    words = [*DCOS, "marathon", "app", "add", "--wait"]
    subprocess.run(words, env=environ, input=json.dumps(app), text=True, check=True, capture_output=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.cli", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--official", help="path of the official dcos, version 0.6")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dcos-bench-cli-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        environ = {"PATH": os.environ["PATH"], "HOME": name, "DCOS_DIR": f"{name}/dcos", "PYTHONPATH": str(ROOT)}
        with cluster(folder) as made:
            set_up(made, environ)
            rows: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
                "python -c pass": ((sys.executable, "-c", "pass"), environ),
                "dcos --version": ((*DCOS, "--version"), environ),
                "dcos --help": ((*DCOS, "--help"), environ),
                "dcos node list": ((*DCOS, "node", "list"), environ),
                "dcos task list": ((*DCOS, "task", "list"), environ),
                "dcos status --json": (("sh", "-c", '"$@" || true', "sh", *DCOS, "status", "--json"), environ),
                "completion of app ids": (
                    DCOS,
                    {
                        **environ,
                        "_DCOS_COMPLETE": "bash_complete",
                        "COMP_WORDS": "dcos marathon app show /",
                        "COMP_CWORD": "4",
                    },
                ),
            }
            if given.official:
                old = {**environ, "DCOS_DIR": f"{name}/official", "PYTHONPATH": "", "LC_ALL": "C.UTF-8"}
                words = ("cluster", "setup", made.url("adminrouter"), "--username=admin", f"--password={PASSWORD}")
                subprocess.run(
                    [given.official, *words], env=old, check=True, capture_output=True, stdin=subprocess.DEVNULL
                )
                rows["official dcos --version"] = ((given.official, "--version"), old)
                rows["official dcos node"] = ((given.official, "node"), old)
                rows["official dcos task"] = ((given.official, "task"), old)
            samples: dict[str, list[Sample]] = {title: [] for title in rows}
            for _ in range(given.runs):
                for title, (argv, with_these) in rows.items():
                    samples[title].append(measured(argv, with_these))
    print(f"{given.runs} runs each, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; ms")
    print(f"{'':26}{'wall least':>12}{'median':>9}{'CPU least':>12}{'median':>9}")
    for title, some in samples.items():
        wall, cpu = [1000 * one for one, _ in some], [1000 * one for _, one in some]
        print(f"{title:26}{min(wall):12.0f}{statistics.median(wall):9.0f}{min(cpu):12.0f}{statistics.median(cpu):9.0f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
