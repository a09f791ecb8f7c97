"""The clockwork: APScheduler puts words into the inbox at fixed intervals, and tells when a cron expression comes true.

No job of APScheduler's does anything: each turn asks which schedules have come due since they were last seen to, which stands in
the operator's record. So a run that nobody was there for is found, and nothing runs twice after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from galera_operator.core.cron import Cron
from galera_operator.core.remembered import Memory
from galera_operator.core.schedule import Due
from galera_operator.core.timetable import Scheduled, Window, closed
from galera_operator.runtime.inbox import Inbox

PERIODIC = "periodic look"

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NEAR = 3 * 3600
"""Seconds; more than any clock is set forward or back at once."""
_MANY = 1000
"""Missed times that are counted one by one; of more, only those of the last day are looked at."""


class Schedule:
    def __init__(self, inbox: Inbox, every: float) -> None:
        """Args: `every`: seconds between two periodic looks; events are best effort, this is the truth."""
        self.every = every
        self._inbox = inbox
        # A look that comes late is still wanted, and several late ones are one: the default grace of 1 s would drop them.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_job(inbox.put, "interval", seconds=every, args=[PERIODIC], id=PERIODIC)

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)


def due(schedules: Sequence[Scheduled], memory: Memory, zone: str, now: float) -> list[Due]:
    """The schedules that have come due since each was last seen to. One that never was is not due: it begins to count."""
    found = []
    for schedule in schedules:
        seen_to = memory.planned.fired.get(schedule.name)
        if seen_to is None or seen_to.text != schedule.text:
            continue
        times = fire_times(schedule.cron, zone, seen_to.at, now)
        if times:
            said = datetime.fromtimestamp(times[-1], ZoneInfo(zone)).strftime("%a %Y-%m-%d %H:%M %Z")
            found.append(Due(schedule, times[-1], len(times), said))
    return found


def fire_times(cron: Cron, zone: str, after: float, until: float) -> list[float]:
    """The moments in ``(after, until]`` at which the wall clock of the zone says so, each once, in order.

    The expression is worked out on the wall clock alone, and each time on it is then one moment: of an hour that comes twice its
    first time counts, and a time that is skipped comes as much later as the clock was set forward.
    """
    found = set(_moments(cron, ZoneInfo(zone), after, until, _MANY))
    if len(found) == _MANY:
        found |= set(_moments(cron, ZoneInfo(zone), max(after, until - 86400), until, 24 * 60))
    return sorted(found)


def next_time(cron: Cron, zone: str, after: float) -> float | None:
    """The first moment after this one; None when there is none within five years."""
    return next(_moments(cron, ZoneInfo(zone), after, after + 5 * 366 * 86400, 1), None)


def why_closed(windows: Sequence[Window], zone: str, now: float) -> str:
    """`core.timetable.closed` at this moment in the user's zone."""
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    return closed(windows, local.weekday(), local.hour * 60 + local.minute)


def _moments(cron: Cron, zone: ZoneInfo, after: float, until: float, many: int) -> Iterator[float]:
    trigger = _trigger(cron)
    wall = _wall(after, zone) - _shift_around(after, zone)
    last = _wall(until, zone) + _shift_around(until, zone)
    while many:
        following = trigger.get_next_fire_time(None, wall)
        if following is None or following > last:
            return
        moment = following.replace(tzinfo=zone, fold=0).timestamp()
        if after < moment <= until:
            many -= 1
            yield moment
        wall = following + timedelta(seconds=1)


@lru_cache(maxsize=256)
def _trigger(cron: Cron) -> CronTrigger:
    return CronTrigger(
        minute=_listed(cron.minutes),
        hour=_listed(cron.hours),
        day=_listed(cron.days),
        month=_listed(cron.months),
        day_of_week=",".join(_WEEKDAYS[day] for day in cron.weekdays),  # its own numbers begin with Monday, crontab's with Sunday
        timezone=UTC,
    )


def _shift_around(moment: float, zone: ZoneInfo) -> timedelta:
    """How far the wall clock has to be read beyond this moment: not at all, but where it is set near it."""
    before, after = (datetime.fromtimestamp(moment + offset, zone).utcoffset() for offset in (-_NEAR, _NEAR))
    return timedelta(0) if before == after else timedelta(seconds=_NEAR)


def _wall(moment: float, zone: ZoneInfo) -> datetime:
    """The wall clock's reading, dressed as UTC, where no hour is skipped or comes twice."""
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=UTC)


def _listed(numbers: tuple[int, ...]) -> str:
    return ",".join(str(number) for number in numbers)
