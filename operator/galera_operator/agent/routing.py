"""What the proxy is told, and who the writer is. Pure: values in, an answer out, from cached state only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from galera_operator.core.agent_api import ANY_WRITER, Wsrep
from galera_operator.core.position import ZERO_UUID

STALE_SECONDS = 2.0
"""A status older than this means that mariadbd does not answer: frozen, or drowned."""

SYNCED, JOINED, DONOR = 4, 3, 2


@dataclass(frozen=True, slots=True)
class Role:
    """Who is the writer, and the how-manieth choice that is."""

    writer: str
    term: int


NO_ROLE = Role("", 0)


@dataclass(frozen=True, slots=True)
class Seen:
    """One member as its agent tells it: ourselves, or a peer that answered within `STALE_SECONDS`."""

    name: str
    admitted: bool
    draining: bool
    wsrep: Wsrep | None
    role: Role = NO_ROLE
    is_doubtful: bool = False
    """Ourselves only: mariadbd or this container was frozen just now. A thawed member still says Synced and Primary for
    seconds after the others have gone on without it."""
    is_late_enough: bool = True
    """A peer only: what it says is from after our thaw. An answer from right before it tells of the view as it was."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`code`: 200 route here; 404 no new connections, the present ones may finish; 503 nothing works here."""

    code: int
    why: str

    @property
    def haproxy_line(self) -> str:
        """The same as an agent-check line. `up ready` also takes back an earlier `drain`."""
        return {200: "up ready 100%\n", 404: "drain\n"}.get(self.code, f"down#{self.why}\n")


def readiness(own: Seen, wsrep_age: float, others: Sequence[Seen], *, allow_donor: bool) -> Answer:
    """May clients read here?"""
    trouble = _trouble(own, wsrep_age, others)
    if trouble:
        return Answer(503, trouble)
    if own.draining:
        return Answer(404, "draining")
    return _in_service(own, others, allow_donor=allow_donor)


def _in_service(own: Seen, others: Sequence[Seen], *, allow_donor: bool) -> Answer:
    """A donor is left alone for as long as another member serves."""
    assert own.wsrep is not None
    if own.wsrep.local_state == SYNCED or allow_donor:
        return Answer(200, own.wsrep.local_state_comment)
    if not any(_is_fit(other) for other in _component(own, others)):
        return Answer(200, f"{own.wsrep.local_state_comment}, but nobody else serves")
    return Answer(404, own.wsrep.local_state_comment)


def writability(own: Seen, wsrep_age: float, others: Sequence[Seen], writer: str) -> Answer:
    """May clients write here? A writer that becomes a donor stays the writer: moving it would cut more than the donating.

    Where every member takes writes, a donor does not.
    """
    trouble = _trouble(own, wsrep_age, others)
    if trouble:
        return Answer(503, trouble)
    if own.draining:
        return Answer(404, "draining")
    if writer == ANY_WRITER:
        return _in_service(own, others, allow_donor=False)
    if writer != own.name:
        return Answer(404, f"the writer is {writer or 'not known'}")
    return Answer(200, "the writer")


def choose_writer(own: Seen, others: Sequence[Seen], *, settled: bool = True) -> Role:
    """Choose the one member that the write port routes to; all agents come to the same answer within a few looks.

    1. The latest choice (the highest term; of two alike the lower name) that any agent knows, while that member is in the
       component and not known to be out of service: so an appointment spreads also from one agent to the others, and a
       returning member follows instead of taking the role back. That every member takes writes is such a choice, too.
    2. Else a new choice: the lowest member that serves, a Synced one before one that donates.
    No name: nobody serves, or this member is not in a Primary component and has no say.

    Args:
        own: This member, with its present view of the role.
        others: The peers that have answered in the last `STALE_SECONDS`.
        settled: False for some seconds after the component changed: a member in it that has not been heard yet may know
            the writer, so a new one is not made up before it could answer. (An arbitrator, garbd, never answers.)
    """
    if own.wsrep is None or not own.wsrep.is_primary or own.wsrep.state_uuid == ZERO_UUID:
        return Role("", own.role.term)
    component = _component(own, others)
    everyone = [own, *component]
    known = [one.role for one in everyone if one.role.writer and _may_stay(one.role.writer, own, component)]
    if known:
        latest = max(role.term for role in known)
        return min((role for role in known if role.term == latest), key=lambda role: slot_order(role.writer))
    if not settled and not set(own.wsrep.members) <= {one.name for one in everyone}:
        return Role("", own.role.term)
    fit = [one.name for one in everyone if _is_fit(one)] or [one.name for one in everyone if _is_usable(one)]
    term = max(one.role.term for one in everyone)
    return Role(min(fit, key=slot_order), term + 1) if fit else Role("", term)


@lru_cache(maxsize=64)
def slot_order(name: str) -> tuple[str, int, str]:
    """Sort ``db.2`` before ``db.10``."""
    match = re.fullmatch(r"(.*?)(\d+)", name)
    return (match[1], int(match[2]), name) if match else (name, -1, name)


def _trouble(own: Seen, wsrep_age: float, others: Sequence[Seen]) -> str:
    """Say why nothing works here, or nothing."""
    wsrep = own.wsrep
    if wsrep is None:
        return "mariadbd is down or does not answer"
    if wsrep_age > STALE_SECONDS:
        return f"mariadbd has not answered for {wsrep_age:.0f} s"
    if not own.admitted:
        return "not admitted"
    if not wsrep.is_primary:
        return f"the component is {wsrep.cluster_status}"
    if not (wsrep.ready and wsrep.connected):
        return f"not ready: {wsrep.local_state_comment}"
    if wsrep.state_uuid == ZERO_UUID:
        return "the state UUID is zeros"
    for other in others:
        their = other.wsrep
        if their is None or not their.is_primary or their.state_uuid == ZERO_UUID:
            continue
        if their.state_uuid != wsrep.state_uuid and their.cluster_size > wsrep.cluster_size:
            return f"{other.name} is in a larger Primary component of another history"
        same = their.state_uuid == wsrep.state_uuid
        if same and their.conf_id > wsrep.conf_id and their.members and own.name not in their.members:
            return f"the component of {other.name} has gone on without this member"
    if own.is_doubtful and wsrep.cluster_size > 1 and not any(_confirms(other, own.name, wsrep) for other in others):
        return "was frozen, and no other member has confirmed yet that it still belongs to the component"
    return ""


def _confirms(other: Seen, name: str, wsrep: Wsrep) -> bool:
    """Tell whether `other` sees the member of this name in the same view as that member does itself."""
    if other.wsrep is None or not other.is_late_enough:
        return False
    same_view = (other.wsrep.state_uuid, other.wsrep.conf_id) == (wsrep.state_uuid, wsrep.conf_id)
    return same_view and name in other.wsrep.members


def _component(own: Seen, others: Sequence[Seen]) -> list[Seen]:
    """The others that are in this member's component, as far as it can name them."""
    assert own.wsrep is not None
    names = own.wsrep.members
    return [
        other
        for other in others
        if (not names or other.name in names) and other.wsrep is not None and other.wsrep.state_uuid == own.wsrep.state_uuid
    ]


def _may_stay(name: str, own: Seen, component: Sequence[Seen]) -> bool:
    """Tell whether `name` may go on as the writer. The silence of its agent is not its death: the component tells that."""
    if name == ANY_WRITER:
        return True
    for one in (own, *component):
        if one.name == name:
            return _is_usable(one)
    assert own.wsrep is not None
    return name in own.wsrep.members


def _is_usable(one: Seen, at_least: int = DONOR) -> bool:
    wsrep = one.wsrep
    is_open = one.admitted and not one.draining
    return bool(is_open and wsrep and wsrep.is_primary and wsrep.ready and wsrep.local_state >= at_least)


def _is_fit(one: Seen) -> bool:
    return _is_usable(one, at_least=SYNCED)
