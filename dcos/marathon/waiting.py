"""``waits`` and ``explanation``, for those who ask by ``embed=waits``: an extension, left out where nothing is waited for."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from dcos.marathon.core import explain
from dcos.marathon.leader import Leader
from dcos.model.marathon_state import Deployment

Json = dict[str, Any]


def asked(request: web.Request) -> bool:
    """An extension must be: there are clients that refuse members that they do not know."""
    return any(word.rpartition(".")[2] == "waits" for word in request.query.getall("embed", []))


def of_spec(leader: Leader, spec_id: str) -> Json:
    """Of an app or pod."""
    found = explain.waits(leader.state, leader.core.settings, spec_id, leader.now())
    if not found:
        return {}
    return {"waits": [explain.wait_json(one) for one in found], "explanation": explain.sentence(found)}


def of_deployment(leader: Leader, deployment: Deployment) -> Json:
    """Of all that it changes: each reason says of which app or pod."""
    listed, said = [], []
    for spec_id in sorted(deployment.affected):
        found = explain.waits(leader.state, leader.core.settings, spec_id, leader.now())
        listed += [{"app": spec_id, **explain.wait_json(one)} for one in found]
        if found:
            said.append(f"{spec_id}: {explain.sentence(found)}")
    return {"waits": listed, "explanation": ". ".join(said)} if listed else {}
