"""The catalog with permissions behind a real front door: it does for each account what that account may do itself."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest

from dcos.client.adminrouter.cosmos import Cosmos
from dcos.client.adminrouter.failures import Refused
from dcos.client.adminrouter.transport import Transport
from dcos.testing.identity import GuardedCluster, guarded_scheduler, why_not
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
_DOOR = "dcos:adminrouter:package"
_SPEC = "dcos:service:marathon:marathon:services:"
_TEARDOWN = "dcos:mesos:master:framework:principal"


@pytest.fixture(scope="module")
def cluster() -> Iterator[GuardedCluster]:
    with guarded_scheduler("marathon") as made:
        made.start_catalog()
        for uid in ("dev", "outsider"):
            assert made.through("PUT", f"/acs/api/v1/users/{uid}", {"password": "a password"}).status == 201
            made.log_in(uid, "a password")
        for rid in (_DOOR, f"{_SPEC}/dev", "dcos:adminrouter:service:marathon"):
            made.grant("dev", rid, "full")
        made.eventually("Marathon leads", lambda: made.through("GET", "/service/marathon/v2/apps").status == 200)
        made.eventually("Cosmos answers", lambda: made.through("GET", "/capabilities").status == 200)
        yield made


@contextmanager
def catalog(cluster: GuardedCluster, uid: str, at: str = "router") -> Iterator[Cosmos]:
    """As somebody sees it: at the front door, or at ``cosmos`` itself."""
    url = f"http://127.0.0.1:{cluster.port(at)}"
    with Transport(url, token=cluster.tokens.get(uid, uid), timeout_s=PATIENCE_S) as transport:
        yield Cosmos(transport)


def service(cluster: GuardedCluster, uid: str, verb: str, app_id: str) -> Any:
    """What the catalog says of an app, or of a change to it that changes nothing."""
    kind = f"application/vnd.dcos.service.{verb}-%s+json;charset=utf-8;version=v1"
    headers = {"Content-Type": kind % "request", "Accept": kind % "response"}
    body = {"appId": app_id} | ({"options": {}, "replace": False} if verb == "update" else {})
    with Transport(f"http://127.0.0.1:{cluster.port('router')}", token=cluster.tokens[uid]) as transport:
        return transport.send("POST", f"/cosmos/service/{verb}", body, headers=headers)


def refusal(ask: Callable[[], Any], status: int = 403) -> Refused:
    with pytest.raises(Refused) as caught:
        ask()
    assert caught.value.status == status, caught.value
    return caught.value


def test_groups_are_the_callers(cluster: GuardedCluster) -> None:
    with catalog(cluster, "dev") as dev, catalog(cluster, "admin") as admin:

        def called(app_id: str) -> dict[str, Any]:
            return {"service": {"name": app_id.strip("/"), "instances": 0}}

        refused = refusal(lambda: dev.install("hello-world", None, called("/prod/hello"), None))
        why = f"dev needs the permission {_SPEC}/prod/hello with action create"
        assert refused.body["type"] == "Forbidden"
        assert refused.body["data"] == {"serviceName": "marathon", "reason": why}
        assert refused.message.endswith(why)

        assert admin.install("hello-world", None, called("/prod/hello"), None)["appId"] == "/prod/hello"
        assert dev.install("hello-world", None, called("/dev/hello"), None)["appId"] == "/dev/hello"
        assert [one["appId"] for one in dev.list(None, None)["packages"]] == ["/dev/hello"]
        assert {one["appId"] for one in admin.list(None, None)["packages"]} == {"/dev/hello", "/prod/hello"}

        refusal(lambda: dev.uninstall("hello-world", "/prod/hello", False), 400)  # it sees no such app
        for verb in ("describe", "update"):
            refused = refusal(lambda verb=verb: service(cluster, "dev", verb, "/prod/hello"))  # type: ignore[misc]
            assert f"{_SPEC}/prod/hello with action read" in refused.body["data"]["reason"]
            assert service(cluster, "admin", verb, "/prod/hello")["package"]["name"] == "hello-world"
        dev.uninstall("hello-world", "/dev/hello", False)
        cluster.eventually(
            "one goes", lambda: [one["appId"] for one in admin.list(None, None)["packages"]] == ["/prod/hello"]
        )
        admin.uninstall("hello-world", "/prod/hello", False)


@contextmanager
def registered(cluster: GuardedCluster, name: str, principal: str) -> Iterator[None]:
    """A framework, as long as its connection stands."""
    with contextlib.closing(HTTPConnection("127.0.0.1", cluster.master_port, timeout=PATIENCE_S)) as connection:
        info = {"user": "root", "name": name, "principal": principal, "failover_timeout": 3600}
        call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request("POST", "/api/v1/scheduler", json.dumps(call), headers)
        assert connection.getresponse().status == 200
        yield


def test_a_framework_is_ended_for_those_alone_who_may(cluster: GuardedCluster) -> None:
    """An app can claim, by its labels, to be the scheduler of any framework."""
    labels = {"DCOS_PACKAGE_NAME": "claims", "DCOS_PACKAGE_VERSION": "1", "DCOS_PACKAGE_FRAMEWORK_NAME": "data"}
    app = {"id": "/dev/claims", "cmd": "true", "instances": 0, "cpus": 0.1, "mem": 16, "labels": labels}
    assert cluster.through("POST", "/service/marathon/v2/apps", app, uid="dev").status == 201
    there = "/service/marathon/v2/apps/dev/claims"

    def frameworks() -> set[str]:
        shown = cluster.ask_at(cluster.master_port, "GET", "/state-summary")["frameworks"]
        return {one["name"] for one in shown if one["active"]}

    with registered(cluster, "data", "of-data"), catalog(cluster, "dev") as dev:
        cluster.eventually("it is registered", lambda: "data" in frameworks())
        refused = refusal(lambda: dev.uninstall("claims", None, False))
        assert refused.body["data"]["reason"] == f"dev needs the permission {_TEARDOWN}:of-data with action delete"
        assert "data" in frameworks()
        assert cluster.through("GET", there, uid="dev").status == 200, "nothing was done"

        cluster.grant("dev", f"{_TEARDOWN}:of-data", "delete")
        cluster.eventually("the grant is known", lambda: _done(lambda: dev.uninstall("claims", None, False)))
        cluster.eventually("that one alone is ended", lambda: frameworks() == {"marathon"})
    cluster.eventually("the app is gone", lambda: cluster.through("GET", there, uid="dev").status == 404)


def _done(ask: Callable[[], Any]) -> bool:
    try:
        ask()
    except Refused:
        return False
    return True


def test_the_catalogs_own_door(cluster: GuardedCluster) -> None:
    with catalog(cluster, "outsider") as outsider:
        assert _DOOR in refusal(outsider.repositories).message
    with catalog(cluster, "outsider", at="cosmos") as outsider:
        why = f"outsider needs the permission {_DOOR} with action full"
        asks: list[Callable[[], Any]] = [
            outsider.repositories,
            lambda: outsider.add_repository("Mine", "http://127.0.0.1:9/repo", None),
            lambda: outsider.remove_repository("Universe"),
            lambda: outsider.search(None),
            lambda: outsider.install("hello-world", None, None, None),
        ]
        for ask in asks:
            refused = refusal(ask)
            assert refused.body["data"] == {"serviceName": "cosmos", "reason": why}
    for token in ("", "no token"):
        with catalog(cluster, token, at="cosmos") as nobody:
            assert refusal(nobody.repositories, 401).body["type"] == "Unauthorized"
    with catalog(cluster, "dev", at="cosmos") as dev:
        assert [one["name"] for one in dev.repositories()["repositories"]] == ["Universe"]
        refusal(lambda: dev.install("hello-world", None, None, "/prod/hello"))
    assert cluster.ask_at(cluster.port("cosmos"), "GET", "/capabilities")


def test_a_service_that_may_not_be_asked(cluster: GuardedCluster) -> None:
    """One that cleans up after itself is asked at the front door, which has permissions of its own."""
    labels = {"DCOS_PACKAGE_NAME": "tidy", "DCOS_PACKAGE_VERSION": "1", "DCOS_COMMONS_UNINSTALL": "true"}
    app = {"id": "/dev/tidy", "cmd": "true", "instances": 0, "cpus": 0.1, "mem": 16, "labels": labels}
    assert cluster.through("POST", "/service/marathon/v2/apps", app, uid="dev").status == 201
    with catalog(cluster, "dev") as dev:
        refused = refusal(lambda: dev.uninstall("tidy", None, False))
    assert refused.body["data"]["serviceName"] == "/dev/tidy"
    assert "the permission dcos:adminrouter:service:dev" in refused.body["data"]["reason"]
    assert cluster.through("DELETE", "/service/marathon/v2/apps/dev/tidy", uid="dev").status == 200
