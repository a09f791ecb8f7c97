"""Whose turn it is to join, where several wait."""

from __future__ import annotations

import pytest
from builders import A, status, wsrep

from galera_operator.agent.life import LINE_SECONDS, TURN_SECONDS, Life
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Component, Heard, Peers
from galera_operator.agent.settings import read_settings
from galera_operator.core.agent_api import Stage


class Told(Peers):
    """Peers of whom the test says what they said."""

    def __init__(self, *said: Heard) -> None:
        super().__init__("other", (), ())
        self._said = list(said)

    def heard(self, max_age: float) -> list[Heard]:
        return [one for one in self._said if one.age <= max_age]


def told(slot: int, stage: Stage, age: float = 0.1) -> Heard:
    return Heard(f"10.0.0.{slot}", status(slot, stage=stage, wsrep=wsrep() if stage is Stage.RUNNING else None), age)


def turn_of(slot: int, *others: Heard, waited: float = 0.0, busy: str = "") -> str:
    settings = read_settings({"GALERA_SERVICE": "db", "GALERA_SLOT": str(slot)}, [])
    life = Life(Member(settings, Told(*others)), None)
    return life._who_goes_first(Component(("10.0.0.1",), (), A, busy), waited)


def test_the_lower_name_joins_and_the_higher_one_waits_for_it() -> None:
    assert turn_of(2, told(1, Stage.RUNNING), told(3, Stage.WAITING)) == ""
    assert turn_of(3, told(1, Stage.RUNNING), told(2, Stage.WAITING)) == "db.2 is about to join"


def test_one_that_only_waits_is_not_waited_for_long() -> None:
    assert turn_of(3, told(2, Stage.WAITING), waited=LINE_SECONDS + 0.1) == ""
    assert turn_of(3, told(2, Stage.WAITING, age=2.5)) == "", "its agent may be gone"


@pytest.mark.parametrize(("waited", "first"), [(0.0, "db.2 is joining"), (30.0, "db.2 is joining"), (TURN_SECONDS + 1, "")])
def test_a_state_transfer_is_waited_for_but_not_for_ever(waited: float, first: str) -> None:
    assert turn_of(3, told(2, Stage.JOINING), waited=waited, busy="db.2 is joining") == first
