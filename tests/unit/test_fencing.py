"""Two operators at once, in every order in which their commands can arrive: at most one Primary component is ever formed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from builders import A, position
from small_world import Box, SmallWorld

from galera_operator.core.agent_api import Command, Fence, Stage
from galera_operator.core.agent_api import FormPrimary as AgentFormPrimary
from galera_operator.core.plan import Act, Bootstrap, FormPrimary
from galera_operator.ports import Refused, Unreachable
from galera_operator.runtime.act import carry_out

AT = position(9)
OLD, NEW = 5, 7
"""Epochs: the old operator was frozen between its decision and its commands, the new one has taken the lease over since."""


def three(*, living: bool = False) -> SmallWorld:
    """Three members of the same data: they wait, or live without a Primary component."""
    world = SmallWorld()
    stage = Stage.RUNNING if living else Stage.WAITING
    world.boxes = {f"task{slot}": Box(f"task{slot}", slot, stage, is_primary=False) for slot in (1, 2, 3)}
    world.volumes = dict.fromkeys((1, 2, 3), AT)
    return world


def life(slot: int) -> tuple[int, str, str]:
    return slot, f"10.0.0.{slot}", f"life of task{slot}"


def form(slot: int, *, living: bool = False) -> Bootstrap | FormPrimary:
    others = tuple(life(other) for other in (1, 2, 3) if other != slot)
    return FormPrimary(*life(slot), AT, others) if living else Bootstrap(*life(slot), AT, others)


class Line:
    """An operator's commands, each of which arrives when it is let through, as far as its own code sends it."""

    def __init__(self, world: SmallWorld, step: Bootstrap | FormPrimary, epoch: int) -> None:
        self._world = world
        self._answers: list[Exception | None] = []
        self._step, self._epoch = step, epoch
        self._sent = 0
        self._is_let = False

    def let_through(self) -> None:
        """Send the next command. The operator's code runs anew each time, with the answers it has had so far."""
        self._sent, self._is_let = 0, True
        carry_out(Act((self._step,), "why"), self._world, self, "token", self._epoch)

    def send(self, address: str, token: str, command: Command) -> None:
        number, self._sent = self._sent, self._sent + 1
        if number == len(self._answers):
            if not self._is_let:
                raise Unreachable("not let through yet")
            self._is_let = False
            self._answers.append(self._answer(address, token, command))
        answer = self._answers[number]
        if answer:
            raise answer

    def _answer(self, address: str, token: str, command: Command) -> Exception | None:
        try:
            self._world.send(address, token, command)
        except Refused as error:
            return error
        return None


def orders() -> Iterator[tuple[bool, ...]]:
    """Every order of three commands of each operator; True: the new one's turn."""
    for mine in combinations(range(6), 3):
        yield tuple(turn in mine for turn in range(6))


@pytest.mark.parametrize("living", [False, True], ids=["bootstrap", "pc.bootstrap"])
@pytest.mark.parametrize("new", [1, 2, 3])
@pytest.mark.parametrize("old", [1, 2, 3])
def test_in_whatever_order_the_commands_of_two_operators_arrive_one_primary_component_is_formed_at_most(old, new, living):
    formed = set()
    for order in orders():
        world = three(living=living)
        olds, news = Line(world, form(old, living=living), OLD), Line(world, form(new, living=living), NEW)
        for is_new in order:
            (news if is_new else olds).let_through()
        assert len(world.formed) <= 1, f"{order}: {world.formed}"
        assert world.harm == []
        formed |= set(world.formed)
    assert (NEW, new) in formed, "the new operator never got there"
    assert (OLD, old) in formed, "the old operator never was in time"


@pytest.mark.parametrize("old", [1, 2, 3])
@pytest.mark.parametrize("new", [1, 2, 3])
def test_an_operator_frozen_right_before_its_grant_is_refused_whoever_the_other_one_chose(old, new):
    world = three()
    olds, news = Line(world, form(old), OLD), Line(world, form(new), NEW)
    for _ in range(2):
        olds.let_through()
    for _ in range(3):
        news.let_through()
    olds.let_through()
    assert world.formed == [(NEW, new)]


@pytest.mark.parametrize("silent", [1, 2])
def test_without_the_promise_of_each_other_member_no_grant_is_sent(silent):
    world = three()
    world.silent.add(silent)
    outcomes = carry_out(Act((form(3),), "why"), world, world, "token", NEW)
    assert f"slot {silent} did not promise" in outcomes[0].fault
    assert world.formed == []


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.WAITING])
@pytest.mark.parametrize("is_primary", [True, False])
def test_only_a_member_outside_any_primary_component_promises(stage, is_primary):
    world = three()
    world.boxes["task2"].stage = stage
    world.boxes["task2"].is_primary = is_primary
    lives_apart = not is_primary and stage in {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}
    outcomes = carry_out(Act((form(3),), "why"), world, world, "token", NEW)
    assert bool(outcomes[0].fault) is not lives_apart
    assert bool(world.formed) is lives_apart


def test_a_member_that_restarted_since_the_look_does_not_take_the_promise_of_its_earlier_life():
    world = three()
    world.boxes["task2"].id = "task2b"
    assert "another life" in carry_out(Act((form(3),), "why"), world, world, "token", NEW)[0].fault
    assert world.formed == []


def test_the_promise_is_kept_against_every_older_command_and_not_against_the_same_epoch():
    world = three()
    world.send("10.0.0.1", "token", Fence(NEW, "life of task1"))
    with pytest.raises(Refused, match="epoch 6 is over"):
        world.send("10.0.0.1", "token", Fence(NEW - 1, "life of task1"))
    world.send("10.0.0.1", "token", Fence(NEW, "life of task1"))


def test_pc_bootstrap_names_the_position_that_the_member_is_still_at():
    world = three(living=True)
    world.volumes[1] = position(10)
    with pytest.raises(Refused, match=f"this member is at {A}:10"):
        world.send("10.0.0.1", "token", AgentFormPrimary(NEW, "life of task1", AT))
