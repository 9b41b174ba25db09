"""A built-in package from an image instead of the agent's OS packages: Redis, in an image made here of what this machine has."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dcos.agent.containerizer.oci import usable
from dcos.testing.ports import free_port
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not
from tests.integration.agent.docker_registry import DockerRegistry
from tests.integration.catalog.test_builtin_services import Catalog, redis_says

TOOLS = ("redis-server", "sh", "sed", "tr", "mkdir", "cat", "id", "stat", "chmod", "chown", "od", "ls")
MISSING = [name for name in ("docker-registry", *TOOLS) if shutil.which(name) is None]
reason = usable() or (f"not here: {', '.join(MISSING)}" if MISSING else why_not() or "")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(reason), reason=f"no images of Redis here: {reason}"),
]


def image_of_redis(folder: Path) -> Path:
    """An OCI layout, tag ``7``."""
    root = folder / "root"
    for name in ("usr/bin", "etc", "tmp", "proc", "sys", "dev"):
        (root / name).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    libraries: set[Path] = set()
    for tool in TOOLS:
        program = Path(shutil.which(tool) or "").resolve()
        shutil.copy2(program, root / "usr/bin" / tool)
        told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        libraries |= {Path(word) for word in told.split() if word.startswith("/")}
    for library in libraries:
        target = root / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library.resolve(), target)
    layout = folder / "layout"
    for words in (
        ["init", "--layout", layout],
        ["new", "--image", f"{layout}:7"],
        ["insert", "--image", f"{layout}:7", root, "/"],
    ):
        subprocess.run(["umoci", *map(str, words)], check=True, capture_output=True)
    return layout


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    folder = Path(tempfile.mkdtemp(prefix="dcos-catalog-"))
    registry = DockerRegistry(tmp_path / "registry", f"127.0.0.1:{free_port()}")
    try:
        words = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--dest-creds=ann:pull-me",
        ]
        layout = image_of_redis(tmp_path)
        subprocess.run([*words, f"oci:{layout}:7", f"docker://{registry.address}/stores/redis:7"], check=True)
        monkeypatch.setenv("MESOS_DOCKER_CONFIG", json.dumps(registry.config))
        monkeypatch.setenv("MESOS_DOCKER_REGISTRY", f"http://{registry.address}")
        monkeypatch.setenv("MESOS_IMAGE_PROVIDERS", "docker")
        with ensemble(folder / "zk", servers=1) as zookeeper, Processes(folder, zookeeper.url) as services:
            services.start_mesos(ports="31400-31499")
            services.start_marathon("--mesos_role=slave_public")
            services.start_cosmos()
            made = Catalog(services)
            services.eventually("Marathon leads", lambda: services.get("marathon", "/v2/info").get("frameworkId"))
            services.eventually("cosmos answers", lambda: made.call("/package/search", {})["packages"])
            yield made
    finally:
        registry.stop()
        shutil.rmtree(folder)


def test_redis_from_an_image(catalog: Catalog) -> None:
    options = {"software": {"image": "stores/redis:7"}, "storage": {"persistent": True, "size": 64}}
    with catalog.installed("redis", **options) as redis:
        assert redis_says(redis.port, "SET a kept") == "+OK\r\n+OK\r\n"
        assert "executable:/usr/bin/redis-server" in redis_says(redis.port, "INFO server")
        assert "config_file:/mnt/mesos/sandbox/redis.conf" in redis_says(redis.port, "INFO server")
        redis.killed()
        assert "kept" in redis_says(redis.port, "GET a")
