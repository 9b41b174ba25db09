"""JSON from ready fragments."""

from __future__ import annotations

import pytest

from dcos.wire.spliced import Spliced


@pytest.mark.parametrize("count", [0, 1, 2, 255, 256, 257, 512, 1000])
def test_all_of_it_in_its_order(count: int) -> None:
    fragments = [b"%d" % number for number in range(count)]
    made = Spliced(b'{"a":[')
    made.run(fragments)
    made.text(b'],"b":"')
    made.run(fragments, b"")
    made.text(b'"}')
    wanted = b'{"a":[%b],"b":"%b"}' % (b",".join(fragments), b"".join(fragments))
    assert made.joined() == wanted
    assert made.size == len(wanted)


def test_long_ones_come_in_slices() -> None:
    made = Spliced(b"[")
    made.run([b"x" * 100] * 1000)
    made.text(b"]")
    assert max(map(len, made.slices())) < 30_000
