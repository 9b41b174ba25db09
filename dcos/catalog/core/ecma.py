"""Patterns that look ahead or behind, which RE2 does not read, with a limit on the work.

A schema comes from outside, and so does the text: ``^(?=(a+)+$)`` against a few dozen letters keeps a matcher that backtracks
busy for ever. Here a pattern becomes a list of instructions, and each pair of an instruction and a place in the text is
tried once: whether the rest matches from there depends on nothing else, because only *whether* there is a match is asked for, and
references to what a group matched are refused. Work is at most instructions times places; a ``Budget`` bounds it.

    pattern --compiled--> Code --found--> bool;  Unreadable, TooHard

Greedy and lazy repeats are the same thing here, and so are groups with and without a name.
Source: ECMA 262 edition 9, 21.2.1 (without flags; what annex B allows is allowed); R. Cox, "Regular Expression Matching: the
Virtual Machine Approach".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

MAX_INSTRUCTIONS: Final = 10_000
MAX_DEPTH: Final = 50
MAX_STEPS: Final = 500_000
"""About a third of a second."""


class Unreadable(Exception):
    """No pattern of ECMA 262."""


class TooHard(Exception):
    """A pattern that takes more than there is; the text says what."""


@dataclass(slots=True)
class Budget:
    """Steps that are left."""

    left: int = MAX_STEPS

    def take(self, pattern: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise TooHard(f"its patterns take more than {MAX_STEPS:,} steps, at last {pattern[:100]!r}")


Letter = Callable[[str], bool]
Code = tuple[tuple[Any, ...], ...]
"""Instructions; places are relative, so that pieces can be put together:

    ("letter", Letter)            takes one letter that fits
    ("where", predicate)          of the text and the place
    ("look", ahead, wanted, Code) goes on where there is a match ahead (behind), or none
    ("split", offset, offset), ("jump", offset)
A match is reached behind the last one.
"""


# ---- the match -------------------------------------------------------------------------------------------------------


def found(pattern: str, text: str, budget: Budget | None = None) -> bool:
    """Whether ``pattern`` matches anywhere in ``text``.   Errors: Unreadable, TooHard."""
    return _Match(pattern, text, budget or Budget()).reaches(compiled(pattern), range(len(text) + 1), None)


class _Match:
    def __init__(self, pattern: str, text: str, budget: Budget) -> None:
        self._pattern, self._text, self._budget = pattern, text, budget
        self._looked: dict[tuple[int, int], bool] = {}

    def reaches(self, code: Code, starts: Iterable[int], end: int | None) -> bool:
        """Whether ``code`` matches from one of ``starts``, up to ``end`` where that is said."""
        text, size = self._text, len(code)
        waiting = [(0, start) for start in starts]
        seen = set(waiting)
        while waiting:
            at, place = waiting.pop()
            self._budget.take(self._pattern)
            if at == size:
                if end is None or place == end:
                    return True
                continue
            nexts: tuple[tuple[int, int], ...]
            match code[at]:
                case ("letter", fits):
                    nexts = ((at + 1, place + 1),) if place < len(text) and fits(text[place]) else ()
                case ("where", holds):
                    nexts = ((at + 1, place),) if holds(text, place) else ()
                case ("look", ahead, wanted, inner):
                    nexts = ((at + 1, place),) if self._looks(inner, place, ahead) is wanted else ()
                case (_, *offsets):
                    nexts = tuple((at + offset, place) for offset in offsets)
            for one in nexts:
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
        return False

    def _looks(self, inner: Code, place: int, ahead: bool) -> bool:
        key = (id(inner), place)
        if key not in self._looked:
            self._looked[key] = (
                self.reaches(inner, (place,), None) if ahead else self.reaches(inner, range(place + 1), place)
            )
        return self._looked[key]


# ---- reading ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def compiled(pattern: str) -> Code:
    """Errors: Unreadable, TooHard."""
    reader = _Reader(pattern)
    code = reader.choices(0)
    if reader.place < len(pattern):
        raise Unreadable(f"a parenthesis closes none at {reader.place}")
    return code


WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
LINE_ENDS: Final = frozenset("\n\r\u2028\u2029")
_KINDS: Final[dict[str, Letter]] = {
    "d": frozenset("0123456789").__contains__,
    "w": WORD.__contains__,
    "s": lambda letter: letter in "\t\n\v\f\r\ufeff" or (letter.isspace() and letter not in "\x1c\x1d\x1e\x1f\x85"),
}
_CONTROLS: Final = {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r", "0": "\0"}
_REPEAT: Final = re.compile(r"(?:([*+?])|\{([0-9]{1,9})(?:(,)([0-9]{1,9})?)?\})\??")
_HEX: Final = {"x": re.compile("[0-9a-fA-F]{2}"), "u": re.compile("[0-9a-fA-F]{4}")}
_GROUP: Final = re.compile(r"\?(?:(<?[=!])|:|<[A-Za-z_$][\w$]*>)|")


def _at_word_edge(text: str, place: int) -> bool:
    before = place > 0 and text[place - 1] in WORD
    return before is not (place < len(text) and text[place] in WORD)


class _Reader:
    """Recursive descent; each method reads one thing from ``place`` on and gives its instructions."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.place = 0

    def choices(self, depth: int) -> Code:
        if depth > MAX_DEPTH:
            raise TooHard(f"the pattern {self._pattern[:100]!r} has more than {MAX_DEPTH} groups within each other")
        read = [self._sequence(depth)]
        while self._take("|"):
            read.append(self._sequence(depth))
        code = read.pop()
        while read:  # from the right, so that the parts are copied once each
            first = read.pop()
            code = self._sized((("split", 1, len(first) + 2), *first, ("jump", len(code) + 1), *code))
        return code

    def _sequence(self, depth: int) -> Code:
        code: list[tuple[Any, ...]] = []
        while self.place < len(self._pattern) and self._pattern[self.place] not in "|)":
            code += self._repeated(self._atom(depth))
            self._check(len(code))
        return tuple(code)

    def _repeated(self, code: Code) -> Code:
        given = _REPEAT.match(self._pattern, self.place)
        if given is None:
            return code
        self.place = given.end()
        sign, least, comma, most = given.groups()
        if sign:
            low, high = (1 if sign == "+" else 0), (1 if sign == "?" else None)
        else:
            low = int(least)
            high = int(most) if most else None if comma else low
        if high is not None and high < low:
            raise Unreadable(f"a repeat of {low} to {high}")
        size = len(code)
        self._check((size + 1) * max(low, high or 0) + 2)
        rest: Code = ()
        if high is None:
            rest = (("split", 1, size + 2), *code, ("jump", -size - 1))
        else:
            for _ in range(high - low):  # each may be the last
                rest = (*(("split", 1, len(rest) + size + 1), *code), *rest)
        return code * low + rest

    def _atom(self, depth: int) -> Code:
        letter = self._next()
        match letter:
            case "^":
                return (("where", lambda _, place: place == 0),)
            case "$":
                return (("where", lambda text, place: place == len(text)),)
            case ".":
                return (("letter", lambda one: one not in LINE_ENDS),)
            case "(":
                return self._group(depth)
            case "[":
                return (("letter", self._set()),)
            case "\\":
                return self._escaped()
            case "*" | "+" | "?":
                raise Unreadable(f"nothing to repeat at {self.place - 1}")
        if letter == "{":
            self.place -= 1
            if _REPEAT.match(self._pattern, self.place):
                raise Unreadable(f"nothing to repeat at {self.place}")
            self.place += 1
        return (("letter", letter.__eq__),)

    def _group(self, depth: int) -> Code:
        kind = _GROUP.match(self._pattern, self.place)
        assert kind is not None, "it may match nothing"
        self.place = kind.end()
        if not kind.group() and self._pattern.startswith("?", self.place):
            raise Unreadable(f"a kind of group that is not known at {self.place}")
        inner = self.choices(depth + 1)
        if not self._take(")"):
            raise Unreadable("a group does not end")
        look = kind.group(1)
        return (("look", "<" not in look, "=" in look, inner),) if look else inner

    def _escaped(self) -> Code:
        letter = self._next()
        if letter in "bB":
            inside = letter == "B"
            return (("where", lambda text, place: _at_word_edge(text, place) is not inside),)
        if letter in "123456789" or (letter == "k" and self._pattern.startswith("<", self.place)):
            raise TooHard(f"the pattern {self._pattern[:100]!r} refers to what a group matched")
        return (("letter", self._kind(letter) or self._letter(letter).__eq__),)

    def _kind(self, letter: str) -> Letter | None:
        if letter in _KINDS:
            return _KINDS[letter]
        if letter.lower() in _KINDS:
            positive = _KINDS[letter.lower()]
            return lambda one: not positive(one)
        return None

    def _letter(self, letter: str) -> str:
        """The one letter that the escape of ``letter`` is."""
        if letter in _CONTROLS:
            return _CONTROLS[letter]
        if letter in _HEX and (code := _HEX[letter].match(self._pattern, self.place)):
            self.place = code.end()
            return chr(int(code.group(), 16))
        if letter == "c" and self._pattern[self.place : self.place + 1].isalpha():
            return chr(ord(self._next()) % 32)
        return letter

    def _set(self) -> Letter:
        """``[...]``, without its first bracket."""
        unwanted = self._take("^")
        letters: set[str] = set()
        ranges: list[tuple[str, str]] = []
        kinds: list[Letter] = []
        while not self._take("]"):
            first = self._member(kinds)
            if self._pattern.startswith("-", self.place) and not self._pattern.startswith("-]", self.place):
                self.place += 1
                last = self._member(kinds)
                if first is None or last is None:
                    letters |= {"-", *(one for one in (first, last) if one is not None)}
                elif last < first:
                    raise Unreadable(f"a range from {first!r} down to {last!r}")
                else:
                    ranges.append((first, last))
            elif first is not None:
                letters.add(first)
        return lambda one: (
            (one in letters or any(low <= one <= high for low, high in ranges) or any(kind(one) for kind in kinds))
            is not unwanted
        )

    def _member(self, kinds: list[Letter]) -> str | None:
        """One letter of a set; None where it was a kind of letters, which is added to ``kinds``."""
        letter = self._next()
        if letter != "\\":
            return letter
        letter = self._next()
        if letter == "b":
            return "\b"
        if kind := self._kind(letter):
            kinds.append(kind)
            return None
        return self._letter(letter)

    def _next(self) -> str:
        if self.place >= len(self._pattern):
            raise Unreadable("it ends too early")
        self.place += 1
        return self._pattern[self.place - 1]

    def _take(self, letter: str) -> bool:
        there = self._pattern.startswith(letter, self.place)
        self.place += there
        return there

    def _sized(self, code: Code) -> Code:
        self._check(len(code))
        return code

    def _check(self, size: int) -> None:
        if size > MAX_INSTRUCTIONS:
            raise TooHard(f"the pattern {self._pattern[:100]!r} is longer than {MAX_INSTRUCTIONS:,} steps")
