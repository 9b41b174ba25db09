"""What Metronome keeps in ZooKeeper, below the path of its URL.

    schema, epoch, journal                 of the layout, the leader, the last transaction (``dcos.store.journal``)
    framework-id
    job-specs/<bucket>/<job>               the definition
    job-runs/<bucket>/<run>                a run that is not over, with the definition it was started with
    job-histories/<bucket>/<job>           finished runs

Dots are part of the names. Buckets are 0-f.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dcos.metronome.core import effects
from dcos.metronome.core.state import State
from dcos.model.metronome import History, Job, JobRun
from dcos.model.schedulers import Send
from dcos.store.base import Store
from dcos.store.election import Epoch
from dcos.store.journal import BUCKETS, Journal, bucket, encode
from dcos.store.tree import join

SCHEMA = 1
_KINDS = ("job-specs", "job-runs", "job-histories")
_FOLDERS = (*_KINDS, *(f"{kind}/{one}" for kind in _KINDS for one in BUCKETS))


class Repository:
    """The stored state below ``base``. Writing needs an epoch."""

    def __init__(self, store: Store, base: str, *, marker: str) -> None:
        self._base = base
        self._journal = Journal(store, base, marker=marker)

    @property
    def epoch_path(self) -> str:
        return join(self._base, "epoch")

    async def load(self, epoch: Epoch) -> State:
        """Everything, as the new leader.   Errors: SchemaTooNew, StoreError."""
        journal = self._journal
        await journal.prepare(epoch, _FOLDERS, schema=SCHEMA)
        framework = await journal.raw("framework-id")
        state = State(framework_id=framework.decode() if framework else None)
        for one in BUCKETS:
            for job in await journal.documents(f"job-specs/{one}", Job):
                state.jobs[job.id] = job
            for run in await journal.documents(f"job-runs/{one}", JobRun):
                state.runs[run.id] = run
            for history in await journal.documents(f"job-histories/{one}", History):
                state.histories[history.job_id] = history
        return state

    async def save(self, batch: Iterable[effects.Effect]) -> None:
        """Store what the effects say.   Errors: Deposed, SessionLost; the process must end then."""
        wanted: dict[str, bytes | None] = {}
        for effect in batch:
            for path, data in _nodes_of(effect):
                wanted.pop(path, None)
                wanted[path] = data
        if wanted:
            await self._journal.save(wanted)

    async def forget_framework(self) -> None:
        """Subscribe as a new framework next time.   Errors: as ``save``."""
        await self._journal.save({"framework-id": None})


def _nodes_of(effect: effects.Effect) -> Iterator[tuple[str, bytes | None]]:
    match effect:
        case effects.SaveJob(job):
            yield f"job-specs/{bucket(job.id)}/{job.id}", encode(job)
        case effects.DropJob(job_id):
            yield f"job-specs/{bucket(job_id)}/{job_id}", None
            yield f"job-histories/{bucket(job_id)}/{job_id}", None
        case effects.SaveRun(run):
            yield f"job-runs/{bucket(run.id)}/{run.id}", encode(run)
        case effects.DropRun(_, run_id):
            yield f"job-runs/{bucket(run_id)}/{run_id}", None
        case effects.SaveHistory(history):
            yield f"job-histories/{bucket(history.job_id)}/{history.job_id}", encode(history)
        case effects.SaveFrameworkId(framework_id):
            yield "framework-id", framework_id.encode()
        case Send():
            return
