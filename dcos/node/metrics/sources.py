"""Who is asked on this node, and under which names its answers go on.

Source: Telegraf's inputs mesos, prometheus, zookeeper and http as DC/OS 2.x configures them, with their tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from dcos.node.core.exposition import Family
from dcos.node.core.points import Container, Point

_MOST_BYTES = 64 << 20
_WHOSE_S = 60.0
_TYPES = {"counter": "counter", "gauge": "gauge", "histogram": "histogram", "summary": "summary"}
_LABELS = ("DCOS_SERVICE_NAME",)
"""Of a task's labels those that its series carry, as upstream."""


class SourceAway(Exception):
    """It does not answer, or nothing that can be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """``kind``: mesos, prometheus, mntr (ZooKeeper by Exhibitor) or exhibitor. ``prefix`` goes before the names of series."""

    kind: str
    url: str
    tags: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""


@dataclass(slots=True)
class Answer:
    points: list[Point] = field(default_factory=list)
    families: dict[str, Family] = field(default_factory=dict)


class Asking:
    def __init__(self, session: aiohttp.ClientSession, named: Mapping[str, str]) -> None:
        """``named``: headers for Mesos."""
        self._session = session
        self._named = named
        self._whose: dict[str, Container] = {}
        self._looked_at = 0.0

    async def ask(self, source: Source, now: float) -> Answer:
        """Errors: SourceAway."""
        raw = await self._get(source.url, self._named if source.kind == "mesos" else {})
        try:
            match source.kind:
                case "mesos":
                    return Answer([_mesos(msgspec.json.decode(raw), source.tags, now)])
                case "mntr":
                    return Answer([_mntr(msgspec.json.decode(raw, type=str), source.tags, now)])
                case "exhibitor":
                    return Answer(_exhibitor(msgspec.json.decode(raw), source.tags, now))
                case _:
                    return Answer(families=_scraped(raw.decode(), source))
        except (msgspec.MsgspecError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise SourceAway(f"{source.url}: {error}") from error

    async def containers(self, agent: str, now: float) -> dict[str, tuple[Container, Mapping[str, Any]]]:
        """Containers of the agent at that URL and what they use, by id. Whose they are is asked when there is a new one, for
        the agent's whole state may be long.   Errors: SourceAway."""
        told = await self._decoded(f"{agent}/containers", list[_Usage])
        if {one.container_id for one in told} - self._whose.keys() or now - self._looked_at > _WHOSE_S:
            self._whose = _whose(await self._decoded(f"{agent}/state", _State))
            self._looked_at = now
        return {one.container_id: (self._whose.get(one.container_id) or one.alone(), one.statistics) for one in told}

    async def _decoded(self, url: str, kind: type[Any]) -> Any:
        try:
            return msgspec.json.decode(await self._get(url, self._named), type=kind)
        except msgspec.MsgspecError as error:
            raise SourceAway(f"{url}: {error}") from error

    async def _get(self, url: str, headers: Mapping[str, str]) -> bytes:
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise SourceAway(f"{url}: status {answer.status}")
                body = await answer.content.read(_MOST_BYTES)
                while len(body) < _MOST_BYTES and (more := await answer.content.read(_MOST_BYTES - len(body))):
                    body += more
                return body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SourceAway(f"{url}: {error or type(error).__name__}") from error


def _mesos(told: Any, tags: Mapping[str, str], now: float) -> Point:
    """``master/uptime_secs`` becomes ``mesos_master_uptime_secs``; ``state`` says whether this master leads."""
    more = {}
    if "master/elected" in told:
        more["state"] = "leader" if told["master/elected"] else "standby"
    return Point("mesos", {key: float(value) for key, value in told.items()}, {**tags, **more}, "untyped", now)


def _mntr(text: str, tags: Mapping[str, str], now: float) -> Point:
    """Lines ``zk_avg_latency<tab>0``."""
    fields, more = {}, {}
    for line in text.splitlines():
        key, _, value = line.partition("\t")
        name = key.removeprefix("zk_")
        if name == "server_state":
            more["state"] = value.strip()
            continue
        try:
            fields[name] = float(value)
        except ValueError:
            continue
    if not fields:
        raise ValueError("ZooKeeper tells nothing")
    return Point("zookeeper", fields, {**tags, **more}, "untyped", now)


def _exhibitor(told: Any, tags: Mapping[str, str], now: float) -> list[Point]:
    return [
        Point(
            "exhibitor_status",
            {"code": float(one["code"]), "isleader": float(one["isLeader"])},
            {**tags, "exhibitor_address": str(one["hostname"])},
            "untyped",
            now,
        )
        for one in told
    ]


def _scraped(text: str, source: Source) -> dict[str, Family]:
    found: dict[str, Family] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = source.prefix + sample.name
            # the parser takes the end off the names of counters; their series have it
            of = source.prefix + (sample.name if family.type == "counter" else family.name)
            kept = found.setdefault(of, Family(_TYPES.get(family.type, "untyped"), family.documentation or of))
            kept.samples.append((name, {**sample.labels, **source.tags}, float(sample.value)))
    return found


# ---- whose a container is --------------------------------------------------------------------------------------------


class _Usage(msgspec.Struct):
    """Of ``/containers``."""

    container_id: str
    executor_id: str = ""
    executor_name: str = ""
    framework_id: str = ""
    source: str = ""
    statistics: dict[str, Any] = {}

    def alone(self) -> Container:
        return Container(
            self.container_id,
            framework_id=self.framework_id,
            executor_id=self.executor_id,
            executor_name=self.executor_name,
            source=self.source,
        )


class _Label(msgspec.Struct):
    key: str
    value: str = ""


class _Task(msgspec.Struct):
    id: str
    name: str = ""
    labels: list[_Label] = []


class _Executor(msgspec.Struct):
    id: str
    container: str = ""
    name: str = ""
    source: str = ""
    tasks: list[_Task] = []
    queued_tasks: list[_Task] = []


class _Framework(msgspec.Struct):
    id: str
    name: str = ""
    role: str = ""
    principal: str = ""
    executors: list[_Executor] = []


class _State(msgspec.Struct):
    frameworks: list[_Framework] = []


def _whose(state: _State) -> dict[str, Container]:
    """By the id of the executor's container. A task is named where it is the only one: then the container is its own."""
    found = {}
    for framework in state.frameworks:
        for executor in framework.executors:
            task = executor.tasks[0] if len(executor.tasks) == 1 else None
            labels = {one.key: one.value for one in task.labels if one.key in _LABELS} if task is not None else {}
            found[executor.container] = Container(
                executor.container,
                framework_id=framework.id,
                framework_name=framework.name,
                framework_role=framework.role,
                framework_principal=framework.principal,
                executor_id=executor.id,
                executor_name=executor.name,
                source=executor.source,
                task_id=task.id if task is not None else "",
                task_name=task.name if task is not None else "",
                labels=labels,
            )
    return found
