"""Secrets of apps and jobs leave Marathon and Metronome as references: in variables, files and credentials of images."""

from __future__ import annotations

from typing import Any

import pytest

from dcos.marathon.core.normalize import Defaults, canonical
from dcos.marathon.core.validate import Rules, app_faults
from dcos.metronome.core import spec, task
from dcos.model.marathon import App
from dcos.model.marathon_state import AgentRef
from dcos.model.metronome import JobRun
from dcos.model.resources import Resources
from dcos.model.v1 import types as v1
from dcos.scheduling import build
from dcos.scheduling.build import TaskSettings
from dcos.scheduling.constraints import NOWHERE
from dcos.scheduling.match import Match, Place, Policy, demand_of, match
from dcos.wire import marathon as wire

APP: dict[str, Any] = {
    "id": "/db",
    "cmd": "serve",
    "env": {"PLAIN": "x", "PASSWORD": {"secret": "password"}},
    "secrets": {"password": {"source": "/db/password"}, "key": {"source": "db/key"}, "pull": {"source": "db/pull"}},
    "container": {
        "type": "MESOS",
        "docker": {"image": "private/db", "pullConfig": {"secret": "pull"}},
        "volumes": [{"containerPath": "/etc/key", "secret": "key"}],
    },
}
JOB: dict[str, Any] = {
    "id": "db.backup",
    "run": {
        "cpus": 0.1,
        "mem": 32,
        "disk": 0,
        "cmd": "backup",
        "env": {"PASSWORD": {"secret": "password"}},
        "secrets": {"password": {"source": "/db/password"}, "key": {"source": "db/key"}},
        "ucr": {"image": {"id": "private/db"}},
        "volumes": [{"containerPath": "/etc/key", "secret": "key"}],
    },
}


def _app() -> App:
    app = canonical(wire.read(APP, App), Defaults())
    assert app_faults(app, Rules(features=frozenset({"secrets"})), roles={"*"}) == []
    return app


def _job() -> App:
    return task.app_of(JobRun(id="r", job=spec.job(JOB, features={"secrets"}), created_at=0.0), "*")


def launched(app: App) -> v1.TaskInfo:
    place = Place(AgentRef("10.0.0.1", "S1"), "*", Resources.parse("cpus:4;mem:1024;ports:[31000-31009]"))
    found = match(demand_of(app, Policy()), place, NOWHERE, Policy(), 0)
    assert isinstance(found, Match)
    return build.task_info(app, place, found, "t", TaskSettings(), enforce_role=False, pick=0)


def name_of(secret: v1.Secret | None) -> str:
    """What a reference refers to; nothing else may be in it."""
    assert secret is not None
    assert (secret.type, secret.value) == (v1.SecretType.REFERENCE, None)
    assert secret.reference is not None
    return secret.reference.name


@pytest.mark.parametrize("app", [_app(), _job()], ids=["app", "job"])
def test_variables_and_files_are_references(app: App) -> None:
    info = launched(app)
    assert info.command is not None
    assert info.command.environment is not None
    [variable] = [one for one in info.command.environment.variables if one.name == "PASSWORD"]
    assert (variable.type, variable.value) == (v1.EnvironmentVariableType.SECRET, None)
    assert name_of(variable.secret) == "/db/password"
    assert info.container is not None
    [volume] = info.container.volumes
    assert (volume.container_path, volume.mode) == ("/etc/key", v1.VolumeMode.RO)
    assert volume.source is not None
    assert volume.source.type is v1.VolumeSourceType.SECRET
    assert name_of(volume.source.secret) == "db/key"


def test_credentials_of_an_image_are_a_reference() -> None:
    container = launched(_app()).container
    assert container is not None
    assert container.mesos is not None
    assert container.mesos.image is not None
    assert container.mesos.image.docker is not None
    assert name_of(container.mesos.image.docker.config) == "db/pull"
