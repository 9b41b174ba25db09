"""Metronome with permissions behind a real front door: what each account sees and may change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dcos.testing.identity import GuardedCluster, guarded_scheduler, why_not

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]
_JOBS = "dcos:service:metronome:metronome:jobs"


@pytest.fixture
def cluster() -> Iterator[GuardedCluster]:
    with guarded_scheduler("metronome") as made:
        yield made


def test_each_account_has_its_own_jobs(cluster: GuardedCluster) -> None:
    for uid, rid, action in (("dev", f"{_JOBS}:dev", "full"), ("looker", _JOBS, "read")):
        assert cluster.through("PUT", f"/acs/api/v1/users/{uid}", {"password": "a password"}).status == 201
        cluster.grant(uid, "dcos:adminrouter:service:metronome", "full")
        cluster.grant(uid, rid, action)
        cluster.log_in(uid, "a password")

    def ask(uid: str, method: str, path: str, body: object = None) -> int:
        return cluster.through(method, f"/service/metronome{path}", body, uid=uid).status

    def seen(uid: str) -> set[str]:
        return {one["id"] for one in cluster.through("GET", "/service/metronome/v1/jobs", uid=uid).json()}

    cluster.eventually("Metronome leads", lambda: ask("admin", "GET", "/v1/jobs") == 200)
    with pytest.raises(OSError, match="401"):
        cluster.ask_at(cluster.port("metronome"), "GET", "/v1/jobs")
    assert cluster.ask_at(cluster.port("metronome"), "GET", "/ping") == b"pong"

    def job(name: str) -> dict[str, object]:
        return {"id": name, "run": {"cmd": "true", "cpus": 0.1, "mem": 32, "disk": 0}}

    assert ask("admin", "POST", "/v1/jobs", job("prod.nightly")) == 201
    refused = cluster.through("POST", "/service/metronome/v1/jobs", job("prod.mine"), uid="dev")
    assert (refused.status, f"dev needs the permission {_JOBS}:prod:mine with action create" in refused.text) == (
        403,
        True,
    )
    assert ask("dev", "POST", "/v1/jobs", job("developers")) == 403
    assert ask("dev", "POST", "/v1/jobs", {}) == 403
    assert ask("dev", "POST", "/v1/jobs", job("dev.nightly")) == 201
    assert ask("looker", "POST", "/v1/jobs", job("dev.more")) == 403
    assert seen("admin") == seen("looker") == {"prod.nightly", "dev.nightly"}
    assert seen("dev") == {"dev.nightly"}
    for method, path in (
        ("GET", "/v1/jobs/prod.nightly"),
        ("PUT", "/v1/jobs/prod.nightly"),
        ("DELETE", "/v1/jobs/prod.nightly"),
        ("POST", "/v1/jobs/prod.nightly/runs"),
        ("GET", "/v1/jobs/prod.nightly/runs"),
        ("PUT", "/v0/scheduled-jobs/prod.nightly"),
    ):
        assert ask("dev", method, path, {} if method in ("PUT", "POST") else None) == 403, (method, path)
    assert ask("looker", "POST", "/v1/jobs/dev.nightly/runs", {}) == 403
    assert ask("dev", "POST", "/v1/jobs/dev.nightly/runs", {}) == 201
    assert ask("dev", "GET", "/v1/queue") == 200
    assert ask("dev", "GET", "/info") == 200
    assert ask("dev", "DELETE", "/v1/jobs/dev.nightly?stopCurrentJobRuns=true") == 200
