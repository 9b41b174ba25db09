from __future__ import annotations

import jwt
import pytest

from dcos.wire.executor_token import Claims, TokenError, sign, verify

KEY = b"k" * 32
CLAIMS = Claims(fid="f", eid="e", cid="c")


def test_there_and_back() -> None:
    token = sign(KEY, CLAIMS)
    assert verify(KEY, token) == CLAIMS
    assert jwt.decode(token, KEY, algorithms=["HS256"]) == {"fid": "f", "eid": "e", "cid": "c"}
    assert verify(KEY, jwt.encode({"fid": "f", "eid": "e", "cid": "c"}, KEY, algorithm="HS256")) == CLAIMS


@pytest.mark.parametrize(
    "token",
    [
        "",
        "..",
        "a.b.c",
        sign(b"x" * 32, CLAIMS),
        sign(KEY, CLAIMS)[:-2],
        sign(KEY, CLAIMS).replace(".", "", 1),
        jwt.encode({"fid": "f"}, KEY, algorithm="HS256"),
        jwt.encode({"fid": "f", "eid": "e", "cid": "c"}, "", algorithm="none"),
        "ä.ä.ä",
    ],
)
def test_others_are_refused(token: str) -> None:
    with pytest.raises(TokenError):
        verify(KEY, token)
