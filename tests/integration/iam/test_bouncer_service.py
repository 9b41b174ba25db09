"""dcos-bouncer as a process against a real ZooKeeper."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from dcos.testing import zookeeper
from dcos.testing.cluster import Answer, eventually, http
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.wire import jwt

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(zookeeper.why_not() is not None, reason=str(zookeeper.why_not())),
]
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("secret")


class Bouncer:
    """One process."""

    def __init__(self, folder: Path, hosts: str) -> None:
        self.port = free_port()
        etc = folder / "opt/mesosphere/etc"
        etc.mkdir(parents=True)
        (etc / "bouncer-bootstrap-user.json").write_text(json.dumps({"uid": "admin", "password_hash": HASH}))
        credentials = folder / "credentials"
        credentials.write_text("dcos_bouncer:wonderland\n")
        argv = [
            sys.executable,
            "-c",
            "import sys; from dcos.iam.service import main; sys.exit(main())",
            f"--zk=zk://{hosts}/dcos/iam",
            f"--zk_credentials_file={credentials}",
            "--zk_session_timeout=6secs",
            f"--port={self.port}",
        ]
        environ = {**os.environ, "DCOS_ROOT": str(folder)}
        self.process = subprocess.Popen(argv, env=environ, stderr=subprocess.PIPE, text=True)

    def ask(self, path: str, *, method: str = "GET", body: object = None) -> Answer:
        return http(f"http://127.0.0.1:{self.port}/acs/api/v1{path}", method=method, body=body)

    def login(self, password: str) -> Answer:
        return self.ask("/auth/login", method="POST", body={"uid": "admin", "password": password})

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors


def _logs_in(master: Bouncer) -> bool:
    return master.login("secret").status == 200


@pytest.fixture
def zk(tmp_path: Path) -> Iterator[zookeeper.ZooKeeperServer]:
    server = zookeeper.ZooKeeperServer(tmp_path / "zk")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_two_masters_sign_alike_and_outlive_zookeeper(tmp_path: Path, zk: zookeeper.ZooKeeperServer) -> None:
    masters = [Bouncer(tmp_path / name, zk.hosts) for name in ("one", "two")]
    try:
        for master in masters:
            eventually("the first user logs in", functools.partial(_logs_in, master), within_s=PATIENCE_S)
        sets = [master.ask("/auth/jwks").json() for master in masters]
        assert sets[0] == sets[1]
        token = str(masters[0].login("secret").json()["token"])
        assert jwt.verify(token, jwt.from_jwks(sets[1]), 0).uid == "admin"

        assert masters[0].ask("/users/bob", method="PUT", body={"password": "secret"}).status == 201
        assert masters[1].ask("/users/bob").status == 200

        stranger = KazooClient(hosts=zk.hosts)
        stranger.start()
        with pytest.raises(NoAuthError):
            stranger.get("/dcos/iam/keys/signing")
        stranger.stop()
        stranger.close()

        zk.kill()
        assert masters[0].ask("/auth/jwks").json() == sets[0]
        zk.start()
        eventually("accounts are known again", lambda: masters[1].ask("/users/bob").status == 200, within_s=PATIENCE_S)
        assert masters[1].login("wrong").status == 401
    finally:
        ends = [master.end() for master in masters]
    assert [code for code, _ in ends] == [0, 0]
    for _, errors in ends:
        assert "secret" not in errors
        assert "wonderland" not in errors
