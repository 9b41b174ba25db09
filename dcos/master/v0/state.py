"""``/state``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dcos.master.core.state import State
from dcos.master.v0.agents import SHARED, AgentTexts, recovered_all
from dcos.master.v0.frameworks import listed
from dcos.master.v0.parts import Json, encode
from dcos.master.version import VERSION_INFO
from dcos.wire.spliced import Spliced


def whole(
    state: State,
    flags: Mapping[str, str] | None,
    cluster: str | None,
    texts: AgentTexts = SHARED,
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
    made.run([texts.short(one) for one in state.agents.values()])
    made.text(b'],"recovered_slaves":' + encode(recovered_all(state)))
    for name, given in ((b"frameworks", state.frameworks), (b"completed_frameworks", state.completed)):
        made.text(b',"%b":' % name)
        listed(made, given.values(), texts.viewer)
    made.text(b',"orphan_tasks":[],"unregistered_frameworks":[]}')
    return made
