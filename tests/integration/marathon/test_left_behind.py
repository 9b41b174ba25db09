"""What a test on services as processes leaves behind when it fails in the middle: nothing, though tasks outlive their agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


def works_in(folder: Path) -> list[int]:
    """Processes whose working folder is below, or was."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            where = os.readlink(entry / "cwd")
        except OSError:
            continue
        if where.startswith(str(folder)):
            found.append(int(entry.name))
    return found


class Midway(Exception):
    """A test that fails."""


def fail_midway(folder: Path) -> None:
    app = {"id": "/stays", "cmd": "trap '' TERM; while true; do sleep 1; done", "cpus": 0.1, "mem": 32, "instances": 2}
    with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as services:
        services.start_mesos()
        services.start_marathon()
        services.eventually("it leads", lambda: services.get("marathon", "/v2/info")["frameworkId"])
        services.send("marathon", "/v2/apps", app)
        services.eventually("it runs", lambda: services.get("marathon", "/v2/deployments") == [])
        assert len(works_in(folder / "agent")) >= 2
        raise Midway


def test_tasks_end_with_their_cluster(tmp_path: Path) -> None:
    with pytest.raises(Midway):
        fail_midway(tmp_path)
    assert works_in(tmp_path) == []
