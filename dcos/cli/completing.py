"""What a shell may complete besides words of commands: ids that the cluster knows now.

Nobody waits long while typing: a service has 2 s to answer, trouble means no suggestions, and what was answered is good for a few
seconds (in ``completion.json`` beside the cluster's configuration, readable by its owner only).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

import click

from dcos.cli.config_store import ConfigError
from dcos.cli.context import Context
from dcos.client.adminrouter.failures import ClientError

if TYPE_CHECKING:
    from dcos.client.adminrouter.transport import Transport

LIMIT_S: Final = 2.0
GOOD_FOR_S: Final = 5.0
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def _completer(kind: str, ask: Callable[[Context, Transport], Iterable[str]]) -> Completer:
    """``ask`` gives all ids; those that begin as what was typed are suggested."""

    def complete(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
        context = ctx.find_object(Context) or Context()
        try:
            return sorted(one for one in _known(context, kind, ask) if one.startswith(typed))
        except (ClientError, ConfigError, KeyError, TypeError, ValueError, OSError):
            return []

    return complete


def _known(context: Context, kind: str, ask: Callable[[Context, Transport], Iterable[str]]) -> list[str]:
    kept, now = _kept(context), time.time()
    at, ids = kept.get(kind, (0.0, []))
    if 0 <= now - at < GOOD_FOR_S:
        return list(map(str, ids))
    with context.transport_of(context.cluster, timeout_s=LIMIT_S) as transport:
        found = sorted(ask(context, transport))
    _keep(context, {**kept, kind: (now, found)})
    return found


def _kept(context: Context) -> dict[str, tuple[float, list[str]]]:
    """Kind to when it was asked for and what was answered."""
    try:
        kept = json.loads((context.cluster.folder / "completion.json").read_text(encoding="utf-8"))
        return {str(kind): (float(at), list(ids)) for kind, (at, ids) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _keep(context: Context, kept: dict[str, tuple[float, list[str]]]) -> None:
    from dcos.runtime.files import write_atomic

    write_atomic(context.cluster.folder / "completion.json", json.dumps(kept), mode=0o600)


def _apps(context: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get(f"{_marathon(context)}/v2/apps")["apps"])


def _pods(context: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get(f"{_marathon(context)}/v2/pods"))


def _groups(context: Context, transport: Transport) -> Iterable[str]:
    waiting = list(transport.get(f"{_marathon(context)}/v2/groups", query={"embed": "group.groups"}).get("groups", []))
    while waiting:
        one = waiting.pop()
        waiting += one.get("groups", [])
        yield str(one["id"])


def _deployments(context: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get(f"{_marathon(context)}/v2/deployments"))


def _jobs(_: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get("/service/metronome/v1/jobs"))


def _state(transport: Transport) -> dict[str, Any]:
    found: dict[str, Any] = transport.get("/mesos/master/state")
    return found


def _tasks(_: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for framework in _state(transport)["frameworks"] for one in framework["tasks"])


def _frameworks(_: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get("/mesos/state-summary")["frameworks"])


def _agents(_: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get("/mesos/state-summary")["slaves"])


def _packages(_: Context, transport: Transport) -> Iterable[str]:
    from dcos.client.adminrouter.cosmos import Cosmos

    return (str(one["name"]) for one in Cosmos(transport).search(None)["packages"])


def _bundles(_: Context, transport: Transport) -> Iterable[str]:
    return (str(one["id"]) for one in transport.get("/system/health/v1/diagnostics"))


def _marathon(context: Context) -> str:
    """Path of the cluster's own Marathon; another one (``marathon.url``) is not asked."""
    if context.cluster.values.get("marathon.url"):
        raise ConfigError("another Marathon is not asked")
    return "/service/marathon"


apps: Final = _completer("apps", _apps)
pods: Final = _completer("pods", _pods)
specs: Final = _completer("specs", lambda context, transport: [*_apps(context, transport), *_pods(context, transport)])
groups: Final = _completer("groups", _groups)
deployments: Final = _completer("deployments", _deployments)
jobs: Final = _completer("jobs", _jobs)
anything: Final = _completer(
    "anything",
    lambda context, transport: [
        *_apps(context, transport),
        *_pods(context, transport),
        *_jobs(context, transport),
    ],
)
tasks: Final = _completer("tasks", _tasks)
frameworks: Final = _completer("frameworks", _frameworks)
agents: Final = _completer("agents", _agents)
packages: Final = _completer("packages", _packages)
bundles: Final = _completer("bundles", _bundles)


def clusters(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Names and ids of clusters on this machine."""
    try:
        known = (ctx.find_object(Context) or Context()).store.clusters()
    except ConfigError:
        return []
    return sorted(text for one in known for text in {one.name, one.id} if text.startswith(typed))


def config_keys(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Keys that mean something, and those that are set."""
    from dcos.cli.config_store import KEYS

    try:
        used = set((ctx.find_object(Context) or Context()).cluster.values)
    except ConfigError:
        used = set()
    return sorted(key for key in {*KEYS, *used} if key.startswith(typed))


def plugins(ctx: click.Context, _: click.Parameter, typed: str) -> list[str]:
    """Names of the plugins that are there."""
    from dcos.cli.plugins.store import PluginStore

    try:
        known = PluginStore((ctx.find_object(Context) or Context()).cluster).plugins()
    except ConfigError:
        return []
    return [one.name for one in known if one.name.startswith(typed)]
