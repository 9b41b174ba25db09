"""Marathon over HTTPS beside HTTP: ``--ssl_keystore_path``, ``--https_port``."""

from __future__ import annotations

import json
import ssl
import urllib.request
from pathlib import Path

import pytest

from dcos.runtime.clock import SystemClock
from dcos.testing.ports import free_port
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not
from dcos.wire import certificates
from dcos.wire.certificates import Authority, Names

pytestmark = [pytest.mark.integration, pytest.mark.skipif(why_not() is not None, reason=str(why_not()))]


def test_both_ports_serve_the_same(tmp_path: Path) -> None:
    now, key, own = SystemClock().now(), certificates.generate_key(), certificates.generate_key()
    authority = Authority(certificates.make_authority("Trial", key, now), key)
    names = Names("marathon", "master", ("localhost",), ("127.0.0.1",))
    issued = certificates.issue(authority, certificates.make_request(own), names, now)
    keystore = tmp_path / "keystore.pem"
    keystore.write_text(certificates.key_pem(own) + issued)
    context = ssl.create_default_context(cadata=certificates.pem(authority.certificate))
    port = free_port()
    with ensemble(tmp_path / "zk") as zk, Processes(tmp_path, f"zk://{zk.hosts}") as services:
        services.start(
            "marathon", "dcos.marathon", f"--master={services.zk}/mesos", f"--zk={services.zk}/marathon",
            "--http_address=127.0.0.1", "--hostname=127.0.0.1", f"--http_port={services.port('marathon')}",
            f"--ssl_keystore_path={keystore}", f"--https_port={port}",
        )  # fmt: skip

        def secured() -> bool:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/v2/info", timeout=30, context=context) as answer:
                shown = json.loads(answer.read())["http_config"]
            assert shown == {"http_port": services.port("marathon"), "https_port": port}
            return True

        services.eventually("HTTPS answers", secured, within_s=120)
        assert services.get("marathon", "/v2/info")["http_config"]["https_port"] == port


def test_a_keystore_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "keystore.pem").write_text("nothing")
    with Processes(tmp_path, "zk://127.0.0.1:1") as services:
        services.start(
            "marathon", "dcos.marathon", f"--master={services.zk}/mesos", f"--zk={services.zk}/marathon",
            "--hostname=127.0.0.1", "--ip=127.0.0.1", f"--ssl_keystore_path={tmp_path / 'keystore.pem'}",
        )  # fmt: skip
        assert services.ended("marathon", within_s=100) == 2
        assert "keystore.pem: no certificate with its key" in services.logs()
