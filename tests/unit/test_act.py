from __future__ import annotations

from dataclasses import replace

import pytest
from builders import C, position, recipient

from galera_operator.core.agent_api import Admit, AppointWriter, Drain, Fence, Grant, Stop
from galera_operator.core.agent_api import FormPrimary as AgentFormPrimary
from galera_operator.core.plan import (
    Act,
    AdmitMember,
    Appoint,
    Bootstrap,
    DrainMember,
    FormPrimary,
    Hold,
    Invite,
    Page,
    Resize,
    RestartMember,
    StopMember,
    forms_primary,
)
from galera_operator.ports import Conflict, Refused, Unreachable
from galera_operator.runtime.act import Outcome, carry_out

ADMIT = AdmitMember(1, "10.0.0.1", "life1", 50.0, allow_donor=False)
DRAIN = DrainMember(2, "10.0.0.2", "life2", 50.0)
APPOINT = Appoint("db.1", 1, ((1, "10.0.0.1", "life1"), (2, "10.0.0.2", "life2"), (3, "10.0.0.3", "life3")))


class Receivers:
    """Engine and members that take everything down; `faults`: by address, or "svc", what is raised instead."""

    def __init__(self, **faults):
        self.faults = {address.replace("at_", "10.0.0."): fault for address, fault in faults.items()}
        self.taken = []

    def send(self, address, token, command):
        self._take(address, (address, token, command))

    def resize(self, service_id, version, replicas):
        self._take(service_id, (service_id, version, replicas))

    def _take(self, whom, what):
        if whom in self.faults:
            raise self.faults[whom]
        self.taken.append(what)


def do(*steps, to=None):
    to = to or Receivers()
    return carry_out(Act(steps, "why"), to, to, "token", 7), to


@pytest.mark.parametrize(
    ("step", "received"),
    [
        (
            Bootstrap(1, "10.0.0.1", "life1", position(5)),
            ("10.0.0.1", "token", Grant(7, "life1", "10.0.0.1", position(5), ())),
        ),
        (
            Invite(2, "10.0.0.2", "life2", None, ("10.0.0.1",)),
            ("10.0.0.2", "token", Grant(7, "life2", "10.0.0.2", None, ("10.0.0.1",))),
        ),
        (
            Bootstrap(1, "10.0.0.1", "life1", position(5), history=C),
            ("10.0.0.1", "token", Grant(7, "life1", "10.0.0.1", position(5), (), history=C)),
        ),
        (
            Invite(2, "10.0.0.2", "life2", position(3), ("10.0.0.1",), replaces=True),
            ("10.0.0.2", "token", Grant(7, "life2", "10.0.0.2", position(3), ("10.0.0.1",), replaces=True)),
        ),
        (FormPrimary(1, "10.0.0.1", "life1", position(5)), ("10.0.0.1", "token", AgentFormPrimary(7, "life1", position(5)))),
        (StopMember(1, "10.0.0.1", "life1"), ("10.0.0.1", "token", Stop(7, "life1"))),
        (RestartMember(1, "10.0.0.1", "life1", "task1"), ("10.0.0.1", "token", Stop(7, "life1"))),
        (
            RestartMember(1, "10.0.0.1", "life1", "task1", only_drained=True),
            ("10.0.0.1", "token", Stop(7, "life1", only_drained=True)),
        ),
        (ADMIT, ("10.0.0.1", "token", Admit(7, "life1", 50.0, allow_donor=False))),
        (replace(ADMIT, causal_reads=True), ("10.0.0.1", "token", Admit(7, "life1", 50.0, allow_donor=False, causal_reads=True))),
        (DRAIN, ("10.0.0.2", "token", Drain(7, "life2", 50.0))),
        (Resize("svc", 40, 3, 2, (3, "task3")), ("svc", 40, 2)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_each_step_reaches_its_receiver_with_its_premise_and_the_epoch(step, received):
    outcomes, to = do(step)
    assert outcomes == (Outcome(str(step)),)
    assert to.taken == [received]


def test_every_named_member_is_told_who_the_writer_is():
    _, to = do(APPOINT)
    assert to.taken == [(f"10.0.0.{slot}", "token", AppointWriter(7, f"life{slot}", "db.1")) for slot in (1, 2, 3)]


FORMING = [
    Bootstrap(*recipient(2), position(5), fence=(recipient(1), recipient(3))),
    FormPrimary(*recipient(2), position(5), fence=(recipient(1), recipient(3))),
]


@pytest.mark.parametrize("step", FORMING, ids=lambda step: type(step).__name__)
def test_every_other_member_promises_to_obey_nobody_older_before_one_may_form_a_primary_component(step):
    _, to = do(step)
    assert [address for address, *_ in to.taken] == ["10.0.0.1", "10.0.0.3", "10.0.0.2"]
    assert [command for *_, command in to.taken[:2]] == [Fence(7, "life1"), Fence(7, "life3")]


@pytest.mark.parametrize("silent", ["at_1", "at_3"])
@pytest.mark.parametrize("fault", [Refused("in a Primary component"), Unreachable("no answer")])
@pytest.mark.parametrize("step", FORMING, ids=lambda step: type(step).__name__)
def test_without_one_promise_nothing_is_formed_and_whose_is_missing_is_told(step, fault, silent):
    outcomes, to = do(step, DRAIN, to=Receivers(**{silent: fault}))
    assert outcomes == (Outcome(str(step), f"slot {silent[-1]} did not promise to obey no older epoch than 7: {fault}"),)
    assert all(isinstance(command, Fence) for *_, command in to.taken)


def test_only_plans_that_form_a_primary_component_are_told_to_do_so():
    assert all(forms_primary(Act((DRAIN, step), "why")) for step in FORMING)
    assert not forms_primary(Act((ADMIT, DRAIN, Resize("svc", 40, 2, 3), StopMember(*recipient(1))), "why"))
    assert not forms_primary(Hold("why"))
    assert not forms_primary(Page("a", "b", "c"))


@pytest.mark.parametrize("fault", [Conflict("out of sequence"), Refused("another life"), Unreachable("no answer")])
def test_the_first_step_that_is_not_taken_ends_the_plan_and_says_why(fault):
    outcomes, to = do(ADMIT, DRAIN, Resize("svc", 40, 3, 2), to=Receivers(at_2=fault))
    assert outcomes == (Outcome(str(ADMIT)), Outcome(str(DRAIN), str(fault)))
    assert len(to.taken) == 1


def test_one_member_that_does_not_take_the_writer_does_not_keep_it_from_the_others():
    outcomes, to = do(APPOINT, to=Receivers(at_1=Unreachable("no answer")))
    assert "no answer" in outcomes[0].fault
    assert [address for address, *_ in to.taken] == ["10.0.0.2", "10.0.0.3"]


def test_each_step_can_be_read_by_a_person():
    assert str(Bootstrap(1, "a", "b", None)) == "grant slot 1 to bootstrap from an empty directory"
    assert str(Bootstrap(1, "a", "b", position(5), history=C)) == f"grant slot 1 to bootstrap from {position(5)} as {C}"
    assert str(FormPrimary(1, "a", "b", position(5))) == f"pc.bootstrap on slot 1 at {position(5)}"
    assert str(StopMember(1, "a", "b")) == "stop slot 1"
    assert str(Invite(2, "a", "b", position(5), ("10.0.0.1",), replaces=True)) == (
        f"invite slot 2 to join 10.0.0.1, replacing its copy at {position(5)}"
    )
    assert str(Invite(2, "a", "b", None, ("10.0.0.1", "10.0.0.3"))) == "invite slot 2 to join 10.0.0.1, 10.0.0.3"
    assert str(APPOINT) == "appoint slot 1 the writer (tell slot 1, slot 2, slot 3)"
    assert str(DRAIN) == "drain slot 2 for at most 50 s"
    assert str(Resize("svc", 40, 3, 2, (3, "t"))) == "set replicas 3 -> 2, Swarm will take slot 3"
    assert str(Resize("svc", 40, 2, 3)) == "set replicas 2 -> 3"
