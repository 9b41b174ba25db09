"""Images of a registry that asks who wants them: fetched by skopeo with the agent's credentials, or the task's."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dcos.agent.containerizer.oci import usable
from dcos.model.v1.types import (
    CommandInfo,
    ContainerInfo,
    ContainerInfoMesosInfo,
    ContainerInfoType,
    Image,
    ImageDocker,
    ImageType,
    Secret,
    SecretType,
    SecretValue,
    TaskInfo,
)
from dcos.testing.ports import free_port

from .docker_registry import DockerRegistry

reason = usable() or ("" if shutil.which("docker-registry") else "docker-registry is missing")
pytestmark = pytest.mark.skipif(bool(reason), reason=f"no images of a registry here: {reason}")


@pytest.fixture
def registry(tmp_path: Path, image: str) -> Iterator[DockerRegistry]:
    made = DockerRegistry(tmp_path / "registry", f"127.0.0.1:{free_port()}")
    try:
        target = f"docker://{made.address}/private/small:1"
        words = [
            "skopeo",
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--dest-creds=ann:pull-me",
        ]
        subprocess.run([*words, image, target], check=True)
        yield made
    finally:
        made.stop()


def container(config: str | None = None) -> ContainerInfo:
    secret = None
    if config is not None:
        secret = Secret(type=SecretType.VALUE, value=SecretValue(data=config.encode()))
    image = Image(type=ImageType.DOCKER, docker=ImageDocker(name="private/small:1", config=secret), cached=False)
    return ContainerInfo(type=ContainerInfoType.MESOS, mesos=ContainerInfoMesosInfo(image=image))


async def test_who_may_pull(
    agent: Any, master: Any, make_task: Callable[..., TaskInfo], registry: DockerRegistry
) -> None:
    flags = (f"--docker_registry=http://{registry.address}",)
    command = CommandInfo(value="cat /etc/marker")
    await agent.start(*flags)
    await master.registered()
    await master.run(make_task("nobody", command, container=container()))
    refused = await master.state("nobody", "TASK_FAILED")
    assert refused.reason == "REASON_CONTAINER_LAUNCH_FAILED"
    assert refused.message.startswith("Failed to launch container: Failed to provision image 'private/small:1'")
    assert "authentication required" in refused.message
    await master.run(make_task("brought", command, container=container(json.dumps(registry.config))))
    await master.state("brought", "TASK_FINISHED")
    # what one task brought is not kept for others
    await master.run(make_task("again", command, container=container()))
    await master.state("again", "TASK_FAILED")
    await agent.stop()
    await agent.start(*flags, env={"MESOS_DOCKER_CONFIG": json.dumps(registry.config)})
    await master.registered(2)
    await master.run(make_task("known", command, container=container()))
    await master.state("known", "TASK_FINISHED")
    assert (agent.sandbox("known") / "stdout").read_text() == "inside\n"
    for text in (agent.log(), refused.message):
        assert "pull-me" not in text
        assert registry.config["auths"][registry.address]["auth"] not in text
    assert not list(agent.work.glob("**/*.auth"))
