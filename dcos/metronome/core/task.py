"""A run as a task: the app that Marathon would run for it, which then is named, built and placed as any app's.

Source: Metronome runs jobs as Marathon run specs: ``/<job's segments>/<run id>``, one instance, labels of the job.
"""

from __future__ import annotations

from dcos.model import marathon, metronome
from dcos.model.marathon import App, EngineType
from dcos.model.metronome import JobRun, Run
from dcos.scheduling import ids


def app_of(run: JobRun, role: str) -> App:
    """What is matched with offers and built into a task."""
    wanted = run.job.run
    return App(
        id=app_id(run.job.id, run.id),
        cmd=wanted.cmd,
        args=wanted.args,
        user=wanted.user,
        env=dict(wanted.env),
        cpus=wanted.cpus,
        mem=wanted.mem,
        disk=wanted.disk,
        gpus=wanted.gpus,
        constraints=tuple((one.attribute, one.operator.value, one.value or "") for one in wanted.placement.constraints),
        role=role,
        container=_container(wanted),
        networks=tuple(marathon.Network(mode=one.mode, name=one.name, labels=one.labels) for one in wanted.networks),
        port_definitions=(),
        fetch=tuple(
            marathon.Fetch(uri=one.uri, extract=one.extract, executable=one.executable, cache=one.cache)
            for one in wanted.artifacts
        ),
        task_kill_grace_period_seconds=wanted.task_kill_grace_period_seconds,
        labels=dict(run.job.labels),
        secrets=dict(wanted.secrets),
    )


def _container(wanted: Run) -> marathon.Container | None:
    volumes = tuple(
        marathon.Volume(container_path=one.container_path, host_path=one.host_path, mode=one.mode, secret=one.secret)
        for one in wanted.volumes
    )
    if wanted.docker is not None:
        image = marathon.Docker(
            image=wanted.docker.image,
            force_pull_image=wanted.docker.force_pull_image,
            privileged=wanted.docker.privileged,
            parameters=wanted.docker.parameters,
        )
        return marathon.Container(type=EngineType.DOCKER, docker=image, volumes=volumes)
    if wanted.ucr is not None:
        return marathon.Container(type=EngineType.MESOS, docker=_ucr(wanted.ucr), volumes=volumes)
    if volumes:
        return marathon.Container(type=EngineType.MESOS, volumes=volumes)
    return None


def _ucr(ucr: metronome.Ucr) -> marathon.Docker:
    return marathon.Docker(image=ucr.image.id, force_pull_image=ucr.image.force_pull, privileged=ucr.privileged)


def app_id(job_id: str, run_id: str) -> str:
    """Ids of apps are lower case in Marathon; those of runs need not be."""
    return "/" + "/".join([*job_id.split("."), run_id])


def task_id(run: JobRun, uuid: str) -> str:
    return ids.task_id(ids.instance_id(app_id(run.job.id, run.id), uuid), "_app")
