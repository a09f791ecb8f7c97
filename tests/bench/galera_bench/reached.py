"""Whether a client connection ever reached a member that was not Synced and Primary, from the member's own two logs. Pure.

MariaDB's audit plugin writes a line per accepted connection, and its error log a line per change of the member's state. Both
are read on one machine with one clock; the audit log is looked at every 20 ms, since its own times are whole seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

LOOK_EVERY = 0.02
"""Seconds between two looks at a member's audit log; a connection was accepted at most so long before it was seen."""

_CHANGE = re.compile(r"WSREP: Server status change (?P<before>[\w-]+) -> (?P<after>[\w-]+)")
_NON_PRIMARY = re.compile(r"WSREP: New COMPONENT: primary = no|View:.*status: non-primary|Received NON-PRIMARY")
_PRIMARY = re.compile(r"WSREP: New COMPONENT: primary = yes")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A client's connection as its member's audit log tells it. `at`: when it was seen there, seconds since the epoch."""

    at: float
    container: str
    number: int
    client: str


@dataclass(frozen=True, slots=True)
class State:
    """A member's state from a time on, e.g. ``synced``, ``donor``, ``joined``; and whether it is in a Primary component."""

    at: float
    name: str
    primary: bool

    @property
    def serves(self) -> bool:
        return self.name == "synced" and self.primary

    def __str__(self) -> str:
        return self.name if self.primary else f"{self.name}, non-Primary"


def parse_audit(line: str, at: float, container: str, user: str) -> Accepted | None:
    """Read a line of the audit log; None when it is not an accepted connection of this user.

    ``20261125 05:04:11,host,user,client,connection,query,CONNECT,database,,0``; the last field is the error's number.
    """
    fields = line.rstrip("\n").split(",")
    if len(fields) < 10 or fields[2] != user or fields[6] != "CONNECT" or fields[-1] != "0":
        return None
    return Accepted(at, container, int(fields[4]), fields[3])


def states(lines: Iterable[tuple[float, str]]) -> list[State]:
    """A member's states from the lines of its log with their times, in order."""
    found, name, primary = [State(0.0, "down", False)], "down", False
    for at, text in lines:
        change = _CHANGE.search(text)
        if change:
            name = change["after"]
        elif _PRIMARY.search(text):
            primary = True
        elif _NON_PRIMARY.search(text):
            primary = False
        else:
            continue
        found.append(State(at, name, primary))
    return found


def log_lines(log: Iterable[str]) -> Iterator[tuple[float, str]]:
    """The lines of an engine's log of a container with their times, in seconds since the epoch; half a line is left out."""
    for text in log:
        try:
            entry = json.loads(text)
            day, _, rest = entry["time"].rstrip("Z").partition(".")
            yield datetime.fromisoformat(f"{day}+00:00").timestamp() + float(f"0.{rest or 0}"), entry["log"]
        except (ValueError, KeyError):
            continue


def state_at(history: Sequence[State], seen: float) -> State:
    """The member's state when a connection that was seen at a time was accepted.

    A change that falls into the time between acceptance and look is given to the state before it, unless only the one after it
    serves: what cannot be told apart is not called wrong.
    """
    possible = [history[0]]
    for state in history:
        if state.at <= seen - LOOK_EVERY:
            possible = [state]
        elif state.at <= seen:
            possible.append(state)
    return next((state for state in possible if state.serves), possible[0])


def misrouted(accepted: Iterable[Accepted], histories: dict[str, Sequence[State]]) -> dict[str, int]:
    """How many connections met a member in each state that does not serve; empty: none did.

    Where no other member served either, that is said: the only member has to be the donor of the second one.
    """
    wrong: dict[str, int] = {}
    for one in accepted:
        state = state_at(histories.get(one.container, [State(0.0, "unknown", False)]), one.at)
        if not state.serves:
            others = any(state_at(history, one.at).serves for history in histories.values())
            words = str(state) if others else f"{state} (nobody else served)"
            wrong[words] = wrong.get(words, 0) + 1
    return wrong


def first_routed(accepted: Iterable[Accepted], histories: dict[str, Sequence[State]], since: float) -> list[float]:
    """For each member that became Synced after a time: seconds from there to its first client connection."""
    connections = sorted(accepted, key=lambda one: one.at)
    waits = []
    for container, history in histories.items():
        synced = next((state.at for state in history if state.serves and state.at >= since), None)
        if synced is None:
            continue
        first = next((one.at for one in connections if one.container == container and one.at >= synced), None)
        if first is not None:
            waits.append(first - synced)
    return waits
