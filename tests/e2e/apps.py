"""Apps that tests run on real nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dcos.testing.cluster import Failed, LocalCluster, eventually


class Apps:
    """Apps of one test, removed at its end."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        self._names: list[str] = []

    def add(self, name: str, **fields: Any) -> None:
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps({"id": f"/{name}", "cpus": 0.1, "mem": 64, **fields}))
        self._cluster.dcos("marathon", "app", "add", str(file))
        self._names.append(name)

    def tasks(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Its tasks, once that many run."""

        def running() -> list[dict[str, Any]]:
            answer = self._cluster.get(f"/marathon/v2/apps//{name}/tasks", token=self._cluster.token())
            found = [one for one in answer.json()["tasks"] if one["state"] == "TASK_RUNNING"]
            if len(found) != count:
                raise Failed(f"{len(found)} of {count} run")
            return found

        return eventually(f"{name} runs", running, within_s=120)

    def address(self, name: str) -> str:
        (task,) = self.tasks(name)
        return str(task["ipAddresses"][0]["ipAddress"])

    def end(self) -> None:
        for name in self._names:
            self._cluster.dcos("marathon", "app", "remove", f"/{name}", check=False)


def on_network(name: str, vip: str) -> dict[str, Any]:
    mapping = {"containerPort": 8000, "labels": {"VIP_0": f"/{vip}:80"}}
    return {
        "container": {"type": "MESOS", "portMappings": [mapping]},
        "networks": [{"mode": "container", "name": name}],
    }
