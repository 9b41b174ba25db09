"""Marathon through Admin Router.   Source: Marathon's v2 API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from dcos.client.adminrouter.failures import NotFound, Refused
from dcos.client.adminrouter.transport import Transport

Json = dict[str, Any]
DEFAULT_PATH: Final = "/service/marathon"
DEPLOYMENT_HEADER: Final = "marathon-deployment-id"
"""In lower case, as replies have them."""


class Marathon:
    """``path``: where it is below the cluster's URL."""

    def __init__(self, transport: Transport, *, path: str = DEFAULT_PATH) -> None:
        self._transport = transport
        self._path = path

    def _app(self, app_id: str, rest: str = "") -> str:
        return f"{self._path}/v2/apps/{quote(app_id.strip('/'))}{rest}"

    def _get(self, path: str, **query: Any) -> Any:
        return self._transport.get(self._path + path, query=query)

    def _send(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self._transport.send(method, path, body, query=query)

    def info(self) -> Json:
        found: Json = self._get("/v2/info")
        return found

    def ping(self) -> str:
        """What it says."""
        return str(self._get("/ping"))

    def leader(self) -> str:
        """host:port.   Errors: NotFound."""
        return str(self._get("/v2/leader")["leader"])

    def abdicate(self) -> str:
        """Let another instance lead; what it says to that."""
        return str(self._send("DELETE", f"{self._path}/v2/leader")["message"])

    def plugins(self) -> list[Json]:
        return list(self._get("/v2/plugins")["plugins"])

    # ---- apps ----

    def apps(self) -> list[Json]:
        return list(self._get("/v2/apps", embed=["apps.counts", "apps.deployments", "apps.extensions"])["apps"])

    def app(self, app_id: str, version: str | None = None, *, waits: bool = False) -> Json:
        """``waits``: with what it waits for.   Errors: NotFound."""
        if version is not None:
            query = {"embed": ["extensions"]}
            old: Json = self._transport.get(self._app(app_id, f"/versions/{version}"), query=query)
            return old
        embed = ["extensions", *(["waits"] if waits else [])]
        found: Json = self._transport.get(self._app(app_id), query={"embed": embed})["app"]
        return found

    def autoscaling(self, spec_id: str, *, pod: bool = False) -> Json:
        """What an app's or a ``pod``'s autoscaling decided lately (an extension).   Errors: NotFound."""
        path = self._pod(spec_id, "::autoscaling") if pod else self._app(spec_id, "/autoscaling")
        found: Json = self._transport.get(path)
        return found

    def has_app(self, app_id: str) -> bool:
        try:
            self.app(app_id)
        except NotFound:
            return False
        return True

    def create_app(self, app: Json) -> Json:
        """The created app; its ``deployments`` name what was begun."""
        created: Json = self._send("POST", f"{self._path}/v2/apps", app)
        return created

    def update_app(self, app_id: str, change: Json, *, force: bool) -> str:
        """The deployment's id."""
        return str(self._send("PUT", self._app(app_id), change, force=_flag(force))["deploymentId"])

    def put_apps(self, apps: Sequence[Json], *, force: bool) -> str:
        """Create or change them all, in one deployment, whose id it is."""
        done = self._send("PUT", f"{self._path}/v2/apps", list(apps), force=_flag(force))
        return str(done["deploymentId"])

    def remove_app(self, app_id: str, *, force: bool) -> str:
        """The deployment's id. Without ``force`` Marathon's own default decides, as upstream's client leaves it."""
        done = self._send("DELETE", self._app(app_id), **({"force": "true"} if force else {}))
        return str((done or {}).get("deploymentId", ""))

    def restart_app(self, app_id: str, *, force: bool) -> str:
        return str(self._send("POST", self._app(app_id, "/restart"), force=_flag(force))["deploymentId"])

    def kill_app_tasks(self, app_id: str, *, host: str | None, scale: bool) -> Json:
        """``{"tasks": [...]}`` or, scaling, a deployment."""
        query = {"scale": "true"} if scale else {"host": host or "*"}
        done: Json = self._send("DELETE", self._app(app_id, "/tasks"), **query)
        return done

    def versions(self, app_id: str) -> list[str]:
        """Newest first."""
        return list(self._transport.get(self._app(app_id, "/versions"))["versions"])

    # ---- pods ----

    def _pod(self, pod_id: str, rest: str = "") -> str:
        return f"{self._path}/v2/pods/{quote(pod_id.strip('/'))}{rest}"

    def pods(self) -> list[Json]:
        """The status of each."""
        return list(self._get("/v2/pods/::status"))

    def pod(self, pod_id: str, *, waits: bool = False) -> Json:
        """Its status.   Errors: NotFound."""
        found: Json = self._transport.get(self._pod(pod_id, "::status"), query={"embed": ["waits"]} if waits else None)
        return found

    def create_pod(self, pod: Json) -> str:
        """The deployment's id."""
        reply = self._transport.request("POST", f"{self._path}/v2/pods", body=pod)
        return reply.headers.get(DEPLOYMENT_HEADER, "")

    def update_pod(self, pod_id: str, pod: Json, *, force: bool) -> str:
        """Replace it whole; the deployment's id."""
        reply = self._transport.request("PUT", self._pod(pod_id), body=pod, query={"force": _flag(force)})
        return reply.headers.get(DEPLOYMENT_HEADER, "")

    def remove_pod(self, pod_id: str, *, force: bool) -> str:
        """The deployment's id."""
        reply = self._transport.request("DELETE", self._pod(pod_id), query={"force": _flag(force)})
        return reply.headers.get(DEPLOYMENT_HEADER, "")

    def kill_pod_instances(self, pod_id: str, instance_ids: Sequence[str]) -> None:
        self._send("DELETE", self._pod(pod_id, "::instances"), list(instance_ids))

    def pod_spec(self, pod_id: str) -> Json:
        """Its definition.   Errors: NotFound."""
        found: Json = self._transport.get(self._pod(pod_id), query={"embed": ["extensions"]})
        return found

    # ---- tasks, deployments, queue ----

    def tasks(self, app_id: str | None = None) -> list[Json]:
        path = f"{self._path}/v2/tasks" if app_id is None else self._app(app_id, "/tasks")
        return list(self._transport.get(path)["tasks"])

    def kill_tasks(self, ids: tuple[str, ...], *, scale: bool = False, wipe: bool = False) -> Json:
        query = {key: "true" for key, wanted in (("scale", scale), ("wipe", wipe)) if wanted}
        done: Json = self._send("POST", f"{self._path}/v2/tasks/delete", {"ids": list(ids)}, **query)
        return done

    def deployments(self) -> list[Json]:
        return list(self._get("/v2/deployments", embed=["waits"]))

    def stop_deployment(self, deployment_id: str) -> None:
        """Leave things as they are."""
        self._send("DELETE", f"{self._path}/v2/deployments/{quote(deployment_id)}", force="true")

    def roll_back_deployment(self, deployment_id: str) -> Json:
        """Undo; the answer names the new deployment."""
        done: Json = self._send("DELETE", f"{self._path}/v2/deployments/{quote(deployment_id)}", force="false")
        return done

    def _group(self, group_id: str, rest: str = "") -> str:
        return f"{self._path}/v2/groups/{quote(group_id.strip('/'))}{rest}".replace("//", "/")

    def group(self, group_id: str, version: str | None = None) -> Json:
        """With everything in it.   Errors: NotFound."""
        path = self._group(group_id, f"/versions/{version}" if version is not None else "")
        found: Json = self._transport.get(path, query={"embed": ["extensions"]})
        return found

    def group_versions(self, group_id: str) -> list[str]:
        """Newest first."""
        return list(self._transport.get(self._group(group_id, "/versions")))

    def create_group(self, group: Json) -> str:
        """The deployment's id."""
        return str(self._send("POST", f"{self._path}/v2/groups", group)["deploymentId"])

    def update_group(self, group_id: str, change: Json, *, force: bool) -> str:
        return str(self._send("PUT", self._group(group_id), change, force=_flag(force))["deploymentId"])

    def remove_group(self, group_id: str, *, force: bool) -> str:
        """The deployment's id."""
        done = self._send("DELETE", self._group(group_id), force=_flag(force))
        return str((done or {}).get("deploymentId", ""))

    def switch_group(self, live: str, idle: str, *, force: bool = False) -> str:
        """Let the group ``idle`` take over from ``live`` (an extension); the id of the deployment."""
        return self.update_group(live, {"switchTo": "/" + idle.strip("/")}, force=force)

    def steer_deployment(self, deployment_id: str, action: str) -> Json:
        """``pause``, ``continue``, ``promote`` or ``abort`` (an extension)."""
        path = f"{self._path}/v2/deployments/{quote(deployment_id)}"
        done: Json = self._send("PUT", path, {"action": action})
        return done

    def reset_delay(self, app_id: str) -> None:
        """Let an app that failed often be tried at once.   Errors: NotFound."""
        self._send("DELETE", f"{self._path}/v2/queue/{quote(app_id.strip('/'))}/delay")

    def queue(self, *, offers: bool = False) -> list[Json]:
        """What waits to be launched; ``offers``: with the last one of each agent that was no use."""
        return list(self._get("/v2/queue", embed=["waits", *(["lastUnusedOffers"] if offers else [])])["queue"])


def is_locked(error: Refused) -> bool:
    """Whether another deployment holds what was to be changed."""
    return error.status == 409 and "deployments" in error.body


def _flag(value: bool) -> str:
    return "true" if value else "false"
