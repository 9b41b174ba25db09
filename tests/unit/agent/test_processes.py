"""The tree of a task's processes."""

from __future__ import annotations

from dcos.agent.containerizer.processes import Look


def test_whoever_leads_comes_first_and_parents_before_children() -> None:
    # 50 leads the session of 30 (its child, with the child 10) and of 20, whose parent has ended; 40 is somebody else's
    look = Look(children={50: [30], 30: [10], 1: [20, 40]}, members={50: [10, 20, 30, 50], 40: [40]})
    assert look.tree(50) == [50, 30, 10, 20]
    assert look.tree(99) == []


def test_a_child_that_left_the_session_is_of_the_tree() -> None:
    look = Look(children={50: [60], 60: [70]}, members={50: [50], 60: [60, 70]})
    assert look.tree(50) == [50, 60, 70]
