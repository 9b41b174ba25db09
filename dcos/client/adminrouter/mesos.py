"""Mesos, its agents' files and the cluster's names through Admin Router.   Source: Mesos's HTTP endpoints, Mesos-DNS's API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from dcos.client.adminrouter.containers import Containers
from dcos.client.adminrouter.failures import ClientError
from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]


class Mesos:
    """``master`` and ``path``: where the leading master is, if not below ``/mesos`` of the cluster."""

    def __init__(self, transport: Transport, *, master: Transport | None = None, path: str = "/mesos") -> None:
        self._transport = transport
        self._master = master or transport
        self._path = path

    def state(self) -> Json:
        """The leading master's whole state."""
        found: Json = self._master.get(f"{self._path}/master/state")
        return found

    def masters(self) -> tuple[str, ...]:
        """Addresses of all masters, as Mesos-DNS knows them."""
        found = self._transport.get("/mesos_dns/v1/hosts/master.mesos")
        return tuple(sorted({str(one["ip"]) for one in found if one.get("ip")}))

    def public_addresses(self) -> dict[str, tuple[str, ...]]:
        """Private address to public ones; empty where the network service does not tell."""
        try:
            nodes = self._transport.get("/net/v1/nodes")
            return {str(one["private_ip"]): tuple(map(str, one.get("public_ips") or ())) for one in nodes}
        except (ClientError, KeyError, TypeError):
            return {}

    def hosts(self, name: str) -> list[Json]:
        """``{host, ip}`` each, of a name that Mesos-DNS serves."""
        return [one for one in self._transport.get(f"/mesos_dns/v1/hosts/{quote(name)}") if one.get("ip")]

    # ---- the operator API ----

    def call(self, kind: str, **body: Any) -> Json:
        """One call of the master's operator API; empty for one that answers with nothing."""
        wanted: Json = {"type": kind}
        if body:
            wanted[kind.lower()] = body
        found: Json | None = self._master.send("POST", f"{self._path}/api/v1", wanted)
        return found or {}

    def shut_down_framework(self, framework_id: str) -> None:
        self.call("TEARDOWN", framework_id={"value": framework_id})

    def agents(self) -> list[Json]:
        """As GET_AGENTS has them: ``agent_info``, ``active``, ``deactivated``, ``drain_info``."""
        return list(self.call("GET_AGENTS").get("get_agents", {}).get("agents", []))

    def roles(self) -> list[Json]:
        """``{name, weight, quota{limit, guarantee, consumed}, resources, frameworks}`` each."""
        return list(self._master.get(f"{self._path}/roles").get("roles", []))

    def update_quota(self, role: str, limits: dict[str, float], *, force: bool) -> None:
        """``limits``: cpus, mem and disk in MB, gpus; one that is left out is unlimited."""
        config = {"role": role, "limits": {name: {"value": value} for name, value in limits.items()}}
        self.call("UPDATE_QUOTA", force=force, quota_configs=[config])

    def remove_quota(self, role: str) -> None:
        self.call("REMOVE_QUOTA", role=role)

    def containers(self, agent_id: str) -> Containers:
        """Of one agent."""
        return Containers(self._transport, agent_id)

    # ---- an agent's files ----

    def download(self, agent_id: str, path: str) -> Iterator[bytes]:
        """A file, whole, in parts.   Errors: ClientError."""
        yield from self._transport.stream(f"/agent/{quote(agent_id)}/files/download", query={"path": path})

    def sandbox(self, agent_id: str, task: Json) -> str:
        """Path of a task's folder on its agent.   Errors: ClientError when the agent does not know the task."""
        state = self._transport.get(f"/agent/{quote(agent_id)}/state")
        executor_id = task.get("executor_id") or task["id"]
        for framework in [*state.get("frameworks", []), *state.get("completed_frameworks", [])]:
            if framework.get("id") != task.get("framework_id"):
                continue
            for executor in [*framework.get("executors", []), *framework.get("completed_executors", [])]:
                if executor.get("id") == executor_id:
                    own = f"/tasks/{task['id']}" if executor.get("type") == "DEFAULT" else ""
                    return f"{executor['directory']}{own}"
        raise ClientError(f"agent {agent_id} has no files of task {task['id']}")

    def file_size(self, agent_id: str, path: str) -> int:
        found = self._read(agent_id, path, -1, None)
        return int(found["offset"])

    def read_file(self, agent_id: str, path: str, offset: int, length: int) -> str:
        return str(self._read(agent_id, path, offset, length)["data"])

    def _read(self, agent_id: str, path: str, offset: int, length: int | None) -> Json:
        query: dict[str, Any] = {"path": path, "offset": offset}
        if length is not None:
            query["length"] = length
        found: Json = self._transport.get(f"/agent/{quote(agent_id)}/files/read", query=query)
        return found

    def browse(self, agent_id: str, path: str) -> list[Json]:
        found = self._transport.get(f"/agent/{quote(agent_id)}/files/browse", query={"path": path})
        return list(found)
