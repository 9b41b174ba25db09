"""Addition, subtraction and containment agree with each other on whatever resources."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dcos.model import values
from dcos.model.resource_messages import Form
from dcos.model.resources import Resources

NAMES = st.sampled_from(["cpus", "mem", "cpus(a)", "cpus(a/b)", "disk"])
SCALARS = st.dictionaries(NAMES, st.integers(0, 5000).map(values.text_of_number), max_size=4)
PAIRS = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
RANGES = st.lists(PAIRS, max_size=5).map(values.coalesce)


@st.composite
def resources(draw: st.DrawFn) -> Resources:
    parts = [f"{name}:{value}" for name, value in draw(SCALARS).items()]
    parts.append("ports:" + values.text_of_ranges(draw(RANGES)))
    return Resources.parse(";".join(parts))


def numbers(ranges: values.Ranges) -> set[int]:
    return {number for begin, end in ranges for number in range(begin, end + 1)}


@given(RANGES, RANGES)
def test_ranges_behave_as_sets_of_numbers(left: values.Ranges, right: values.Ranges) -> None:
    assert numbers(values.add_ranges(left, right)) == numbers(left) | numbers(right)
    assert numbers(values.subtract_ranges(left, right)) == numbers(left) - numbers(right)
    assert numbers(values.intersect_ranges(left, right)) == numbers(left) & numbers(right)
    assert values.contains_ranges(left, right) is (numbers(right) <= numbers(left))
    assert values.count_ranges(left) == len(numbers(left))


@given(resources(), resources())
def test_what_was_taken_gives_the_whole_again(whole: Resources, part: Resources) -> None:
    if whole.contains(part):
        assert (whole - part) + part == whole
    together = whole - part
    assert whole.contains(together)


@given(resources(), resources(), resources())
def test_addition_is_associative_and_commutative(a: Resources, b: Resources, c: Resources) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert (a + b).contains(a)
    assert hash(a + b) == hash(b + a)


@given(resources(), st.sampled_from(list(Form)))
def test_messages_carry_everything(have: Resources, form: Form) -> None:
    assert Resources.of(have.messages(form=form)) == have
    assert Resources.parse(str(have)) == have if not have.reserved() and have else True
