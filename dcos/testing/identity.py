"""A front door with identity and secrets before a ``MesosCluster``: bouncer, secret store and Admin Router as processes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import argon2

from dcos.install.tree import AGENT_ACCOUNT, AGENT_RIGHTS, ROUTER_ACCOUNT, ROUTER_RIGHTS
from dcos.testing import zookeeper
from dcos.testing.cluster import Answer, http
from dcos.testing.mesos_cluster import MesosCluster
from dcos.testing.ports import free_port
from dcos.wire import jwt

ADMIN, PASSWORD = "admin", "open sesame"


def why_not() -> str | None:
    """Why such a cluster cannot run here."""
    if shutil.which("nginx") is None:
        return "no nginx on PATH (nginx-light)"
    return zookeeper.why_not()


@dataclass
class GuardedCluster(MesosCluster):
    """``folder`` has to be passable for nginx's user."""

    ports: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def port(self, name: str) -> int:
        return self.ports.setdefault(name, free_port())

    @property
    def etc(self) -> Path:
        return self.folder / "opt/mesosphere/etc"

    def start_identity(self, *router_flags: str) -> None:
        """Bouncer with a first superuser and the agents' account, the secret store, and the front door before all."""
        metadata = self.folder / "opt/mesosphere/active/dcos-metadata/etc"
        for made in (self.etc, metadata, self.folder / "var/lib/dcos"):
            made.mkdir(parents=True, exist_ok=True)
        (self.etc / "dcos-version.json").write_text('{"version": "3.0.0"}')
        (self.folder / "var/lib/dcos/cluster-id").write_text("the-id\n")
        hashed = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
        self._private("bouncer-bootstrap-user.json", json.dumps({"uid": ADMIN, "password_hash": hashed}))
        accounts = [
            self._account(AGENT_ACCOUNT, AGENT_RIGHTS, "agent-account.json"),
            self._account(ROUTER_ACCOUNT, ROUTER_RIGHTS, "router-account.json"),
        ]
        self._private("bouncer-service-accounts.json", json.dumps(accounts))
        self._private("bouncer-zookeeper", "dcos_bouncer:one\n")
        self._private("secrets-zookeeper", "dcos_secrets:two\n")
        self._private("secrets-key", base64.b64encode(os.urandom(32)).decode() + "\n")
        environ = {"DCOS_ROOT": str(self.folder)}
        zk = self.zookeeper.url
        self.add(
            "bouncer", "dcos.iam", f"--zk={zk}/dcos/iam", f"--port={self.port('bouncer')}",
            f"--zk_credentials_file={self.etc / 'bouncer-zookeeper'}", environ=environ,
        )  # fmt: skip
        self.add(
            "secrets", "dcos.secrets", f"--zk={zk}/dcos-secrets", f"--port={self.port('secrets')}",
            f"--zk_credentials_file={self.etc / 'secrets-zookeeper'}", f"--key_file={self.etc / 'secrets-key'}",
            f"--bouncer=http://127.0.0.1:{self.port('bouncer')}", environ=environ,
        )  # fmt: skip
        names = ("bouncer", "secrets", "marathon", "metronome", "cosmos")
        upstreams = ",".join(f"dcos-{name}=127.0.0.1:{self.port(name)}" for name in names)
        self.add(
            "router", "dcos.adminrouter", "--role=master", "--ip=127.0.0.1", f"--zk={zk}/mesos",
            f"--http_port={self.port('router')}", f"--https_port={self.port('router-tls')}",
            f"--upstreams={upstreams}", f"--service_account_credential={self.etc / 'router-account.json'}",
            "--cache_first_poll_delay=0.2", "--events_poll_period=1", "--access_log=off",
            *router_flags, environ=environ,
        )  # fmt: skip
        self.eventually("login", lambda: self.log_in(ADMIN, PASSWORD))

    def start_catalog(self) -> None:
        """The package catalog, which asks for permissions."""
        self.add(
            "cosmos", "dcos.catalog", f"--zk={self.zookeeper.url}/cosmos",
            f"--httpInterface=127.0.0.1:{self.port('cosmos')}", f"--marathonUri=http://127.0.0.1:{self.port('marathon')}",
            f"--adminRouterUri=http://127.0.0.1:{self.port('router')}", "--security=permissive",
            f"--bouncer=http://127.0.0.1:{self.port('bouncer')}",
        )  # fmt: skip

    def start_guarded_mesos(self, *agent_flags: str) -> None:
        """Master and agent that ask for permissions; the agent asks at the front door."""
        self.start_mesos(
            "--security=permissive",
            f"--identity_url=https://leader.mesos:{self.port('router-tls')}",
            *agent_flags,
            master_flags=("--security=permissive", f"--bouncer=http://127.0.0.1:{self.port('bouncer')}"),
        )

    def agent_flags(self) -> tuple[str, ...]:
        """With which an agent reads secrets."""
        return (f"--service_account_credential={self.etc / 'agent-account.json'}",)

    def _account(self, uid: str, rights: tuple[str, ...], file: str) -> dict[str, Any]:
        """A service account as bouncer makes it; its credential goes to ``file``."""
        key = jwt.generate_key()
        endpoint = f"https://leader.mesos:{self.port('router-tls')}/acs/api/v1/auth/login"
        credential = {"uid": uid, "private_key": jwt.private_pem(key), "login_endpoint": endpoint}
        self._private(file, json.dumps(credential))
        permissions = [{"rid": rid, "action": "read"} for rid in rights]
        return {"uid": uid, "public_key": jwt.public_pem(key.public_key()), "permissions": permissions}

    def _private(self, name: str, text: str) -> None:
        (self.etc / name).write_text(text)
        (self.etc / name).chmod(0o600)

    def log_in(self, uid: str, password: str) -> str:
        """A token, kept for ``through``.   Errors: OSError."""
        reply = self.through("POST", "/acs/api/v1/auth/login", {"uid": uid, "password": password}, uid=None)
        if reply.status != 200:
            raise OSError(f"login: {reply.status} {reply.text}")
        self.tokens[uid] = str(reply.json()["token"])
        return self.tokens[uid]

    def grant(self, uid: str, rid: str, *actions: str) -> None:
        """Give an account a permission."""
        escaped = rid.replace("/", "%252F")
        self.through("PUT", f"/acs/api/v1/acls/{escaped}", {"description": ""})
        for action in actions:
            reply = self.through("PUT", f"/acs/api/v1/acls/{escaped}/users/{uid}/{action}")
            if reply.status != 204:
                raise OSError(f"grant {rid} {action} to {uid}: {reply.status} {reply.text}")

    def through(self, method: str, path: str, body: Any = None, *, uid: str | None = ADMIN) -> Answer:
        """One request at the front door, as somebody who logged in."""
        token = self.tokens[uid] if uid is not None else None
        return http(f"http://127.0.0.1:{self.port('router')}{path}", token=token, method=method, body=body)


@contextmanager
def guarded(name: str, markers: Collection[str] = ()) -> Iterator[GuardedCluster]:
    """A cluster in a folder of its own that nginx's user can pass, with nothing started but ZooKeeper.

    ``markers``: of the processes of tasks, which end with it.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"dcos-{name}-"))
    folder.chmod(0o755)
    try:
        with zookeeper.ensemble(folder / "zk") as ensemble:
            made = GuardedCluster(folder, ensemble)
            try:
                yield made
            finally:
                made.end(list(markers))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def guarded_scheduler(name: str, markers: Collection[str] = ()) -> Iterator[GuardedCluster]:
    """A guarded cluster with Mesos and ``dcos-<name>``, Marathon or Metronome, which ask for permissions.

    ``markers``: of the processes of tasks, which end with it.
    """
    with guarded(f"{name}-rights", markers) as made:
        made.start_identity("--security=permissive")
        made.start_guarded_mesos()
        zk = made.zookeeper.url
        made.add(
            name, f"dcos.{name}", f"--master={zk}/mesos", f"--zk={zk}/{name}",
            "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={made.port(name)}",
            "--mesos_user=", "--min_revive_offers_interval=500", "--security=permissive",
            f"--bouncer=http://127.0.0.1:{made.port('bouncer')}",
        )  # fmt: skip
        yield made
