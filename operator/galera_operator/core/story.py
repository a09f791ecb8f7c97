"""Moments told as events: what was seen, decided and done, when it was new. For `why`, `history` and the page's timeline."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from galera_operator.core.condition import Condition, condition_of
from galera_operator.core.model import Seat, Snapshot, Unseen
from galera_operator.core.moment import Moment
from galera_operator.core.phase import Phase, phase_of
from galera_operator.core.plan import Act, Hold, Page

_SLOTS = re.compile(r"\bslot (\d+)")
_COUNTS = re.compile(r"(?<!slot )\b\d+(\.\d+)?")


class Kind(StrEnum):
    """What an event is about."""

    OPERATOR = "operator"
    SEEN = "seen"
    ACT = "act"
    HOLD = "hold"
    PAGE = "page"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that was new. `until` and `times`: how often it was said in a row, and when last."""

    at: datetime
    kind: Kind
    text: str
    until: datetime
    times: int = 1

    @property
    def slots(self) -> frozenset[int]:
        """The slots that the sentence is about."""
        return frozenset(int(slot) for slot in _SLOTS.findall(self.text))


def told(before: Moment | None, now: Moment) -> list[Event]:
    """What this moment has that the one before had not, in the order in which it came about. Empty: nothing is new."""
    words: list[tuple[Kind, str]] = []
    if before is None or before.operator != now.operator:
        words.append((Kind.OPERATOR, f"operator {now.operator} looks after {now.cluster}"))
    if now.seen is not None:
        was = before.seen if before else None
        words += [(Kind.SEEN, text) for text in _seen(was, now.seen)]
        condition, old = _condition(now), _condition(before)
        if condition is not old:
            words.append((Kind.SEEN, f"the cluster is: {condition}{f' (was {old})' if old else ''}"))
    if before is None or (type(before.plan), before.plan.why) != (type(now.plan), now.plan.why):
        words.append(_plan(now))
    words += [
        (Kind.REFUSED, f"{outcome.step}: {outcome.fault}") if outcome.fault else (Kind.DONE, outcome.step)
        for outcome in now.outcomes
    ]
    return [Event(now.at, kind, text, now.at) for kind, text in words]


def collapsed(events: Iterable[Event]) -> list[Event]:
    """The same sentence several times in a row, be it with other counts in it, as one event with its last wording."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if last and last.kind is event.kind and _COUNTS.sub("#", last.text) == _COUNTS.sub("#", event.text):
            out[-1] = replace(last, text=event.text, until=event.until, times=last.times + event.times)
        else:
            out.append(event)
    return out


def events_of(moments: Sequence[Moment]) -> list[Event]:
    """All that happened, collapsed."""
    pairs = zip([None, *moments], moments, strict=False)
    return collapsed(event for before, now in pairs for event in told(before, now))


def last_episode(moments: Sequence[Moment]) -> Sequence[Moment]:
    """The moments from the last calm one before something happened, to the end: how the cluster came to where it is now."""
    at = len(moments) - 1
    while at > 0 and is_calm(moments[at]):
        at -= 1
    while at > 0 and not is_calm(moments[at]):
        at -= 1
    return moments[max(0, at) :]


def is_calm(moment: Moment) -> bool:
    """True when nothing had to be done: every member serves."""
    return isinstance(moment.plan, Hold) and _condition(moment) is Condition.SERVING


def phases(seen: Snapshot) -> Mapping[int, Phase]:
    """What each member does, by slot."""
    return {seat.slot: phase_of(seat) for seat in seen.seats}


def _condition(moment: Moment | None) -> Condition | None:
    if moment is None or moment.seen is None or moment.memory is None:
        return None
    return condition_of(moment.seen, moment.memory)


def _plan(moment: Moment) -> tuple[Kind, str]:
    match moment.plan:
        case Act(why=why):
            return Kind.ACT, why
        case Hold(why=why):
            return Kind.HOLD, why
        case Page(name=name, why=why):
            return Kind.PAGE, f"{name}: {why}"


def _seen(was: Snapshot | None, now: Snapshot) -> list[str]:
    """One sentence for each member whose phase is another one, or that came or went."""
    old = phases(was) if was else {}
    new = phases(now)
    lines = [f"{seat.title} is {new[seat.slot]}{_was(old.get(seat.slot))}{_note(seat)}" for seat in _changed(now, old, new)]
    return lines + [f"slot {slot} is gone{_was(phase)}" for slot, phase in old.items() if slot not in new]


def _changed(now: Snapshot, old: Mapping[int, Phase], new: Mapping[int, Phase]) -> list[Seat]:
    return [seat for seat in now.seats if old.get(seat.slot) is not new[seat.slot]]


def _was(phase: Phase | None) -> str:
    return f" (was {phase})" if phase else ""


def _note(seat: Seat) -> str:
    note = seat.member.cause if isinstance(seat.member, Unseen) else seat.member.agent.note
    return f": {note}" if note and phase_of(seat) is not Phase.ADMITTED else ""
