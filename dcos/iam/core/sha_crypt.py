"""Checks passwords against ``$5$`` and ``$6$`` hashes (SHA-256, SHA-512), as upstream, installers and ``mkpasswd`` make them.
New hashes are never made this way.

Pure Python, because the standard library drops ``crypt``. With 5,000 rounds it takes some 10 ms, with passlib's 656,000
about a second: run it in a thread.   Source: U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Any

_FORM = re.compile(
    r"\$(?P<kind>[56])\$(?:rounds=(?P<rounds>[0-9]+)\$)?(?P<salt>[^$]{0,16})\$(?P<digest>[./0-9A-Za-z]{43}(?:[./0-9A-Za-z]{43})?)"
)
_LENGTHS = {"5": 43, "6": 86}
_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DEFAULT_ROUNDS = 5000
_MIN_ROUNDS, _MAX_ROUNDS = 1000, 999_999_999


def is_sha_crypt(text: str) -> bool:
    return _form(text) is not None


def _form(text: str) -> re.Match[str] | None:
    found = _FORM.fullmatch(text)
    return found if found is not None and len(found["digest"]) == _LENGTHS[found["kind"]] else None


def verify(password: str, stored: str) -> bool:
    """Whether ``password`` made ``stored``; False as well for text of another form."""
    form = _form(stored)
    if form is None:
        return False
    rounds = int(form["rounds"]) if form["rounds"] else _DEFAULT_ROUNDS
    rounds = min(max(rounds, _MIN_ROUNDS), _MAX_ROUNDS)
    made = _digest(password.encode(), form["salt"].encode(), rounds, _METHODS[form["kind"]])
    return hmac.compare_digest(_ENCODED[form["kind"]](made), form["digest"])


def _digest(password: bytes, salt: bytes, rounds: int, sha: Callable[..., Any]) -> bytes:
    inner = sha(password + salt + password).digest()
    outer = sha(password + salt + _repeated(inner, len(password)))
    length = len(password)
    while length:
        outer.update(inner if length & 1 else password)
        length >>= 1
    current = outer.digest()
    p = _repeated(sha(password * len(password)).digest(), len(password))
    s = _repeated(sha(salt * (16 + current[0])).digest(), len(salt))
    for index in range(rounds):
        odd = index & 1
        current = sha(
            (p if odd else current) + (s if index % 3 else b"") + (p if index % 7 else b"") + (current if odd else p)
        ).digest()
    return bytes(current)


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encoded_256(digest: bytes) -> str:
    """As below, turning the other way; the last two bytes together."""
    text = []
    for index in range(10):
        thirds = (index, index + 10, index + 20)
        turn = -index % 3
        a, b, c = (digest[place] for place in thirds[turn:] + thirds[:turn])
        text.append(_letters((a << 16) | (b << 8) | c, 4))
    text.append(_letters((digest[31] << 8) | digest[30], 3))
    return "".join(text)


def _encoded_512(digest: bytes) -> str:
    """Base 64 of crypt's own order: three bytes from each third, turning by one place each time; the last byte alone."""
    text = []
    for index in range(21):
        thirds = (index, index + 21, index + 42)
        turn = index % 3
        a, b, c = (digest[place] for place in thirds[turn:] + thirds[:turn])
        text.append(_letters((a << 16) | (b << 8) | c, 4))
    text.append(_letters(digest[63], 2))
    return "".join(text)


def _letters(value: int, count: int) -> str:
    return "".join(_ALPHABET[(value >> (6 * place)) & 63] for place in range(count))


_METHODS: dict[str, Callable[..., Any]] = {"5": hashlib.sha256, "6": hashlib.sha512}
_ENCODED: dict[str, Callable[[bytes], str]] = {"5": _encoded_256, "6": _encoded_512}
