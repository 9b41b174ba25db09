"""The process driver: the same services and table as plain processes on loopback, no nodes needed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from dcos.testing.cluster import LocalCluster, eventually, http

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def plain() -> Iterator[LocalCluster]:
    made = LocalCluster("e2e-plain")
    made.down()
    try:
        made.up(driver="process")
        yield made
    finally:
        made.down()


def hello(cluster: LocalCluster) -> bool:
    url = cluster.facts["url"]
    reply = http(
        f"{url}/acs/api/v1/auth/login",
        method="POST",
        body={"uid": cluster.facts["admin"], "password": cluster.password},
    )
    answer = http(f"{url}/service/hello-world/", token=reply.json()["token"])
    return answer.status == 200 and "Hello" in answer.text


def test_hello_world_answers_and_status_is_healthy(plain: LocalCluster) -> None:
    eventually("hello-world answers", lambda: hello(plain), within_s=60)
    eventually("dcos status is 0", plain.healthy, within_s=60)


def test_a_killed_service_is_restarted(plain: LocalCluster) -> None:
    units = plain.facts["units"]["master1"]
    pid = units["dcos-marathon.service"]["pid"]
    os.kill(pid, signal.SIGKILL)

    def again() -> bool:
        plain._seen.clear()
        now = plain.facts["units"]["master1"]["dcos-marathon.service"]
        return bool(now["active_state"] == "active" and now["pid"] not in (0, pid))

    eventually("marathon runs again", again, within_s=60)
    eventually("hello-world answers", lambda: hello(plain), within_s=60)


def test_down_leaves_nothing(plain: LocalCluster) -> None:
    root = plain.facts["folder"]
    plain.down()
    assert not os.path.exists(root)
    with pytest.raises(OSError, match="refused"):
        http(f"{plain.facts['url']}/")
