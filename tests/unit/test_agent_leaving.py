from __future__ import annotations

from typing import Any

from builders import status

from galera_operator.agent.leaving import whom_to_wait_for
from galera_operator.agent.peers import Heard
from galera_operator.core.agent_api import AgentStatus, Stage

ALL = ("db.1", "db.2", "db.3")


def heard(slot: int, stage: Stage = Stage.RUNNING, age: float = 0.1, **changes: Any) -> Heard:
    leaving = stage is not Stage.RUNNING
    said: AgentStatus = status(slot, stage=stage, **({"leaving": leaving} | changes))
    return Heard(f"10.0.0.{slot}", said, age)


def waits(name: str, *others: Heard, since_stop: float = 3.0, since_ready: float = 1.0, members: tuple[str, ...] = ALL) -> str:
    return whom_to_wait_for(name, members, others, since_stop, since_ready)


def test_a_member_that_leaves_alone_waits_for_nobody() -> None:
    assert waits("db.2", heard(1), heard(3)) == ""


def test_of_two_that_are_ready_the_lower_name_leaves_first() -> None:
    assert waits("db.2", heard(1), heard(3, Stage.DRAINED)) == ""
    assert waits("db.3", heard(1), heard(2, Stage.DRAINED)) == "db.2"


def test_nobody_leaves_while_another_one_is_shutting_down() -> None:
    assert waits("db.2", heard(1), heard(3, Stage.STOPPING)) == "db.3"
    assert waits("db.2", heard(1), heard(3, Stage.STOPPING), members=("db.1", "db.2")) == "", "it is out of the view"


def test_a_member_that_still_drains_is_not_waited_for() -> None:
    assert waits("db.3", heard(1), heard(2, Stage.DRAINING)) == ""


def test_a_word_from_before_is_no_word_for_now() -> None:
    assert waits("db.2", heard(1, age=0.4), since_stop=0.2) == "db.1", "both may have been told to stop at one instant"
    assert waits("db.2", heard(1, age=0.4), since_stop=0.5) == ""
    assert waits("db.2", heard(1), heard(3, Stage.DRAINING, age=0.4), since_ready=0.2) == "db.3", "it may be through by now"
    assert waits("db.2", heard(1), heard(3, Stage.DRAINED, age=0.4), since_ready=0.2) == "db.3"


def test_an_operators_drain_is_not_a_leave() -> None:
    assert waits("db.3", heard(1), heard(2, Stage.DRAINED, leaving=False)) == ""
