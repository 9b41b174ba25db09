"""``dcos security`` through a real Admin Router, bouncer and secret store."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.testing.identity import ADMIN, PASSWORD, GuardedCluster, guarded, why_not
from dcos.testing.patience import PATIENCE_S

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


ROOT = Path(__file__).parents[3]


class Cli:
    """The command in a process of its own, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str, stdin: bytes = b"", check: int | None = 0) -> tuple[bytes, str]:
        environ = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DCOS_DIR": str(self.folder / ".dcos"),
            "DCOS_NEW_PASSWORD": "for bob",
        }
        argv = [sys.executable, "-c", "import sys; from dcos.cli.main import main; sys.exit(main())", *words]
        ended = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=60, check=False, env=environ, cwd=self.folder
        )
        assert check is None or ended.returncode == check, (words, ended)
        return ended.stdout, ended.stderr.decode()

    def security(self, *words: str, stdin: bytes = b"", check: int | None = 0) -> tuple[bytes, str]:
        return self.run("security", *words, stdin=stdin, check=check)


@pytest.fixture(scope="module")
def cluster() -> Iterator[GuardedCluster]:
    with guarded("security") as made:
        made.start_identity()
        made.start_mesos()
        yield made


@pytest.fixture
def cli(cluster: GuardedCluster, tmp_path: Path) -> Cli:
    made = Cli(tmp_path)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    url = f"http://127.0.0.1:{cluster.port('router')}"
    cluster.eventually("a master", lambda: cluster.through("GET", "/mesos/state-summary").status == 200)
    made.run("cluster", "setup", url, f"--username={ADMIN}", f"--password-file={tmp_path / 'password'}")
    return made


def test_secrets(cli: Cli) -> None:
    (cli.folder / "key.bin").write_bytes(bytes(range(256)))
    (cli.folder / "note.txt").write_text("a note\n")
    cli.security("secrets", "create", "-f", "key.bin", "dev/key")
    cli.security("secrets", "create", "--text-file", "note.txt", "/dev/note")
    cli.security("secrets", "create", "-t", "-", "top", stdin=b"typed")
    assert cli.security("secrets", "get", "dev/key")[0] == bytes(range(256)) + b"\n"
    assert cli.security("secrets", "get", "dev/note")[0] == b"a note\n"
    assert json.loads(cli.security("secrets", "get", "--json", "top")[0]) == {"value": "typed"}
    assert cli.security("secrets", "list", "/")[0] == b"- dev/key\n- dev/note\n- top\n"
    assert cli.security("secrets", "list", "dev")[0] == b"- key\n- note\n"
    cli.security("secrets", "update", "-v", "changed", "top")
    assert cli.security("secrets", "get", "top")[0] == b"changed\n"
    assert "secret already exists" in cli.security("secrets", "create", "-v", "x", "top", check=1)[1]
    cli.security("secrets", "delete", "top")
    assert "secret not found" in cli.security("secrets", "get", "top", check=1)[1]
    assert "a value is needed" in cli.security("secrets", "create", "top", check=1)[1]
    assert b"default  zookeeper  true         false" in cli.security("cluster", "secret-store")[0].lower()


def test_accounts_groups_and_permissions(cli: Cli, cluster: GuardedCluster) -> None:
    cli.security("org", "users", "create", "bob", "-d", "Bob")
    cli.security("org", "groups", "create", "devs", "-d", "Developers")
    cli.security("org", "groups", "add_user", "devs", "bob")
    cli.security("org", "groups", "grant", "devs", "dcos:secrets:default:/team/*", "full")
    cli.security("org", "users", "grant", "bob", "dcos:secrets:list:default:/team", "read")
    shown = cli.security("org", "users", "show", "bob")[0].decode()
    assert "dcos:secrets:default:/team/*" in shown
    assert "devs" in shown
    assert b"bob" in cli.security("org", "groups", "members", "devs")[0]
    assert set(json.loads(cli.security("org", "groups", "show", "--json")[0])) == {"devs", "superusers"}

    cluster.log_in("bob", "for bob")
    made = cluster.through("PUT", "/secrets/v1/secret/default/team/one", {"value": "1"}, uid="bob")
    assert made.status == 201, made
    assert cluster.through("GET", "/secrets/v1/secret/default/team?list=true", uid="bob").json() == {"array": ["one"]}
    refused = cluster.through("GET", "/secrets/v1/secret/default/other/one", uid="bob")
    assert (refused.status, "dcos:secrets:default:/other/one with action read" in refused.text) == (403, True)

    cli.security("org", "groups", "revoke", "devs", "dcos:secrets:default:/team/*", "full")
    cluster.eventually(
        "the right is gone",
        lambda: cluster.through("GET", "/secrets/v1/secret/default/team/one", uid="bob").status == 403,
        within_s=PATIENCE_S,
    )
    cli.security("org", "groups", "del_user", "devs", "bob")
    cli.security("org", "groups", "delete", "devs")
    cli.security("org", "users", "delete", "bob")
    assert "not known" in cli.security("org", "users", "show", "bob", check=1)[1]
    assert "ERR" not in cli.security("org", "groups", "show", "devs", check=1)[1]


def test_service_accounts_log_in_with_what_is_stored_for_them(cli: Cli) -> None:
    cli.security("org", "service-accounts", "keypair", "private.pem", "public.pem")
    assert stat.S_IMODE((cli.folder / "private.pem").stat().st_mode) == 0o600
    assert "private.pem" in cli.security("org", "service-accounts", "keypair", "private.pem", "p", check=1)[1]
    cli.security("org", "service-accounts", "create", "-p", "public.pem", "scheduler")
    assert b"scheduler" in cli.security("org", "service-accounts", "show")[0]
    cli.security("secrets", "create-sa-secret", "--strict", "private.pem", "scheduler", "scheduler/account")
    stored = json.loads(cli.security("secrets", "get", "scheduler/account")[0])
    assert stored["login_endpoint"] == "https://leader.mesos/acs/api/v1/auth/login"
    assert (stored["uid"], stored["scheme"]) == ("scheduler", "RS256")
    assert stored["private_key"] == (cli.folder / "private.pem").read_text()
    cli.run("auth", "logout")
    cli.run("auth", "login", "--username=scheduler", "--private-key=private.pem")
    claims = cli.run("config", "show", "core.dcos_acs_token")[0].split(b".")[1]
    assert json.loads(base64.urlsafe_b64decode(claims + b"=="))["uid"] == "scheduler"
    wrong = cli.run("auth", "login", "--username=scheduler", "--private-key=public.pem", check=1)[1]
    assert wrong.startswith("Error: cannot read the private key public.pem")
    cli.run("auth", "login", f"--username={ADMIN}", "--password-file=password")
    cli.security("org", "service-accounts", "delete", "scheduler")


def test_permissions_from_a_file(cli: Cli) -> None:
    cli.security("org", "groups", "create", "readers", "-d", "Readers")
    text = b"resource: dcos:secrets:default:/applied/*\nusers: {admin: [read]}\ngroups: {readers: [read, update]}\n"
    out = cli.run("apply", "-f", "-", stdin=text)[0].decode()
    assert "    groups.readers.update: " in out
    assert cli.run("apply", "-f", "-", "--exit-code", stdin=text)[0].endswith(b"unchanged\n")
    less = b"resource: dcos:secrets:default:/applied/*\ngroups: {readers: read}\n"
    assert cli.run("apply", "-f", "-", "--exit-code", stdin=less)[0].endswith(b"unchanged\n")
    pruned = cli.run("apply", "-f", "-", "--prune", "--yes", "--exit-code", stdin=less, check=2)[0].decode()
    assert '    groups.readers.update: "granted" -> (none)' in pruned
    shown = cli.security("org", "groups", "show", "readers")[0].decode()
    assert "/applied/" not in shown or "update" not in shown
    cli.run("apply", "-f", "-", "--delete", "--yes", stdin=less)
    assert cli.run("apply", "-f", "-", "--delete", "--exit-code", stdin=less)[0].endswith(b"unchanged\n")
    cli.security("org", "groups", "delete", "readers")
