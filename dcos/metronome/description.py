"""Metronome's API described for machines: RAML 1.0 and JSON Schema, below ``/public/api/``.

Resources and answers are written by hand in ``raml/``; types of jobs are made from those that we read them into, and schemas
are those that requests are checked by. Names of files are upstream's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from dcos.metronome.core import schema
from dcos.model import marathon as m
from dcos.model import metronome as j
from dcos.runtime import documents
from dcos.wire import raml

PREFIX: Final = "/public/api"

_LIBRARIES: Final[dict[str, tuple[type, ...]]] = {
    "job": (
        *(j.Job, j.Dependency, j.Schedule, j.ConcurrencyPolicy, j.Run, j.Restart, j.RestartPolicy),
        *(j.Placement, j.Constraint, j.Operator, j.Artifact, j.Volume, m.VolumeMode, j.Network, m.NetworkMode),
        *(j.Docker, m.Parameter, j.Ucr, j.UcrImage, m.EnvSecret, m.SecretSource),
    )
}
_REQUIRED: Final = [("Run", name) for name in schema.RUN["required"]]


def _schema(title: str, checked: schema.Schema) -> bytes:
    whole = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **checked}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2)


def made() -> dict[str, bytes]:
    """Every document by its path."""
    return {
        **documents.folder(Path(__file__).parent / "raml"),
        **{f"v1/types/{name}": text for name, text in raml.Libraries(_LIBRARIES, required=_REQUIRED).texts().items()},
        "v1/schema/jobspec.schema.json": _schema("JobSpec", schema.JOB),
        "v1/schema/schedulespec.schema.json": _schema("ScheduleSpec", schema.SCHEDULE),
        "v0/schema/jobspec_v0.schema.json": _schema("JobSpec with its schedules", schema.JOB),
    }
