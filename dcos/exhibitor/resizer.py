"""Carries out what ``core/resizing.py`` plans: brings the ensemble to the wanted one.

All masters of the wanted ensemble must want the same; then the first of them that is a member and serves takes the steps.
Each is a compare-and-set on the configuration's version, so that two who both think they are the first do no harm.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from dcos.exhibitor.activity import Activity
from dcos.exhibitor.core import dynamic
from dcos.exhibitor.core.dynamic import Known, bracketed
from dcos.exhibitor.core.ensemble import Ensemble, ZooSettings
from dcos.exhibitor.core.monitor import InstanceState
from dcos.exhibitor.core.resizing import Wait, next_step, renumbered, same_servers
from dcos.exhibitor.membership import Membership, Peer, ensemble_of
from dcos.store.base import StoreError
from dcos.store.zookeeper import read_configuration, reconfigure

_LONGEST_S = 20.0


class Resizer:
    """``run`` is the loop; ``waiting`` says why it does not go on, empty if there is nothing to do."""

    def __init__(
        self, membership: Membership, settings: ZooSettings, ask: Peer, activity: Activity, period_s: float
    ) -> None:
        self.waiting = ""
        self._membership = membership
        self._settings = settings
        self._ask = ask
        self._activity = activity
        self._period_s = period_s

    async def run(self) -> None:
        """For as long as the process runs."""
        while True:
            await asyncio.sleep(self._period_s)
            reason = await self._step()
            if reason and reason != self.waiting:
                self._activity.info(
                    "ensemble_waits", f"the ensemble is not {self._membership.target.spec} yet: {reason}"
                )
            self.waiting = reason

    async def _step(self) -> str:
        """Why it does not go on; empty: it did, or there is nothing to do."""
        target, own, current = self._membership.target, self._membership.own, self._membership.current()
        if current is None or same_servers(current.ensemble, target):
            return ""
        hosts = dict.fromkeys((*target.hosts, *current.ensemble.hosts))
        asked = await asyncio.gather(*(ensemble_of(self._ask, host) for host in hosts))
        answers: dict[str, dict[str, Any] | None] = dict(zip(hosts, asked, strict=True))
        for host in target.hosts:
            answer = answers[host]
            if answer is None:
                return f"dcos-exhibitor at {host} does not answer"
            if answer["target"] != target.spec:
                return f"{host} wants {answer['target']}"
        running = [host for host, one in answers.items() if one is not None and one["state"] == InstanceState.SERVING]
        able = [one.host for one in target.members if one.host in running and current.ensemble.member(one.host)]
        if not able:
            return "no server that stays serves"
        if able[0] != own.host:
            return f"{able[0]} takes the steps"
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await self._change(
                    running, {host: one["id"] for host, one in answers.items() if one is not None}
                )
        except (StoreError, TimeoutError) as error:
            return str(error) or "ZooKeeper does not answer"

    async def _change(self, running: list[str], ids: dict[str, int]) -> str:
        """``ids``: those that servers started with, by host."""
        settings = self._settings
        address = f"{bracketed(settings.client_address)}:{settings.client_port}"
        credentials = ("super", self._membership.password())
        known = dynamic.parse((await read_configuration(address, credentials)).decode())
        if known is None:
            return "ZooKeeper does not tell its configuration"
        comes = tuple(replace(one, id=ids[one.host]) for one in self._membership.target.members)
        step = next_step(known.ensemble, renumbered(known.ensemble, Ensemble(comes)), running)
        if step is None:
            return ""
        if isinstance(step, Wait):
            return step.reason
        lines = dynamic.lines(step.members, settings.connect_port, settings.election_port)
        self._activity.info("ensemble_changes", f"{step.text}: the ensemble becomes {step.members.spec}")
        await reconfigure(address, credentials, lines, known.version)
        return ""


def shown(known: Known | None) -> dict[str, str]:
    """For the API."""
    return {"members": "" if known is None else known.ensemble.spec, "version": f"{known.version if known else 0:x}"}
