"""A framework that is no part of the cluster, in mode strict."""

from __future__ import annotations

from dcos.runtime.clock import SystemClock
from dcos.testing.cluster import LocalCluster
from dcos.testing.framework_over_https import Framework
from dcos.wire import jwt

RIGHTS = (
    ("dcos:adminrouter:ops:mesos", "full"),
    ("dcos:mesos:master:framework:role:outside", "create"),
    ("dcos:mesos:master:task:user:root", "create"),
)


def runs_from_outside(cluster: LocalCluster, root: str) -> None:
    """It comes through the front door with a service account's token; its executor asks the agent's port over TLS, with its own
    token. ``root``: of the authority that vouches for the front door."""
    admin, key, door = cluster.token(), jwt.generate_key(), str(cluster.facts["url"])
    url = f"{door}/acs/api/v1"
    account = {"description": "A framework", "public_key": jwt.public_pem(key.public_key())}
    assert cluster.http(f"{url}/users/outside", token=admin, method="PUT", body=account).status == 201
    for rid, action in RIGHTS:
        cluster.http(f"{url}/acls/{rid}", token=admin, method="PUT", body={"description": ""})
        granted = cluster.http(f"{url}/acls/{rid}/users/outside/{action}", token=admin, method="PUT")
        assert granted.status == 204, granted.text
    proof = {"uid": "outside", "token": jwt.sign("outside", int(SystemClock().now()) + 300, key)}
    login = cluster.http(f"{url}/auth/login", method="POST", body=proof)
    assert login.status == 200, login.text
    framework = Framework(door.removeprefix("https://"), root, str(login.json()["token"]), role="outside")
    states = cluster.space.inside(framework.run_one) if cluster.space else framework.run_one()
    assert states == ["launched", "TASK_RUNNING", "TASK_FINISHED"]
