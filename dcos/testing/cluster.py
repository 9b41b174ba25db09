"""A local cluster seen from a test: brought up, looked into and removed by the commands that people use."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from dcos.install import assets, bundle, gui
from dcos.testing.netns import Namespace

T = TypeVar("T")
BIN = Path(sys.executable).parent


class Failed(AssertionError):
    """A command ended otherwise than a test needs; carries what it printed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, redirects not followed."""

    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def http(
    url: str, *, token: str | None = None, method: str = "GET", body: object = None, timeout_s: float = 20
) -> Answer:
    """One request; any status is an answer.   Errors: OSError when nobody answers."""
    headers = {"Accept": "application/json, text/plain, */*"}
    if token:
        headers["Authorization"] = f"token={token}"
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with opener.open(request, timeout=timeout_s) as reply:
            return Answer(reply.status, dict(reply.headers), reply.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read().decode(errors="replace"))


def eventually(what: str, probe: Callable[[], T | None], *, within_s: float, every_s: float = 0.5) -> T:
    """What ``probe`` returns once it is neither None nor False nor an error; fails with the last trouble at the deadline."""
    deadline = time.monotonic() + within_s
    trouble: object = None
    while True:
        try:
            found = probe()
            if found is not None and found is not False:
                return found
            trouble = found
        except (OSError, Failed, AssertionError, KeyError, IndexError, ValueError) as error:
            trouble = error
        if time.monotonic() > deadline:
            raise Failed(f"not within {within_s:g} s: {what}; last: {trouble}")
        time.sleep(every_s)


class LocalCluster:
    """One cluster made by ``dcos-install local``; ``space``: in that network namespace, so that nothing of ours is touched."""

    def __init__(self, name: str, space: Namespace | None = None) -> None:
        self.name = name
        self.space = space
        self.said = ""
        """What ``up`` printed, for who keeps it."""
        self._seen: dict[str, Any] = {}

    def here(self, *argv: str) -> list[str]:
        """The command, run where the cluster is."""
        return self.space.command(*argv) if self.space else list(argv)

    def http(self, url: str, **options: Any) -> Answer:
        """As ``http``, from where the cluster is."""
        return self.space.inside(lambda: http(url, **options)) if self.space else http(url, **options)

    def local(self, *words: str, timeout_s: float = 300, check: bool = True) -> subprocess.CompletedProcess[str]:
        """``dcos-install local VERB ...`` of this cluster."""
        verb, *rest = words
        argv = self.here(str(BIN / "dcos-install"), "local", verb, f"--cluster={self.name}", *rest)
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)
        if check and done.returncode:
            raise Failed(f"{shlex.join(argv)}: exit {done.returncode}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}")
        return done

    def up(
        self,
        *,
        masters: int = 1,
        agents: int = 1,
        public_agents: int = 1,
        driver: str = "nspawn",
        security: str = "disabled",
    ) -> str:
        words = [f"--driver={driver}", f"--masters={masters}", f"--agents={agents}", f"--public-agents={public_agents}"]
        words = [*words, f"--security={security}"]
        if driver == "process":
            self._web_interface()
        done = self.local("up", *words, "--demo", timeout_s=1200)
        return done.stderr + done.stdout

    def _web_interface(self) -> None:
        """Built out here, if need be: npm's registry cannot be reached from a network namespace of the cluster's own."""
        with contextlib.suppress(gui.NoNpm):
            gui.build(assets.checkout(), bundle.cache_folder())

    def down(self) -> None:
        self.local("down", timeout_s=300)

    @property
    def facts(self) -> dict[str, Any]:
        """What ``dcos-install local status --json`` says: nodes, folders, URL."""
        if not self._seen:
            self._seen = json.loads(self.local("status", "--json", check=False).stdout)
        return self._seen

    def look_again(self) -> None:
        """Forget what was seen."""
        self._seen.clear()

    def ip(self, node: str) -> str:
        return str(next(one["ip"] for one in self.facts["nodes"] if one["name"] == node))

    def nodes(self, *roles: str) -> list[str]:
        return [str(one["name"]) for one in self.facts["nodes"] if not roles or one["role"] in roles]

    def sh(self, node: str, script: str, *, timeout_s: float = 120, check: bool = True) -> str:
        """Standard output of a shell script on a node."""
        return self.local("exec", node, "--", "sh", "-c", script, timeout_s=timeout_s, check=check).stdout

    def is_active(self, node: str, unit: str) -> bool:
        """Whether systemd says so; it does not while it waits before it starts again what died."""
        return self.sh(node, f"systemctl is-active {unit}", check=False).strip() == "active"

    def dcos(self, *words: str, timeout_s: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The ``dcos`` command line, already set up against this cluster."""
        argv = self.here(str(BIN / "dcos"), *words)
        environ = {**os.environ, "DCOS_DIR": str(self.facts["dcos_dir"])}
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False, env=environ)
        if check and done.returncode:
            raise Failed(f"{shlex.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done

    def healthy(self) -> bool:
        """``dcos status`` finds no problem.   Errors: Failed with the problems that it names."""
        done = self.dcos("status", check=False)
        if done.returncode:
            _, _, problems = done.stdout.partition("PROBLEMS")
            raise Failed((problems or done.stdout[-2000:]).strip() + done.stderr[-1000:])
        return True

    def dcos_json(self, *words: str) -> Any:
        return json.loads(self.dcos(*words, "--json").stdout)

    @property
    def scheme(self) -> str:
        """How front doors are asked."""
        return str(self.facts["url"]).partition(":")[0]

    @property
    def password(self) -> str:
        return Path(self.facts["password_file"]).read_text(encoding="utf-8").strip()

    def door(self, master: str = "master1") -> str:
        """URL of a master's Admin Router."""
        parts = urlsplit(str(self.facts["url"]))
        return f"{parts.scheme}://{self.ip(master)}{f':{parts.port}' if parts.port else ''}"

    def token(self, master: str = "master1") -> str:
        body = {"uid": self.facts["admin"], "password": self.password}
        reply = self.http(f"{self.door(master)}/acs/api/v1/auth/login", method="POST", body=body)
        if reply.status != 200:
            raise Failed(f"login: {reply.status} {reply.text}")
        return str(reply.json()["token"])

    def get(self, path: str, *, token: str | None = None, master: str = "master1", timeout_s: float = 20) -> Answer:
        return self.http(f"{self.door(master)}{path}", token=token, timeout_s=timeout_s)
