"""``/exhibitor/v1/...``: what clients of Exhibitor know.

Almost all is GET, changes included. A path with ``/{host}`` asks the dcos-exhibitor of that master and wraps the answer.
Source: Exhibitor 1.7 REST; DC/OS's bootstrap and Curator's ensemble provider are its callers.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web

from dcos.exhibitor import fourletter
from dcos.exhibitor.activity import Activity
from dcos.exhibitor.core.ensemble import Ensemble, Member, ZooSettings
from dcos.exhibitor.core.monitor import Action, InstanceState, Watch
from dcos.exhibitor.explorer import Explorer
from dcos.exhibitor.membership import Membership
from dcos.exhibitor.resizer import Resizer, shown
from dcos.exhibitor.supervisor import Supervisor
from dcos.exhibitor.upkeep import Upkeep
from dcos.runtime import http
from dcos.runtime.tls import Caller, scheme

_PEER_S = 3.0
_WORD_S = 5.0
_SPOKEN_VERSION = "1.7.1"
"""The Exhibitor whose API this is."""
_FORM = "application/x-www-form-urlencoded"
_ACTIONS = {"start": Action.START, "stop": Action.STOP, "restart": Action.RESTART}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the API tells of, besides the supervisor's state."""

    own: Member
    ensemble: Ensemble
    settings: ZooSettings
    port: int
    check_period_s: float


_BASE = "/exhibitor/v1"
_STATUS = f"{_BASE}/cluster/status"


async def admits(request: web.Request, caller: Caller) -> bool:
    """Masters, to everything; any node's dcos-net, to who the masters are, which Admin Router tells anybody."""
    asks_for_masters = (request.method, request.path, caller.service) == ("GET", _STATUS, "dcos-net")
    return asks_for_masters or await http.masters_only(request, caller)


class Api:
    def __init__(
        self,
        about: About,
        membership: Membership,
        upkeep: Upkeep,
        explorer: Explorer,
        activity: Activity,
        session: aiohttp.ClientSession,
    ) -> None:
        self._about = about
        self._membership = membership
        self.supervisor: Supervisor | None = None
        """From the moment that it is decided how ZooKeeper begins."""
        self.resizer: Resizer | None = None
        self._upkeep = upkeep
        self._explorer = explorer
        self._activity = activity
        self._session = session

    def application(self) -> web.Application:
        app = http.application()
        app.router.add_get(_STATUS, self._status)
        app.router.add_get(f"{_BASE}/cluster/list", self._list)
        app.router.add_get(f"{_BASE}/config/get-state", self._config)
        app.router.add_get(f"{_BASE}/ensemble", self._ensemble)
        app.router.add_get(f"{_BASE}/index/get-backups", self._backups)
        app.router.add_get(f"{_BASE}/backups", self._backup_state)
        app.router.add_post(f"{_BASE}/backups", self._backup_now)
        self._explorer.add_routes(app, _BASE)
        for path, handler in (
            ("cluster/state", self._state),
            ("cluster/log", self._log),
            ("cluster/4ltr/{word}", self._word),
            ("cluster/{action:start|stop|restart}", self._action),
            ("cluster/set/{switch}/{value}", self._switch),
        ):
            app.router.add_get(f"{_BASE}/{path}", _plain(handler))
            app.router.add_get(f"{_BASE}/{path}/{{host}}", self._at(path, handler))
        return app

    @property
    def _watch(self) -> Watch:
        return Watch() if self.supervisor is None else self.supervisor.watch

    async def ask(self, host: str, path: str) -> Any:
        """What the dcos-exhibitor of a master, or we ourselves, answer at ``path``.

        Errors: aiohttp.ClientError, TimeoutError, OSError, ValueError.
        """
        if host == self._about.own.host and path == "ensemble":
            return self._ensemble_now()
        return await self._peer(host, path)

    # ---- one server ----

    async def _state(self, request: web.Request) -> Any:
        watch = self._watch
        return {
            "switches": {"restarts": watch.restarts, **self._upkeep.switches},
            "state": int(watch.state),
            "description": watch.state.description,
            "isLeader": watch.is_leader,
        }

    async def _log(self, request: web.Request) -> Any:
        return self._activity.text

    async def _word(self, request: web.Request) -> Any:
        word = request.match_info["word"]
        if word not in fourletter.WORDS:
            return "* unknown *"
        settings = self._about.settings
        return await fourletter.ask(settings.client_address, settings.client_port, word, timeout_s=_WORD_S)

    async def _action(self, request: web.Request) -> Any:
        if self.supervisor is None:
            return {"message": "ZooKeeper has not begun yet", "succeeded": False}
        self.supervisor.ask(_ACTIONS[request.match_info["action"]])
        return {"message": "OK", "succeeded": True}

    async def _switch(self, request: web.Request) -> Any:
        switch, value = request.match_info["switch"], request.match_info["value"]
        if switch == "restarts" and self.supervisor is None:
            return {"message": "ZooKeeper has not begun yet", "succeeded": False}
        if switch == "restarts" and self.supervisor is not None:
            self.supervisor.switch_restarts(value == "true")
        elif switch in self._upkeep.switches:
            self._upkeep.switches[switch] = value == "true"
        else:
            return {"message": "Not found", "succeeded": False}
        return {"message": "OK", "succeeded": True}

    # ---- the ensemble's members ----

    async def _ensemble(self, request: web.Request) -> web.Response:
        return http.json_response(self._ensemble_now())

    def _ensemble_now(self) -> dict[str, Any]:
        """Which ensemble is wanted, which there is as this server knows, its own state, and why it is not the wanted one yet."""
        known = shown(self._membership.current())
        waiting = self.resizer.waiting if self.resizer is not None else ""
        target = self._membership.target.spec
        return {
            "target": target,
            "id": self._membership.me.id,
            **known,
            "state": int(self._watch.state),
            "waiting": waiting,
        }

    # ---- backups ----

    async def _backups(self, request: web.Request) -> web.Response:
        """As Exhibitor lists them; dates in milliseconds."""
        found = self._upkeep.backups()
        return http.json_response([{"name": one.name, "modifiedDate": round(one.made * 1000)} for one in found])

    async def _backup_state(self, request: web.Request) -> web.Response:
        upkeep = self._upkeep
        found = [
            {"name": one.name, "made": one.made, "zxid": f"{one.last:x}", "size": one.size} for one in upkeep.backups()
        ]
        about = {"folder": str(upkeep.schedule.folder), "last_success": upkeep.last_success}
        return http.json_response({**about, "last_error": upkeep.last_error, "backups": found})

    async def _backup_now(self, request: web.Request) -> web.Response:
        name = await self._upkeep.backup()
        error = self._upkeep.last_error
        message = error or name or "nothing changed since the newest backup"
        return http.json_response({"message": message, "succeeded": not error})

    # ---- all servers ----

    async def _status(self, request: web.Request) -> web.Response:
        members = self._about.ensemble.members
        return http.json_response(await asyncio.gather(*(self._status_of(member, request) for member in members)))

    async def _status_of(self, member: Member, request: web.Request) -> dict[str, Any]:
        if member == self._about.own:
            answer = await self._state(request)
        else:
            try:
                answer = await self._peer(member.host, "cluster/state")
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                answer = {}
        code = answer.get("state", 1) if isinstance(answer, dict) else 1
        state = InstanceState(code) if code in tuple(InstanceState) else InstanceState.DOWN
        leads = isinstance(answer, dict) and answer.get("isLeader") is True
        return {"code": int(state), "description": state.description, "hostname": member.host, "isLeader": leads}

    async def _list(self, request: web.Request) -> web.Response:
        hosts, port = self._about.ensemble.hosts, self._about.settings.client_port
        if _FORM in request.headers.get("Accept", ""):
            pairs = [("count", len(hosts)), *((f"server{n}", host) for n, host in enumerate(hosts)), ("port", port)]
            return web.Response(text=urlencode(pairs), content_type=_FORM)
        return http.json_response({"servers": list(hosts), "port": port})

    async def _config(self, request: web.Request) -> web.Response:
        body = msgspec.json.encode(self._whole_state())
        etag = hashlib.sha256(body).hexdigest()[:32]
        quoted = f'"{etag}"'
        if quoted in (part.strip() for part in request.headers.get("If-None-Match", "").split(",")):
            return web.Response(status=304, headers={"ETag": quoted})
        return web.Response(body=body, content_type=http.JSON, headers={"ETag": quoted})

    def _whole_state(self) -> dict[str, Any]:
        about, watch = self._about, self._watch
        zoo, schedule = about.settings, self._upkeep.schedule
        config = {
            "rollInProgress": False,
            "rollStatus": "n/a",
            "rollPercentDone": 0,
            "hostname": about.own.host,
            "serverId": self._membership.me.id,
            "logIndexDirectory": "",
            "zookeeperInstallDirectory": "/usr/share/java",
            "zookeeperDataDirectory": zoo.snapshot_dir,
            "zookeeperLogDirectory": zoo.transaction_dir,
            "serversSpec": about.ensemble.spec,
            "javaEnvironment": "",
            "log4jProperties": "",
            "clientPort": zoo.client_port,
            "connectPort": zoo.connect_port,
            "electionPort": zoo.election_port,
            "checkMs": round(about.check_period_s * 1000),
            "cleanupPeriodMs": round(schedule.cleanup_period_s * 1000),
            "cleanupMaxFiles": schedule.keep,
            "backupPeriodMs": round(schedule.backup_period_s * 1000),
            "backupMaxStoreMs": round(schedule.backup_max_age_s * 1000),
            "autoManageInstances": 0,
            "autoManageInstancesSettlingPeriodMs": 0,
            "observerThreshold": 0,
            "autoManageInstancesFixedEnsembleSize": len(about.ensemble.members),
            "autoManageInstancesApplyAllAtOnce": 1,
            "zooCfgExtra": {
                "tickTime": str(zoo.tick_ms),
                "initLimit": str(zoo.init_limit),
                "syncLimit": str(zoo.sync_limit),
                "quorumListenOnAllIPs": "false",
            },
            "backupExtra": {"directory": str(schedule.folder)},
            "controlPanel": {"restarts": watch.restarts, **self._upkeep.switches},
        }
        return {
            "version": _SPOKEN_VERSION,
            "running": watch.running,
            "backupActive": schedule.backup_period_s > 0,
            "standaloneMode": self._membership.is_standalone,
            "extraHeadingText": "",
            "nodeMutationsAllowed": self._explorer.may_change,
            "config": config,
        }

    # ---- other masters ----

    def _at(self, path: str, handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
        async def answer(request: web.Request) -> web.Response:
            host = request.match_info["host"]
            if self._about.ensemble.member(host) is None:
                return _wrapped({}, f"{host} is not in the ensemble")
            try:
                if host == self._about.own.host:
                    return _wrapped(await handler(request))
                words = {key: value for key, value in request.match_info.items() if key != "host"}
                return _wrapped(await self._peer(host, _filled(path, words)))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                return _wrapped({}, str(error) or type(error).__name__)

        return answer

    async def _peer(self, host: str, path: str) -> Any:
        """Errors: aiohttp.ClientError, TimeoutError, OSError, ValueError."""
        at = f"[{host}]" if ":" in host else host
        timeout = aiohttp.ClientTimeout(total=_PEER_S)
        url = f"{scheme()}://{at}:{self._about.port}/exhibitor/v1/{path}"
        async with self._session.get(url, timeout=timeout, raise_for_status=True, allow_redirects=False) as answer:
            return json.loads(await answer.read())


def _filled(path: str, words: dict[str, str]) -> str:
    """``cluster/4ltr/{word}`` with its words in place. They matched our own route: no slashes among them."""
    if "{action:" in path:
        return f"cluster/{words['action']}"
    return path.format(**words)


def _plain(handler: Callable[[web.Request], Awaitable[Any]]) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return http.json_response(await handler(request))

    return answer


def _wrapped(response: Any, error: str = "") -> web.Response:
    return http.json_response({"response": response, "errorMessage": error, "success": not error})
