"""A catalog taken offline by the commands: files of a web server, an image into a registry, and a cluster that uses it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.install.serve import serving
from dcos.testing.packages import package
from dcos.testing.patience import PATIENCE_S
from dcos.testing.ports import free_port
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not
from dcos.wire.universe import to_json
from tests.integration.agent.docker_registry import DockerRegistry

MISSING = [name for name in ("docker-registry", "skopeo", "umoci") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.skipif(bool(MISSING), reason=f"not here: {', '.join(MISSING)}"),
]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[DockerRegistry]:
    """With the image ``team/app:1`` in it, which holds nothing."""
    made = DockerRegistry(tmp_path / "registry", f"127.0.0.1:{free_port()}")
    try:
        layout = tmp_path / "layout"
        subprocess.run(["umoci", "init", "--layout", layout], check=True)
        subprocess.run(["umoci", "new", "--image", f"{layout}:1"], check=True)
        words = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--dest-creds=ann:pull-me",
        ]
        subprocess.run([*words, f"oci:{layout}:1", f"docker://{made.address}/team/app:1"], check=True)
        yield made
    finally:
        made.stop()


def install(*words: object, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "dcos.install.main", "catalog", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **(environ or {})})


def call(services: Processes, path: str, body: dict[str, Any], version: int = 1) -> Any:
    kind = path.strip("/").replace("/", ".")
    request = urllib.request.Request(
        services.url("cosmos") + path,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
            "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}",
        },
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


def test_a_catalog_without_the_world(tmp_path: Path, registry: DockerRegistry) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www/tool").write_bytes(b"a tool")
    login = tmp_path / "login.json"
    login.write_text(json.dumps(registry.config))
    as_ann = {"REGISTRY_AUTH_FILE": str(login)}
    image = f"{registry.address}/team/app:1"
    port = free_port()
    catalog, url = tmp_path / "mine", f"http://127.0.0.1:{port}"
    with serving(tmp_path / "www", "127.0.0.1") as far:
        binary = {"url": f"http://127.0.0.1:{far}/tool", "kind": "executable"}
        binary |= {"contentHash": [{"algo": "sha256", "value": hashlib.sha256(b"a tool").hexdigest()}]}  # type: ignore[dict-item]
        resource = {
            "assets": {"container": {"docker": {"app": image}}},
            "cli": {"binaries": {"linux": {"x86-64": binary}}},
        }
        template = '{"id": "x", "container": {"docker": {"image": "{{resource.assets.container.docker.app}}"}}}'
        world = tmp_path / "world.json"
        one = package("offline", "1.0", 4, resource=resource, template=template)
        world.write_text(json.dumps({"packages": [to_json(one), to_json(package("other"))]}))
        words = (
            "mirror",
            world,
            "--to",
            catalog,
            "-p",
            "offline",
            "--url",
            url,
            "--registry",
            f"{registry.address}/mirror",
        )
        refused = install(*words, "--insecure-registry", "--insecure-source")
        assert refused.returncode == 1
        assert f"missing: image {image} (offline 1.0)" in refused.stderr
        done = install(*words, "--insecure-registry", "--insecure-source", environ=as_ann)
        assert (done.returncode, done.stdout) == (0, f"{catalog}: 1 package versions, 1 files, 1 images\n"), done.stderr

    copied = f"{registry.address}/mirror/{registry.address.replace(':', '_')}/team/app:1"
    looked = [
        "skopeo",
        "--insecure-policy",
        "inspect",
        "--tls-verify=false",
        "--creds=ann:pull-me",
        f"docker://{copied}",
    ]
    assert json.loads(subprocess.run(looked, capture_output=True, check=True).stdout)["Digest"]

    server = subprocess.Popen(
        [sys.executable, "-m", "dcos.install.main", "catalog", "serve", str(catalog), "--address=127.0.0.1", f"--port={port}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"serving {catalog} on {url}/repo\n"
        with ensemble(tmp_path / "zk", servers=1) as zookeeper, Processes(tmp_path, zookeeper.url) as services:
            services.start_cosmos()
            services.eventually("cosmos answers", lambda: call(services, "/package/repository/list", {}))
            call(services, "/package/repository/add", {"name": "Mine", "uri": f"{url}/repo", "index": 0})
            shown = call(services, "/package/describe", {"packageName": "offline"}, version=3)["package"]
            plugin = shown["resource"]["cli"]["binaries"]["linux"]["x86-64"]["url"]
            with urllib.request.urlopen(plugin, timeout=PATIENCE_S) as answer:
                assert answer.read() == b"a tool"
            app = call(services, "/package/render", {"packageName": "offline"})["marathonJson"]
            assert app["container"]["docker"]["image"] == copied
    finally:
        server.terminate()
        server.communicate()
