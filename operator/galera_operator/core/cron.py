"""Read the five fields of cron, as people know them from crontab, into values that say exactly when."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PART = re.compile(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<every>\d{1,2}))?")


class BadCron(ValueError):
    """Not five fields of cron; says which one, what stood there and what it takes."""


@dataclass(frozen=True, slots=True)
class Cron:
    """When, in the wall clock time of some zone. Weekdays: 0 is Sunday, as in crontab."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]


def read_cron(text: str) -> Cron:
    """Read ``MINUTE HOUR DAY MONTH WEEKDAY``: numbers, names, ``*``, ``a-b``, ``*/n``, lists with commas.

    Where both the day of the month and the weekday are restricted, crontab means either of them and people mean both: refused.

    Raises:
        BadCron: for anything else.
    """
    fields = text.split()
    if len(fields) != 5:
        raise BadCron(f"{text!r} has {len(fields)} fields; cron takes five: minute hour day month weekday")
    minute, hour, day, month, weekday = fields
    days, weekdays = _numbers("day", day, 1, 31), _weekdays(weekday)
    if len(days) < 31 and len(weekdays) < 7:
        raise BadCron(f"{text!r} names days of the month and weekdays; name only one of them, with * for the other")
    return Cron(
        text, _numbers("minute", minute, 0, 59), _numbers("hour", hour, 0, 23), days, _numbers("month", month, 1, 12), weekdays
    )


def _weekdays(field: str) -> tuple[int, ...]:
    return tuple(sorted({number % 7 for number in _numbers("weekday", field, 0, 7)}))


def _numbers(name: str, field: str, least: int, most: int) -> tuple[int, ...]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part.lower())
        if match is None:
            raise BadCron(f"the {name} is {field!r}; it takes {least} to {most}, *, a-b, */n, or a list of these")
        every = int(match["every"] or 1)
        if match["first"] == "*":
            first, last = least, most
        else:
            first = _number(name, match["first"], least, most)
            last = _number(name, match["last"], least, most) if match["last"] else (most if match["every"] else first)
        if last < first or every < 1 or (match["first"] == "*" and match["last"]):
            raise BadCron(f"the {name} is {field!r}; a range goes up, and a step is at least 1")
        found.update(range(first, last + 1, every))
    return tuple(sorted(found))


def _number(name: str, word: str, least: int, most: int) -> int:
    names = {"weekday": _DAYS, "month": _MONTHS}.get(name, ())
    if word in names:
        return names.index(word) + (1 if name == "month" else 0)
    if not word.isdigit() or not least <= int(word) <= most:
        raise BadCron(f"the {name} has {word!r}; it takes {least} to {most}{' or ' + ' '.join(names) if names else ''}")
    return int(word)
