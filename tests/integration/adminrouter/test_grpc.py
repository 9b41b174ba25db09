"""gRPC through the front door, by curl's HTTP/2 and an nginx that answers as a gRPC service would."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.install import authority
from dcos.runtime.clock import SystemClock
from dcos.testing.cluster import eventually
from dcos.testing.ports import free_port
from dcos.wire import certificates
from tests.integration.adminrouter import front_door
from tests.integration.adminrouter.front_door import AUTH, BAD_TOKEN, FrontDoor

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on PATH"),
    pytest.mark.timeout(300),
]
SERVICE = """
daemon off; pid {folder}/pid; error_log stderr warn; user root;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port} http2;
        location / {{
            default_type application/grpc;
            add_header saw-authorization "<$http_authorization>";
            add_header saw-cookie "<$http_cookie>";
            add_header saw "$request_method $request_uri $server_protocol";
            add_header grpc-status 0;
            return 200 "";
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def grpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FrontDoor, int]]:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    folder, service, port = tmp_path_factory.mktemp("grpc"), free_port(), free_port()
    (folder / "nginx.conf").write_text(SERVICE.format(folder=folder, port=service))
    upstream = subprocess.Popen(["nginx", "-p", f"{folder}/", "-c", str(folder / "nginx.conf")])
    try:
        flags = (f"--grpc_upstream=127.0.0.1:{service}", f"--grpc_port={port}")
        with (
            front_door.open_folder() as opened,
            front_door.cluster(folder / "zk") as (world, zk),
            front_door.opened(FrontDoor(opened / "a", world, zk, *flags)) as door,
        ):
            eventually(
                "the key is known", lambda: called(port, AUTH["Authorization"])["grpc-status"] == "0", within_s=60
            )
            yield door, port
    finally:
        upstream.terminate()
        upstream.wait(30)


def called(port: int, authorization: str | None, *more: str) -> dict[str, str]:
    """Headers of the answer to a call, and ``status``. Without a body: curl 7 takes an answer before its end amiss."""
    argv = ["curl", "-sS", "-m", "30", "--http2-prior-knowledge", "-D", "-", "-o", "/dev/null", "-X", "POST"]
    argv += ["-H", "Content-Type: application/grpc", "-H", "TE: trailers", *more]
    if authorization is not None:
        argv += ["-H", f"Authorization: {authorization}"]
    done = subprocess.run(
        [*argv, f"http://127.0.0.1:{port}/etcdserverpb.KV/Range"], capture_output=True, text=True, check=True
    )
    first, *lines = done.stdout.strip().splitlines()
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return {**headers, "status": first.split()[1]}


def test_a_call_with_a_token_passes(grpc: tuple[FrontDoor, int]) -> None:
    said = called(grpc[1], AUTH["Authorization"], "-H", f"Cookie: dcos-acs-auth-cookie={front_door.TOKEN}")
    assert (said["status"], said["grpc-status"]) == ("200", "0")
    assert said["saw"] == "POST /etcdserverpb.KV/Range HTTP/2.0"
    assert (said["saw-authorization"], said["saw-cookie"]) == ("<>", "<>")


@pytest.mark.parametrize("authorization", [None, "token=", f"token={BAD_TOKEN}", "Basic eDp5"])
def test_a_call_without_is_refused_in_grpcs_words(grpc: tuple[FrontDoor, int], authorization: str | None) -> None:
    said = called(grpc[1], authorization)
    assert (said["status"], said["grpc-status"]) == ("200", "16")
    assert said["content-type"] == "application/grpc"
    assert "saw" not in said


SECURED = SERVICE.replace(
    "http2;",
    "ssl http2;\n        ssl_certificate {own}; ssl_certificate_key {own}; ssl_client_certificate {authorities}; "
    "ssl_verify_client on;",
).replace("grpc-status 0", 'saw-caller "$ssl_client_s_dn"; add_header grpc-status 0')


def test_a_service_that_speaks_tls_is_verified_and_knows_who_asks(tmp_path: Path) -> None:
    """With its name the call arrives; what is named otherwise, or signed by somebody else, gets no call."""
    signing = authority.kept(tmp_path / "ours.json")
    other = authority.kept(tmp_path / "other.json")
    files = {
        "ours": _certificate(signing, "dcos-adminrouter"),
        "etcd": _certificate(signing, "etcd"),
        "stranger": _certificate(other, "etcd"),
        "authorities": signing.root,
    }
    service, port = free_port(), free_port()
    with front_door.open_folder() as opened, front_door.cluster(tmp_path / "zk") as (world, zk):
        for name, text in files.items():
            (opened / name).write_text(text)
        for name, shown, expected in (("etcd", "etcd", "0"), ("other", "etcd", "14"), ("etcd", "stranger", "14")):
            settings = SECURED.format(
                folder=opened, port=service, own=opened / shown, authorities=opened / "authorities"
            )
            (opened / "nginx.conf").write_text(settings)
            flags = (
                f"--grpc_upstream=grpcs://127.0.0.1:{service}",
                f"--grpc_upstream_name={name}",
                f"--grpc_upstream_ca={opened / 'authorities'}",
                f"--grpc_port={port}",
                f"--certificate={opened / 'ours'}",
            )
            upstream = subprocess.Popen(["nginx", "-p", f"{opened}/", "-c", str(opened / "nginx.conf")])
            try:
                with front_door.opened(FrontDoor(opened / f"{name}-{shown}", world, zk, *flags)):
                    said = eventually(
                        "an answer",
                        lambda: (found := called(port, AUTH["Authorization"]))["grpc-status"] != "16" and found,
                        within_s=60,
                    )
                    assert said["grpc-status"] == expected, (name, shown)
                    if expected == "0":
                        assert "CN=dcos-adminrouter" in said["saw-caller"]
            finally:
                upstream.terminate()
                upstream.wait(30)


def _certificate(signing: authority.Signing, name: str) -> str:
    key = certificates.generate_key()
    made, _ = certificates.authority_of(signing.chain, signing.key)
    names = certificates.Names(name, "master", (name,), ("127.0.0.1",))
    request = certificates.make_request(key)
    return certificates.key_pem(key) + certificates.issue(made, request, names, SystemClock().now())


def test_the_port_is_closed_where_nothing_is_behind_it(tmp_path: Path) -> None:
    with front_door.open_folder() as opened, front_door.cluster(tmp_path / "zk") as (world, zk):
        port = free_port()
        with front_door.opened(FrontDoor(opened / "a", world, zk, f"--grpc_port={port}")):
            done = subprocess.run(["curl", "-s", "-m", "10", f"http://127.0.0.1:{port}/"], check=False)
            assert done.returncode == 7
