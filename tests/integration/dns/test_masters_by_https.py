"""Mesos-DNS and masters that speak HTTPS only, want a certificate or a service account's token: ``config.json`` as upstream's."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from dcos.runtime import http
from dcos.runtime.process import run
from dcos.testing.certificates import self_signed
from dcos.testing.fake_master import FakeMaster
from dcos.testing.ports import free_port
from dcos.wire import jwt
from tests.integration.dns.test_mesos_dns_service import HOST, dig, eventually, mesos_dns

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("dig") is None, reason="no dig (dnsutils)"),
]

CODE = "import sys; from dcos.dns.service import main; sys.exit(main())"


def tls_server(folder: Path, *, clients: str = "") -> ssl.SSLContext:
    """Shows ``master.crt``; lets in who shows what the authority in the file ``clients`` vouches for."""
    self_signed(folder, "master")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "master.crt", folder / "master.key")
    if clients:
        self_signed(folder, clients)
        context.load_verify_locations(folder / f"{clients}.crt")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def config(folder: Path, master: FakeMaster, **keys: Any) -> str:
    file = folder / "mesos-dns.json"
    file.write_text(json.dumps({"masters": [f"{HOST}:{master.port}"], "MesosHTTPSOn": True, **keys}))
    return f"--config={file}"


@pytest.mark.parametrize("stream", [True, False], ids=["followed", "polled"])
async def test_masters_are_asked_by_https(tmp_path: Path, stream: bool) -> None:
    async with FakeMaster(tls=tls_server(tmp_path), stream=stream) as master:
        agent, framework = master.add_agent("10.0.0.7"), master.add_framework("marathon")
        await master.run_task(framework, agent, "web")
        flag = config(tmp_path, master, CACertFile=str(tmp_path / "master.crt"), refreshSeconds=1)
        async with mesos_dns(tmp_path, flag) as (port, _):
            await eventually(lambda: dig(port, "web.marathon.mesos"), lambda ips: ips == ["10.0.0.7"], within_s=60)


async def test_masters_that_want_a_certificate_get_one(tmp_path: Path) -> None:
    async with FakeMaster(tls=tls_server(tmp_path, clients="client")) as master:
        master.add_agent("10.0.0.7")
        files = {"CACertFile": "master.crt", "CertFile": "client.crt", "KeyFile": "client.key"}
        flag = config(tmp_path, master, **{key: str(tmp_path / name) for key, name in files.items()})
        async with mesos_dns(tmp_path, flag) as (port, _):
            assert await dig(port, "slave.mesos") == ["10.0.0.7"]


@pytest.mark.parametrize("authority", ["", "other"], ids=["nobody vouches", "another vouches"])
async def test_a_master_that_nobody_vouches_for_is_not_believed(tmp_path: Path, authority: str) -> None:
    self_signed(tmp_path, "other")
    async with FakeMaster(tls=tls_server(tmp_path)) as master:
        ca = str(tmp_path / f"{authority}.crt") if authority else ""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CODE, config(tmp_path, master, CACertFile=ca, httpOn=False)),
            *(f"--ip={HOST}", f"--dns_port={free_port()}"),
            env={**os.environ, "DCOS_ROOT": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert child.stdout is not None
        try:
            async with asyncio.timeout(90):
                while b"no_trust" not in (line := await child.stdout.readline()):
                    assert line, "it ended"
        finally:
            child.terminate()
            await child.communicate()
        assert master.requests == [], "nothing is said to it"


async def test_a_service_account_logs_in(tmp_path: Path) -> None:
    """mesosAuthentication iam: the login is proved by the account's key, masters get the token that comes of it."""
    key = jwt.generate_key()
    file = tmp_path / "account.json"
    logins: list[str] = []

    async def login(request: web.Request) -> web.Response:
        said = await request.json()
        logins.append(jwt.verify(said["token"], [key.public_key()], 0.0).uid)
        return http.json_response({"token": f"token-{len(logins)}"})

    app = http.application()
    app.router.add_post("/login", login)
    async with (
        http.listen(app, host=HOST, port=0) as (_, login_port),
        FakeMaster(tls=tls_server(tmp_path), lets_in="token=token-2") as master,
    ):
        endpoint = f"http://{HOST}:{login_port}/login"
        account = {"scheme": "RS256", "uid": "mesos-dns", "private_key": jwt.private_pem(key)}
        file.write_text(json.dumps({**account, "login_endpoint": endpoint}))
        more = {"mesosAuthentication": "iam", "iamConfigFile": str(file), "CACertFile": str(tmp_path / "master.crt")}
        async with mesos_dns(tmp_path, config(tmp_path, master, **more)) as (port, _):
            assert await dig(port, "leader.mesos") == [HOST]
    assert logins == ["mesos-dns", "mesos-dns"], "a token that is refused is asked for anew"


def not_a_certificate(folder: Path) -> dict[str, str]:
    (folder / "bad.pem").write_text("nothing\n")
    return {"CACertFile": str(folder / "bad.pem")}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        (lambda folder: {"CACertFile": str(folder / "missing")}, b"caCertFile"),
        (not_a_certificate, b"caCertFile"),
        (lambda folder: {"CertFile": str(folder / "missing")}, b"certFile, keyFile: give both or neither"),
        (lambda folder: {"mesosAuthentication": "iam"}, b"iamConfigFile must name a service account"),
    ],
)
async def test_bad_files_are_named(tmp_path: Path, keys: Callable[[Path], dict[str, str]], why: bytes) -> None:
    file = tmp_path / "mesos-dns.json"
    file.write_text(json.dumps({"masters": [HOST], "MesosHTTPSOn": True, **keys(tmp_path)}))
    told = await run([sys.executable, "-c", CODE, f"--config={file}", f"--ip={HOST}"], timeout_s=60)
    assert told.code == 2
    assert why in told.stdout + told.stderr
