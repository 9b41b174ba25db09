"""What is about the instance itself: /ping, /metrics, /v2/info, /v2/leader, /v2/events, /v2/plugins, /logging, /config,
and the description of the API."""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from dcos.marathon import backup, description
from dcos.marathon.api import SERVICE, body_of, common_headers, flag, state_of
from dcos.runtime import documents
from dcos.runtime.http import json_response
from dcos.runtime.settings import flag_texts
from dcos.wire import marathon as wire

VERSION = "1.11.0"
"""The Marathon whose API this is; clients compare it."""
HEARTBEAT_S = 10.0
_LEVELS = {"trace": "DEBUG", "debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR", "off": "CRITICAL"}
_MOST_SECONDS = 86400


def add_routes(app: web.Application) -> None:
    for path, handler in (
        ("/", _root),
        ("/ping", _ping),
        ("/metrics", _metrics),
        ("/metrics/prometheus", _prometheus),
        ("/v2/info", _info),
        ("/v2/leader", _leader),
        ("/v2/events", _events),
        ("/v2/plugins", _plugins),
        ("/logging", _levels),
        ("/config", _config),
    ):
        app.router.add_get(path, handler)
    app.router.add_delete("/v2/leader", _abdicate)
    app.router.add_post("/logging", _set_level)
    app.router.add_route("*", "/v2/plugins/{id}{path:.*}", _plugin)
    documents.add_routes(app, description.PREFIX, description.made)


async def _root(request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": "/ui/"})


async def _ping(request: web.Request) -> web.StreamResponse:
    accept = request.headers.get("Accept", "*/*")
    if "*/*" in accept or "text/plain" in accept or "text/*" in accept:
        return web.Response(text="pong")
    if "application/json" in accept or "application/*" in accept:
        return json_response("pong")
    return web.Response(status=204)


async def _metrics(request: web.Request) -> web.StreamResponse:
    return json_response(request.app[SERVICE].metrics.json())


async def _prometheus(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    if not service.config.metrics_prometheus:
        raise wire.not_found("Prometheus metrics are not enabled: --metrics_prometheus")
    return web.Response(body=service.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _info(request: web.Request) -> web.StreamResponse:
    service = request.app[SERVICE]
    config = service.config
    state = state_of(request)
    return json_response(
        {
            "name": config.framework_name,
            "version": VERSION,
            "buildref": "unknown",
            "elected": service.leader is not None,
            "leader": service.leading,
            "frameworkId": state.framework_id,
            "marathon_config": {
                "master": _without_credentials(config.master),
                "failover_timeout": int(config.failover_timeout),
                "framework_name": config.framework_name,
                "checkpoint": config.checkpoint,
                "local_port_min": config.local_port_min,
                "local_port_max": config.local_port_max,
                "hostname": config.hostname,
                "webui_url": config.webui_url,
                "mesos_role": config.mesos_role,
                "mesos_user": config.mesos_user,
                "mesos_leader_ui_url": config.mesos_leader_ui_url,
                "mesos_bridge_name": config.mesos_bridge_name,
                "default_network_name": config.default_network_name,
                "env_vars_prefix": config.env_vars_prefix or None,
                "task_launch_timeout": int(config.task_launch_timeout * 1000),
                "task_launch_confirm_timeout": int(config.task_launch_confirm_timeout * 1000),
                "reconciliation_initial_delay": int(config.reconciliation_initial_delay * 1000),
                "reconciliation_interval": int(config.reconciliation_interval * 1000),
                "min_revive_offers_interval": int(config.min_revive_offers_interval * 1000),
                "decline_offer_duration": int(config.decline_offer_duration * 1000),
                "max_instances_per_offer": config.max_instances_per_offer,
                "new_group_enforce_role": config.new_group_enforce_role,
                "leader_proxy_connection_timeout_ms": int(config.leader_proxy_connection_timeout * 1000),
                "leader_proxy_read_timeout_ms": int(config.leader_proxy_read_timeout * 1000),
                "features": list(config.enable_features),
                "executor": "//cmd",
                "ha": True,
            },
            "zookeeper_config": {
                "zk": _without_credentials(config.zk),
                "zk_timeout": int(config.zk_session_timeout * 1000),
                "zk_session_timeout": int(config.zk_session_timeout * 1000),
                "zk_connection_timeout": int(config.zk_session_timeout * 1000),
                "zk_max_versions": config.zk_max_versions,
                "zk_compression": True,
                "zk_compression_threshold": 4096,
            },
            "http_config": {
                "http_port": config.http_port,
                "https_port": config.https_port if service.secured else None,
            },
        }
    )


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.rpartition("@")[2] if separator else url


async def _leader(request: web.Request) -> web.StreamResponse:
    leading = request.app[SERVICE].leading
    if leading is None:
        raise wire.not_found("There is no leader")
    return json_response({"leader": leading})


async def _abdicate(request: web.Request) -> web.StreamResponse:
    """With ``backup`` or ``restore`` the next leader does that first."""
    service = request.app[SERVICE]
    wish = backup.Wish(backup=request.query.get("backup"), restore=request.query.get("restore"))
    try:
        for location in (wish.backup, wish.restore):
            if location is not None:
                backup.path_of(location)
    except backup.BadLocation as error:
        raise wire.refused(str(error)) from error
    if wish != backup.Wish():
        await service.wish(wish)
    asyncio.get_running_loop().call_later(0.5, service.abdicate)
    return json_response({"message": "Leadership abdicated"})


async def _plugins(request: web.Request) -> web.StreamResponse:
    return json_response({"plugins": []})


async def _plugin(request: web.Request) -> web.StreamResponse:
    raise wire.not_found(f"No plugin with this pluginId: {request.match_info['id']}")


async def _events(request: web.Request) -> web.StreamResponse:
    """Server-sent events until the client goes, is too slow, or we lose leadership."""
    service = request.app[SERVICE]
    if "text/event-stream" not in request.headers.get("Accept", ""):
        return json_response({"message": "HTTP 405 Method Not Allowed"}, status=405, headers={"Allow": "GET"})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    common_headers(service, request, response)
    await response.prepare(request)
    address = request.remote or ""
    kinds = request.query.getall("event_type", [])
    subscriber = service.bus.attach(kinds, address, extensions=flag(request, "extensions"))
    try:
        while not subscriber.overrun.is_set():
            try:
                frame = await asyncio.wait_for(subscriber.queue.get(), HEARTBEAT_S)
            except TimeoutError:
                frame = b"\r\n"
            await response.write(frame)
    except ConnectionResetError:
        pass
    finally:
        service.bus.detach(subscriber, address)
    return response


# ---- logging and configuration ---------------------------------------------------------------------------------------


class _Level(msgspec.Struct, frozen=True, kw_only=True):
    logger: str
    level: str
    durationSeconds: int | None = None


async def _levels(request: web.Request) -> web.StreamResponse:
    """The level of each logger that has one of its own."""
    found = {"ROOT": logging.getLogger().level} | {
        name: one.level
        for name, one in logging.root.manager.loggerDict.items()
        if isinstance(one, logging.Logger) and one.level
    }
    return json_response({name: logging.getLevelName(level) for name, level in sorted(found.items())})


async def _set_level(request: web.Request) -> web.StreamResponse:
    """For ``durationSeconds``, or until told otherwise."""
    asked = wire.read(await body_of(request), _Level)
    if asked.level.lower() not in _LEVELS:
        raise wire.refused(f"level: '{asked.level}' is none of {', '.join(_LEVELS)}")
    if asked.durationSeconds is not None and not 0 < asked.durationSeconds <= _MOST_SECONDS:
        raise wire.refused(f"durationSeconds: must be between 1 and {_MOST_SECONDS}")
    logger = logging.getLogger(None if asked.logger == "ROOT" else asked.logger)
    before = logger.level
    logger.setLevel(_LEVELS[asked.level.lower()])
    if asked.durationSeconds is not None:
        asyncio.get_running_loop().call_later(asked.durationSeconds, logger.setLevel, before)
    return json_response({"logger": asked.logger, "level": asked.level, "durationSeconds": asked.durationSeconds})


async def _config(request: web.Request) -> web.StreamResponse:
    """The settings in effect; secrets are left out."""
    texts = flag_texts(request.app[SERVICE].config)
    return json_response({name: _without_credentials(value) for name, value in texts.items()})
