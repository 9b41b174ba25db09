"""``/state`` and ``/state-summary``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from dcos.master.core.census import OnAgent
from dcos.master.core.state import State
from dcos.master.core.viewer import ALL, Viewer
from dcos.master.v0.agents import fragments, recovered_all
from dcos.master.v0.frameworks import framework_head, listed
from dcos.master.v0.parts import Json, encode
from dcos.master.version import VERSION_INFO
from dcos.wire.spliced import Spliced

COUNTED = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)

_COUNTS = b",".join(b'"%b":%%d' % name.encode() for name in COUNTED)


def whole(
    state: State,
    flags: Mapping[str, str] | None,
    cluster: str | None,
    viewer: Viewer = ALL,
    logs: Mapping[str, str] = MappingProxyType({}),
) -> Spliced:
    """``flags`` None: hidden from the asker. ``logs``: ``log_dir`` and ``external_log_file`` where they are set."""
    info = state.info
    active = sum(one.active for one in state.agents.values())
    out: Json = dict(VERSION_INFO)
    out["start_time"] = state.started
    if state.elected is not None:
        out["elected_time"] = state.elected
    out |= {
        "id": info.id,
        "pid": info.pid,
        "hostname": info.hostname,
        "capabilities": [one.type or "QUOTA_V2" for one in info.capabilities],
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(state.agents) - active),
        "unreachable_slaves": float(len(state.unreachable)),
        "leader": info.pid,
        "leader_info": {"id": info.id, "pid": info.pid, "port": info.port, "hostname": info.hostname},
    }
    if info.domain is not None:
        out["domain"] = info.domain
        out["leader_info"]["domain"] = info.domain
    if cluster is not None:
        out["cluster"] = cluster
    out |= logs
    if flags is not None:
        out["flags"] = flags
    made = Spliced(encode(out)[:-1], b',"slaves":[')
    made.run(fragments(state.agents.values(), viewer))
    made.text(b'],"recovered_slaves":' + encode(recovered_all(state)))
    for name, given in ((b"frameworks", state.frameworks), (b"completed_frameworks", state.completed)):
        made.text(b',"%b":' % name)
        listed(made, given.values(), viewer)
    made.text(b',"orphan_tasks":[],"unregistered_frameworks":[]}')
    return made


def summary(state: State, cluster: str | None, viewer: Viewer = ALL) -> Spliced:
    """Numbers come from the census: what nothing happened to since the last time is as it was made then."""
    shown: list[Json] = []
    for record in state.frameworks.values():
        if not viewer.framework(record.info):
            continue
        counted = state.census.of(record.id)
        if counted.ready is None:
            counted.ready = encode([*counted.agents])
        head = framework_head(record)
        head.update((name, counted.states.get(name, 0)) for name in COUNTED)
        head["slave_ids"] = msgspec.Raw(counted.ready)
        shown.append(head)
    ends = [numbers_ready(state.census.on(machine.id)) for machine in state.agents.values()]
    made = fragments(state.agents.values(), viewer)
    out: Json = {"hostname": state.info.hostname}
    if cluster is not None:
        out["cluster"] = cluster
    whole = Spliced(encode(out)[:-1], b',"slaves":[')
    whole.run([one[:-1] + end for one, end in zip(made, ends, strict=True)])
    whole.text(b'],"frameworks":%b}' % encode(shown))
    return whole


def numbers_ready(here: OnAgent) -> bytes:
    """How the JSON of an agent ends in the summary."""
    if here.ready is None:
        states = here.states()
        counts = _COUNTS % tuple([states.get(name, 0) for name in COUNTED])
        here.ready = b',%b,"framework_ids":%b}' % (counts, encode([*here.frameworks]))
    return here.ready
