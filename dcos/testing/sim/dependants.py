"""Judges jobs that depend on others: a run begins by itself exactly when their policy says.

That is when every job that it depends on succeeded last, each after its own last success, it was not begun since, and no run
begun that way is under way. What one leader saw end, the next one does not know.   Source: Metronome's JobSpecDependencyActor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dcos.model.metronome import Job, JobRun


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that came into its job's history."""

    run: str
    job: str
    succeeded: bool


@dataclass(slots=True)
class _Term:
    """What one leader saw."""

    moment: int = 0
    last: dict[str, tuple[bool, int]] = field(default_factory=dict)
    success: dict[str, int] = field(default_factory=dict)
    start: dict[str, int] = field(default_factory=dict)
    automatic: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    """Jobs of which several things came at once, or somebody asked for a run too: nobody can tell what was first."""


class Dependants:
    def __init__(self, violation: Callable[[str], None]) -> None:
        self._violation = violation
        self._parents: dict[str, frozenset[str]] = {}
        self._asked: Counter[tuple[int, str]] = Counter()
        """Runs that people ask for, by session of the leader and job."""
        self._session = 0
        self._term = _Term()
        self.begun = 0
        """Runs that began by themselves."""

    def asked(self, session: int, job: str) -> None:
        """Somebody asks the leader of that session for a run."""
        self._asked[session, job] += 1

    def stored(
        self, session: int, specs: Sequence[Job], begun: Sequence[JobRun], ended: Sequence[Ended], gone: Sequence[str]
    ) -> None:
        """One transaction of a leading Metronome."""
        if session != self._session:
            self._session, self._term = session, _Term()
        term = self._term
        self._parents.update({one.id: frozenset(parent.id for parent in one.dependencies) for one in specs})
        fresh: dict[str, list[str]] = {}
        for run in begun:
            fresh.setdefault(run.job.id, []).append(run.id)
        over = {one.job for one in ended}
        for job, parents in self._parents.items():
            if parents and len(over & {job, *parents}) > 1:
                term.unsure.add(job)
        for run_id in gone:
            for job in [one for one, known in term.automatic.items() if known == run_id]:
                del term.automatic[job]
        for one in ended:
            self._ended(one, fresh)
        for job, runs in fresh.items():
            term.moment += 1
            term.start[job] = term.moment
            if self._parents.get(job):
                self._unexplained(job, runs)

    def _ended(self, one: Ended, fresh: dict[str, list[str]]) -> None:
        term = self._term
        term.moment += 1
        term.last[one.job] = (one.succeeded, term.moment)
        if not one.succeeded:
            return
        term.success[one.job] = term.moment
        for job, parents in self._parents.items():
            if one.job not in parents or job in term.automatic or job in term.unsure:
                continue
            ends = [term.last.get(parent, (False, 0)) for parent in parents]
            if not all(succeeded and at > term.success.get(job, 0) for succeeded, at in ends):
                continue
            runs = fresh.get(job, [])
            if not runs:
                self._violation(f"{job} was not begun though all of {' '.join(sorted(parents))} succeeded")
            elif len(runs) > 1 or self._asked[self._session, job]:
                term.unsure.add(job)
            else:
                term.automatic[job] = runs[0]
                term.moment += 1
                term.start[job] = term.moment
                self.begun += 1

    def _unexplained(self, job: str, runs: list[str]) -> None:
        """Runs that neither began by themselves rightly nor were asked for."""
        for run in runs:
            if job in self._term.unsure or self._term.automatic.get(job) == run:
                continue
            if self._asked[self._session, job]:
                self._asked[self._session, job] -= 1
            else:
                self._violation(f"run {run} of {job} was begun though nobody asked and its parents give no reason")
