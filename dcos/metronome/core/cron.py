"""Cron expressions: ``minute hour day-of-month month day-of-week [year]``, in a time zone.

Unlike Vixie cron, a day must match both day fields where both are restricted. A local time that a zone skips runs at the
next valid one; one that it repeats runs once, the first time.
Source: Metronome's CronSpec (cron-utils): ``* , - /``, names, ``L``, ``W``, ``#``; 0 and 7 are Sunday, 1 is Monday.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_MONTHS = {name: number for number, name in enumerate(
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), 1)}  # fmt: skip
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_FIRST_YEAR, _LAST_YEAR = 1970, 2099
_HORIZON_YEARS = 30
"""29 February on a Monday comes every 28 years at most, but around 2100."""

DayTest = Callable[[date], bool]


_CLOCK_CHANGE_S = 3600.0
"""Within an hour, minutes may come out of order by so much."""


class CronError(ValueError):
    """An expression that cannot be: says which field and why."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: frozenset[int]
    years: frozenset[int] | None
    month_days: DayTest
    week_days: DayTest

    def after(self, moment: float, zone: ZoneInfo) -> float | None:
        """The first time later than ``moment``, both Unix seconds; None: never again."""
        local = datetime.fromtimestamp(moment, zone)
        for day in self._days(local.date() - timedelta(days=1)):
            for hour in self.hours:
                if _instant(day, hour, 59, zone) + _CLOCK_CHANGE_S <= moment:
                    continue  # all of it is over
                for minute in self.minutes:
                    found = _instant(day, hour, minute, zone)
                    if found > moment:
                        return found
        return None

    def _days(self, first: date) -> Iterator[date]:
        for year in range(first.year, first.year + _HORIZON_YEARS):
            if self.years is not None and year not in self.years:
                continue
            for month in sorted(self.months):
                if (year, month) < (first.year, first.month):
                    continue
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= first and self.month_days(day) and self.week_days(day):
                        yield day


def _instant(day: date, hour: int, minute: int, zone: ZoneInfo) -> float:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC).timestamp()


def parse(text: str) -> Cron:
    """Errors: CronError."""
    fields = text.split()
    if len(fields) not in (5, 6):
        raise CronError(
            f"'{text}' must have five fields (minute hour day-of-month month day-of-week), and may have a year"
        )
    minute, hour, month_day, month, week_day, *rest = fields
    cron = Cron(
        text=text,
        minutes=tuple(sorted(_numbers("minute", minute, 0, 59))),
        hours=tuple(sorted(_numbers("hour", hour, 0, 23))),
        months=frozenset(_numbers("month", month, 1, 12, _MONTHS)),
        years=frozenset(_numbers("year", rest[0], _FIRST_YEAR, _LAST_YEAR)) if rest and rest[0] != "*" else None,
        month_days=_any([_month_day(part) for part in month_day.split(",")]),
        week_days=_any([_week_day(part) for part in week_day.split(",")]),
    )
    if re.fullmatch(r"[\d,-]+", month_day):
        numbers = _numbers("day-of-month", month_day, 1, 31)
        if all(number > max(calendar.monthrange(2024, one)[1] for one in cron.months) for number in numbers):
            raise CronError(f"'{text}': no such date exists")
    return cron


def _any(tests: list[DayTest]) -> DayTest:
    return lambda day: any(test(day) for test in tests)


def _month_day(text: str) -> DayTest:
    if text.upper() == "L":
        return lambda day: day.day == _length(day)
    if text.upper() == "LW":
        return lambda day: day.day == _nearest_weekday(day, _length(day))
    if match := re.fullmatch(r"(\d+)[wW]", text):
        wanted = _bounded("day-of-month", int(match[1]), 1, 31)
        return lambda day: wanted <= _length(day) and day.day == _nearest_weekday(day, wanted)
    numbers = _numbers("day-of-month", text, 1, 31)
    return lambda day: day.day in numbers


def _week_day(text: str) -> DayTest:
    if match := re.fullmatch(r"(\w+)#(\d)", text):
        wanted, which = _day_number(match[1]), _bounded("day-of-week", int(match[2]), 1, 5)
        return lambda day: _of_week(day) == wanted and (day.day + 6) // 7 == which
    if match := re.fullmatch(r"(\w+)[lL]", text):
        last = _day_number(match[1])
        return lambda day: _of_week(day) == last and day.day + 7 > _length(day)
    numbers = {number % 7 for number in _numbers("day-of-week", text, 0, 7, _DAYS)}
    return lambda day: _of_week(day) in numbers


def _day_number(text: str) -> int:
    return next(iter(_numbers("day-of-week", text, 0, 7, _DAYS))) % 7


def _of_week(day: date) -> int:
    return day.isoweekday() % 7


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _nearest_weekday(day: date, wanted: int) -> int:
    """The Monday-to-Friday nearest to the month's ``wanted`` day, within the month."""
    weekday = day.replace(day=wanted).isoweekday()
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    if weekday == 7:
        return wanted + 1 if wanted < _length(day) else wanted - 2
    return wanted


def _numbers(field: str, text: str, low: int, high: int, names: dict[str, int] | None = None) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        body, slash, step_text = part.partition("/")
        step = 1
        if slash:
            if not step_text.isdigit() or int(step_text) < 1:
                raise CronError(f"{field}: '{part}' needs a step of 1 or more")
            step = int(step_text)
        if body == "*":
            first, last = low, high
        else:
            first_text, dash, last_text = body.partition("-")
            first = _number(field, first_text, low, high, names)
            last = _number(field, last_text, low, high, names) if dash else (high if slash else first)
        if first <= last:
            found.update(range(first, last + 1, step))
        elif names is not None and field == "day-of-week":
            found.update(number % 7 for number in range(first, last + 8, step))
        else:
            raise CronError(f"{field}: '{part}' begins after its end")
    return found


def _number(field: str, text: str, low: int, high: int, names: dict[str, int] | None) -> int:
    if names is not None and text.upper() in names:
        return names[text.upper()]
    if not (text.isascii() and text.isdigit()):
        raise CronError(f"{field}: '{text}' is not understood")
    return _bounded(field, int(text), low, high)


def _bounded(field: str, number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise CronError(f"{field}: {number} is not between {low} and {high}")
    return number
