"""Agents without an operator: whatever happened in whatever order, once they have heard each other there is exactly one writer.

The component is Galera's, so all in it have the same view at once; what an agent knows of another one may be from before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from builders import wsrep
from hypothesis import given
from hypothesis import strategies as st

from galera_operator.agent.routing import NO_ROLE, Role, Seen, choose_writer, slot_order, writability
from galera_operator.core.agent_api import ANY_WRITER

SLOTS = (1, 2, 3, 4)
ROUNDS = 4
"""Rounds in which every agent hears every other one, until they have to agree."""


@dataclass
class Agents:
    """The agents of one Primary component, and what each has heard of each."""

    chance: Random
    members: dict[str, Seen] = field(default_factory=dict)
    heard: dict[tuple[str, str], Seen] = field(default_factory=dict)

    def come(self, slot: int) -> None:
        """A new life: it knows no writer, and is let in."""
        name = f"db.{slot}"
        self.members[name] = Seen(name, admitted=True, draining=False, wsrep=None, role=NO_ROLE)
        self._view()

    def go(self, name: str) -> None:
        if len(self.members) > 1:
            del self.members[name]
            self.heard = {pair: word for pair, word in self.heard.items() if name not in pair}
            self._view()

    def change(self, name: str, **changes: object) -> None:
        self.members[name] = replace(self.members[name], **changes)

    def appoint(self, name: str, writer: str) -> None:
        """The operator's word, as `Member.appoint` takes it."""
        terms = [one.role.term for one in [self.members[name], *self._others(name)]]
        if self.members[name].role.writer != writer:
            self.change(name, role=Role(writer, max(terms) + 1))
        self.look(name)

    def hear(self, name: str, other: str) -> None:
        self.heard[name, other] = self.members[other]

    def look(self, name: str) -> None:
        own = self.members[name]
        self.change(name, role=choose_writer(own, self._others(name)))

    def settle(self) -> None:
        for _ in range(ROUNDS):
            for name in self.chance.sample(sorted(self.members), len(self.members)):
                for other in self.members:
                    if other != name:
                        self.hear(name, other)
                self.look(name)

    def writers(self) -> list[str]:
        """Who answers the write port with 200."""
        return [
            name for name, own in self.members.items() if writability(own, 0.2, self._others(name), own.role.writer).code == 200
        ]

    def able(self) -> list[str]:
        return [name for name, own in self.members.items() if own.admitted and not own.draining]

    def _others(self, name: str) -> list[Seen]:
        """In the order of names, as `Peers.heard` gives them."""
        words = [word for (own, other), word in self.heard.items() if own == name and other in self.members]
        return sorted(words, key=lambda word: word.name)

    def _view(self) -> None:
        names = tuple(sorted(self.members))
        for name, own in self.members.items():
            state = own.wsrep.local_state if own.wsrep else 4
            self.change(name, wsrep=wsrep(local_state=state, members=names, cluster_size=len(names)))


EVENTS = st.lists(
    st.sampled_from(
        ["hear", "hear", "look", "look", "drain", "undrain", "donate", "done", "go", "come", "appoint", "shut out", "let in"]
    ),
    max_size=30,
)


def happen(agents: Agents, kind: str) -> None:
    names = sorted(agents.members, key=slot_order)
    name, other = agents.chance.choice(names), agents.chance.choice(names)
    own = agents.members[name]
    assert own.wsrep is not None
    match kind:
        case "hear" if name != other:
            agents.hear(name, other)
        case "look":
            agents.look(name)
        case "drain" | "undrain":
            agents.change(name, draining=kind == "drain")
        case "shut out" | "let in":
            agents.change(name, admitted=kind == "let in")
        case "donate" | "done":
            agents.change(name, wsrep=replace(own.wsrep, local_state=2 if kind == "donate" else 4))
        case "go":
            agents.go(name)
        case "come":
            away = [slot for slot in SLOTS if f"db.{slot}" not in agents.members]
            if away:
                agents.come(agents.chance.choice(away))
        case "appoint":
            agents.appoint(name, other)


@given(st.integers(0, 2**32), st.integers(1, len(SLOTS)), EVENTS)
def test_whatever_happened_exactly_one_member_is_the_writer_and_all_agree(seed, size, events):
    agents = Agents(Random(seed))
    for slot in range(1, size + 1):
        agents.come(slot)
    for kind in events:
        happen(agents, kind)
    agents.settle()
    roles = {own.role for own in agents.members.values()}
    assert len(roles) == 1
    writer = roles.pop().writer
    assert agents.writers() == ([writer] if agents.able() else [])
    assert writer in agents.able() or not agents.able()
    before = dict(agents.members)
    agents.settle()
    assert agents.members == before, "and it stays so"


@given(st.integers(0, 2**32), st.sampled_from(SLOTS), EVENTS)
def test_a_member_that_returns_does_not_take_the_role_back(seed, slot, events):
    agents = Agents(Random(seed))
    for other in SLOTS:
        if other != slot:
            agents.come(other)
    for kind in events:
        if kind not in {"come", "go"}:
            happen(agents, kind)
    agents.settle()
    before = agents.writers()
    agents.come(slot)
    agents.settle()
    assert agents.writers() == (before or [f"db.{slot}"])


@given(st.integers(0, 2**32), EVENTS)
def test_that_every_member_takes_writes_reaches_every_agent_and_who_comes_later(seed, events):
    agents = Agents(Random(seed))
    for slot in SLOTS:
        agents.come(slot)
    for kind in events:
        happen(agents, kind)
    agents.settle()
    agents.appoint(agents.chance.choice(sorted(agents.members)), ANY_WRITER)
    agents.settle()
    for slot in SLOTS:
        if f"db.{slot}" not in agents.members:
            agents.come(slot)
    agents.settle()
    assert {own.role.writer for own in agents.members.values()} == {ANY_WRITER}
    idle = [name for name in agents.able() if agents.members[name].wsrep.local_state == 4]
    assert sorted(agents.writers()) == sorted(idle or agents.able())
