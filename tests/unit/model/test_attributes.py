from __future__ import annotations

import pytest

from dcos.model import attributes
from dcos.wire import mesos_json


def test_the_value_decides_the_type() -> None:
    parsed = attributes.parse("rack:r1;level:3;range:[1-5];x:-3")
    assert [(one.name, str(one.type), attributes.text(one)) for one in parsed] == [
        ("rack", "TEXT", "r1"),
        ("level", "SCALAR", "3"),
        ("range", "RANGES", "[1-5]"),
        ("x", "TEXT", "-3"),
    ]
    assert mesos_json.encode(parsed[0]) == b'{"name":"rack","type":"TEXT","text":{"value":"r1"}}'


@pytest.mark.parametrize("text", ["rack", ":x", "a:{b}"])
def test_bad_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expecting|set"):
        attributes.parse(text)
