from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.exhibitor.core import dynamic
from dcos.exhibitor.core.dynamic import Known
from dcos.exhibitor.core.ensemble import Ensemble, Member, parse_ensemble
from dcos.exhibitor.core.resizing import Change, Wait, has_quorum, next_step, renumbered, same_servers, voters


@st.composite
def ensembles(draw: st.DrawFn) -> Ensemble:
    ids = draw(st.sets(st.integers(1, 7), min_size=1, max_size=6))
    roles = draw(st.lists(st.booleans(), min_size=len(ids), max_size=len(ids)))
    members = [Member(n, f"h{n}", observer=role) for n, role in zip(sorted(ids), roles, strict=True)]
    if all(member.observer for member in members):
        members[0] = Member(members[0].id, members[0].host)
    return Ensemble(tuple(members))


HOSTS = frozenset(f"h{n}" for n in range(1, 8))


def is_safe(before: Ensemble, step: Change, running: frozenset[str]) -> None:
    """A majority of both runs, they differ by one server, and one that comes runs already."""
    assert has_quorum(before, running)
    assert has_quorum(step.members, running)
    old = {member.id: member for member in before.members}
    new = {member.id: member for member in step.members.members}
    changed = {number for number in old.keys() | new.keys() if old.get(number) != new.get(number)}
    assert len(changed) == 1
    assert all(new[number].host in running for number in changed & new.keys())
    assert voters(step.members)


@given(ensembles(), ensembles())
def test_every_ensemble_becomes_every_other_by_safe_steps(current: Ensemble, target: Ensemble) -> None:
    """With all servers running, in at most one step for each server that differs."""
    differing = set(current.members) ^ set(target.members)
    count = 0
    while (step := next_step(current, target, HOSTS)) is not None:
        if isinstance(
            step, Wait
        ):  # no common path only where a lone voter is to become an observer before another votes
            raise AssertionError(step.reason)
        is_safe(current, step, HOSTS)
        current = step.members
        count += 1
    assert current == target
    assert count <= len({member.id for member in differing})


@given(ensembles(), ensembles(), st.data())
def test_whatever_dies_comes_back_or_is_interrupted_no_step_loses_the_quorum(
    current: Ensemble, target: Ensemble, data: st.DataObject
) -> None:
    """Steps that were decided may have been taken or not; whoever goes on does so from what ZooKeeper has."""
    for _ in range(12):
        running = frozenset(data.draw(st.sets(st.sampled_from(sorted(HOSTS)))))
        step = next_step(current, target, running)
        if isinstance(step, Change):
            is_safe(current, step, running)
            if data.draw(st.booleans()):
                current = step.members
    for _ in range(20):
        step = next_step(current, target, HOSTS)
        if step is None:
            break
        assert isinstance(step, Change)
        current = step.members
    assert current == target


def specs(current: str, target: str, running: str) -> list[str]:
    """The steps as they are named, then why it waits."""
    at, to, words = parse_ensemble(current), parse_ensemble(target), []
    while isinstance(step := next_step(at, to, running.split()), Change):
        words.append(step.text)
        at = step.members
    return [*words, step.reason] if step is not None else words


def test_growing_and_shrinking() -> None:
    assert specs("1:a", "1:a,2:b,3:c", "a b c") == ["adding b", "adding c"]
    assert specs("1:a,2:b,3:c", "1:a", "a b c") == ["removing b", "removing c"]


def test_the_new_one_comes_before_the_dead_one_goes() -> None:
    assert specs("1:a,2:b,3:c", "1:a,2:b,4:d", "a b d") == ["adding d", "removing c"]


def test_a_new_machine_takes_the_id_of_the_old_one() -> None:
    assert specs("1:a,2:b,3:c", "1:a,2:b,3:d", "a b d") == ["removing c", "adding d"]


@pytest.mark.parametrize(
    ("current", "target", "running", "reason"),
    [
        ("1:a", "1:a,2:b", "a", "b does not follow yet"),
        ("1:a,2:b,3:c", "1:a", "a", "fewer than a majority of the present servers run"),
        ("1:a,2:b,3:c", "1:a,3:b,2:c", "a b c", "b has the id 2 and cannot take 3: the list must give its id as it is"),
        ("1:a,2:b,3:c", "1:a,3:c", "a b", "removing b would leave no quorum"),
    ],
)
def test_it_waits(current: str, target: str, running: str, reason: str) -> None:
    assert specs(current, target, running) == [reason]


def test_ids_of_lists_that_shift() -> None:
    """A new master whose address comes first is counted first; the others keep what they have."""
    current, target = parse_ensemble("1:b,2:c,3:d"), parse_ensemble("1:a,2:b,3:c")
    assert renumbered(current, target).spec == "S:1:b,S:2:c,S:4:a"
    assert renumbered(parse_ensemble("1:b"), parse_ensemble("1:a,2:b,3:c")).spec == "S:1:b,S:3:c,S:4:a"
    assert same_servers(renumbered(current, target), target)
    assert not same_servers(current, target)


@given(ensembles(), ensembles())
def test_renumbering_keeps_who_is_there_and_gives_each_its_own(current: Ensemble, target: Ensemble) -> None:
    found = renumbered(current, target)
    assert same_servers(found, target)
    assert len({member.id for member in found.members}) == len(found.members)
    assert all(there.id == member.id for member in found.members if (there := current.member(member.host)))


def test_files_of_the_configuration() -> None:
    known = Known(parse_ensemble("1:10.0.0.1,O:2:fd00::2"), 0x100000003)
    version, text = dynamic.file_for(known, Member(1, "10.0.0.1"), 2888, 3888)
    assert (version, text.splitlines()) == (
        0x100000003,
        ["server.1=10.0.0.1:2888:3888:participant", "server.2=[fd00::2]:2888:3888:observer"],
    )
    assert dynamic.parse(f"{text}version=100000003\n") == known
    version, joining = dynamic.file_for(known, Member(3, "10.0.0.3"), 2888, 3888)
    assert version == 0
    assert "server.3=10.0.0.3:2888:3888:observer" in joining
    assert dynamic.parse("tickTime=2000\n") is None
