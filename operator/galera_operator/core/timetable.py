"""What a user schedules by label: a size or a runbook at certain times, and the windows in which planned work may begin."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from galera_operator.core.cron import BadCron, Cron, read_cron

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = "|".join(_DAYS)
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d"
_WINDOW = re.compile(rf"(?:(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?\s+)?(?P<start>{_TIME})-(?P<end>{_TIME}|24:00)")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_RUNBOOK = re.compile(r"runbook\s+(?P<name>[a-z][a-z0-9-]*)(?P<told>(\s+[a-z_]+=\S*)*)")
EXAMPLE = "'0 8 * * 1-5 -> 5' or '0 3 * * sun -> runbook rolling-restart'"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One ``galera.schedule.<name>`` label. `text`: the label as written."""

    name: str
    text: str
    cron: Cron
    runbook: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Window:
    """Planned work may begin on these weekdays (0 is Monday) from `start` to `end`, in minutes of the day.

    With `end` not after `start` it goes on past midnight.
    """

    text: str
    days: tuple[int, ...]
    start: int
    end: int

    def is_open(self, weekday: int, minute: int) -> bool:
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        return (weekday in self.days and minute >= self.start) or ((weekday - 1) % 7 in self.days and minute < self.end)


def read_schedule(name: str, text: str) -> Scheduled:
    """Read ``CRON -> N`` or ``CRON -> runbook NAME key=value ...``. Raises `ValueError` with what is expected."""
    cron, arrow, what = (part.strip() for part in text.partition("->"))
    if not arrow or not _NAME.fullmatch(name):
        raise BadCron(f"expected {EXAMPLE}, under a name of letters, digits, - and _")
    found = read_cron(cron)
    if what.isdigit():
        return Scheduled(name, text, found, "scale", {"replicas": what})
    match = _RUNBOOK.fullmatch(what)
    if match is None:
        raise BadCron(f"after the arrow stands {what!r}; expected {EXAMPLE}")
    told = dict(pair.partition("=")[::2] for pair in match["told"].split())
    return Scheduled(name, text, found, match["name"], told)


def read_windows(text: str) -> tuple[Window, ...]:
    """Read ``Sun 02:00-04:00``, several with commas, days as ``Mon-Fri`` or none for every day. Raises `ValueError`."""
    windows = []
    for part in text.split(","):
        match = _WINDOW.fullmatch(part.strip().lower())
        if match is None:
            raise ValueError(f"{part.strip()!r} is no window")
        first = _DAYS.index(match["first"] or "mon")
        last = _DAYS.index(match["last"] or match["first"] or "sun")
        days = tuple((first + offset) % 7 for offset in range((last - first) % 7 + 1))
        windows.append(Window(part.strip(), days, _minutes(match["start"]), _minutes(match["end"])))
    return tuple(windows)


def _minutes(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def closed(windows: Sequence[Window], weekday: int, minute: int) -> str:
    """Say why planned work has to wait, or nothing where it may begin: no window is named, or one is open."""
    if not windows or any(window.is_open(weekday, minute) for window in windows):
        return ""
    return f"waits for the maintenance window: {', '.join(window.text for window in windows)}"
