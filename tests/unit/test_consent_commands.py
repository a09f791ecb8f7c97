"""``galera-operator bootstrap`` and ``replace``: what a person is shown, and what is recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from builders import A, B, C, decided, member, non_primary, position, remembered, task, unseen, waiting
from eyes import NAME, Eyes, eyes, run_on
from fakes import MemoryStore

from galera_operator.cli.consent_commands import (
    TRIES,
    NotAllowed,
    bootstrap_prospect,
    known_copies,
    record_bootstrap,
    record_replace,
    replace_prospect,
)
from galera_operator.core.plan import Act
from galera_operator.core.report import View
from galera_operator.ports import Conflict, Record

SURE = "Whoever was not seen must not run any more: if it does, two clusters take writes. Make sure of it first."
LOST = task(2, id="old", desired="shutdown", node="n9", node_is_down=True)


def stored(lookout: Eyes) -> Record:
    return lookout.store.records[NAME]


def bootstrap(lookout: Eyes, slot: int, *accepted: int):
    return record_bootstrap(lookout, lookout.view(NAME), slot, accepted)


# What is known


def test_each_copy_is_told_with_its_phase_its_position_and_what_was_seen_there():
    lookout = eyes(
        waiting(1, position(90)),
        waiting(2),
        unseen(3),
        non_primary(4),
        memory=remembered(ledger={1: 95, 3: 99, 7: 12}),
        lost=(LOST,),
    )
    view = lookout.view(NAME)
    assert known_copies(View(view.seen, view.plan, "first", {"n6": 11, "n5": 10}, view.memory)) == [
        f"slot 1 (n1): waiting, holds {A}:90, was last seen at seqno 95",
        "slot 2 (n2): waiting, holds a empty directory",
        "slot 3 (n3): unseen, holds nobody knows what, was last seen at seqno 99",
        f"slot 4 (n4): non-primary, holds {A}:100, was last seen at seqno 100",
        "slot 7: not among the tasks, was last seen at seqno 12",
        "slot 2: its last task is on n9, which Swarm has lost; whether it runs nobody knows",
        "n5: a member that left in order may have kept its volume, up to seqno 10",
        "n6: a member that left in order may have kept its volume, up to seqno 11",
    ]


def test_what_a_bootstrap_leads_to_is_told_with_each_loss():
    lookout = eyes(waiting(1, position(90)), waiting(2, position(91)), waiting(3, position(5)))
    assert bootstrap_prospect(lookout.view(NAME), 1, [2]) == [
        f"The cluster goes on from slot 1 at {A}:90, under a new state UUID.",
        "What only slot 2 holds is lost; its copy is replaced when it comes back.",
    ]


@pytest.mark.parametrize(("seats", "changes"), [([unseen(2)], {}), ([], {"lost": (LOST,)})], ids=["unseen", "on a lost node"])
def test_a_person_is_told_to_make_sure_that_whoever_was_not_seen_runs_nowhere(seats, changes):
    lookout = eyes(waiting(1, position(90)), *seats, **changes)
    assert bootstrap_prospect(lookout.view(NAME), 1, [2])[-1] == SURE


def test_of_the_slot_to_go_on_from_it_is_told_that_the_other_copy_is_elsewhere():
    lookout = eyes(waiting(2, position(90)), lost=(LOST,))
    words = bootstrap_prospect(lookout.view(NAME), 2, [2])
    assert "What only slot 2 held elsewhere is lost; its copy is replaced when it comes back." in words


def test_a_decision_that_takes_the_place_of_another_says_so():
    lookout = eyes(waiting(1, position(90)), memory=remembered(consent=decided(3, position(5))))
    assert bootstrap_prospect(lookout.view(NAME), 1, [])[1] == (
        "This takes the place of what ann@desk decided on 2026-01-02T03:04:05+00:00: to go on from slot 3."
    )


def test_what_may_not_be_decided_is_refused_with_the_reason():
    with pytest.raises(NotAllowed, match="data of slot 2 may be lost"):
        bootstrap_prospect(eyes(waiting(1, position(90)), unseen(2)).view(NAME), 1, [])
    with pytest.raises(NotAllowed, match="may be the only copy"):
        replace_prospect(eyes(waiting(1, position(90))).view(NAME), 1)


def test_what_a_replacement_leads_to_is_told():
    lookout = eyes(member(1), waiting(2, position(5, B)), member(3, state_uuid=B))
    assert replace_prospect(lookout.view(NAME), 2) == [
        f"The copy of slot 2 (n2), {B}:5, is replaced by a full state transfer of {A}.",
        "What only this copy holds is lost.",
    ]
    assert f"slot 3 (n3), {B}, is replaced" in replace_prospect(lookout.view(NAME), 3)[0]


# What is recorded


def test_a_decision_is_recorded_with_its_premise_its_losses_a_new_history_who_and_when():
    lookout = eyes(waiting(1, position(90)), unseen(2), unseen(3))
    before = datetime.now(UTC) - timedelta(seconds=1)
    consent = bootstrap(lookout, 1, 3, 2, 3)
    assert stored(lookout).memory == remembered(consent=consent)
    assert (consent.slot, consent.position, consent.accepted) == (1, position(90), (2, 3))
    assert consent.history not in {A, B, C}
    assert position(1, consent.history).is_usable
    assert "@" in consent.by
    assert before <= datetime.fromisoformat(consent.at) <= datetime.now(UTC)


def test_each_decision_begins_another_history():
    assert bootstrap(eyes(waiting(1, position(9))), 1).history != bootstrap(eyes(waiting(1, position(9))), 1).history


def test_the_operator_carries_out_what_was_recorded():
    lookout = eyes(waiting(1, position(90)), unseen(2))
    consent = bootstrap(lookout, 1, 2)
    plan = lookout.view(NAME).plan
    assert isinstance(plan, Act)
    assert plan.steps[0].history == consent.history


def test_the_lease_and_its_epoch_stay_the_operators():
    lookout = eyes(waiting(1, position(90)))
    bootstrap(lookout, 1)
    assert (stored(lookout).holder, stored(lookout).epoch) == ("first", 3)


def test_what_may_not_be_decided_is_not_recorded():
    lookout = eyes(waiting(1, position(90)), unseen(2))
    with pytest.raises(NotAllowed):
        bootstrap(lookout, 1)
    assert stored(lookout).memory == remembered()


def test_a_replacement_is_recorded_beside_those_before_it():
    lookout = eyes(member(1), waiting(2, position(5, B)), waiting(3, position(500)), memory=remembered(given_up={4: C}))
    record_replace(lookout, lookout.view(NAME), 2)
    record_replace(lookout, lookout.view(NAME), 3)
    assert stored(lookout).memory == remembered(given_up={4: C, 2: B, 3: A})


def test_a_replacement_that_is_not_allowed_is_not_recorded():
    lookout = eyes(member(1), member(2))
    with pytest.raises(NotAllowed):
        record_replace(lookout, lookout.view(NAME), 2)
    assert stored(lookout).memory == remembered()


def test_what_the_operator_wrote_meanwhile_stays():
    lookout = eyes(waiting(1, position(90)))
    view = lookout.view(NAME)
    lookout.store.edit(NAME, lambda memory: remembered(ledger={1: 90}, consent=memory.consent))
    consent = record_bootstrap(lookout, view, 1, [])
    assert stored(lookout).memory == remembered(ledger={1: 90}, consent=consent)


class Busy(MemoryStore):
    """A store in which the operator writes between every load and save, so many times."""

    times = 0

    def save(self, cluster: str, record: Record) -> Record:
        if self.times:
            self.times -= 1
            self.edit(cluster, lambda memory: memory)
        return super().save(cluster, record)


@pytest.mark.parametrize(("times", "recorded"), [(TRIES - 1, True), (TRIES, False)])
def test_a_write_that_comes_second_is_tried_again_a_few_times(times, recorded):
    lookout = eyes(waiting(1, position(90)))
    busy = Busy()
    busy.create(NAME, stored(lookout))
    busy.times = times
    lookout.store = busy
    if recorded:
        bootstrap(lookout, 1)
    else:
        with pytest.raises(Conflict, match="5 times in a row; try again"):
            bootstrap(lookout, 1)
    assert (stored(lookout).memory.consent is not None) is recorded


def test_without_an_operator_nothing_is_recorded_because_nobody_would_carry_it_out():
    lookout = eyes(waiting(1, position(90)))
    view = lookout.view(NAME)
    lookout.store.records.clear()
    with pytest.raises(NotAllowed, match="no operator has recorded anything about shop_db yet: start it first"):
        record_bootstrap(lookout, view, 1, [])


# On the command line


@pytest.fixture
def run(monkeypatch):
    return lambda lookout, *arguments, answer="": run_on(monkeypatch, lookout, *arguments, answer=answer)


BOOTSTRAP = ("bootstrap", NAME, "--from-slot", "1", "--accept-loss-of", "2")


@pytest.mark.parametrize("answer", ["y\n", None], ids=["a yes", "--yes"])
def test_after_a_yes_the_decision_is_recorded_and_told(run, answer):
    lookout = eyes(waiting(1, position(90)), unseen(2))
    done = run(lookout, *BOOTSTRAP, *([] if answer else ["--yes"]), answer=answer or "")
    consent = stored(lookout).memory.consent
    assert done.exit_code == 0
    said = " ".join(done.output.split())
    assert f"slot 1 (n1): waiting, holds {A}:90" in said
    assert SURE in said
    assert f"recorded: {consent.by} decided to go on from slot 1 as {consent.history}" in said


@pytest.mark.parametrize("answer", ["n\n", "\n"], ids=["a no", "no answer"])
def test_without_a_yes_nothing_is_recorded(run, answer):
    lookout = eyes(waiting(1, position(90)), unseen(2))
    assert run(lookout, *BOOTSTRAP, answer=answer).exit_code == 2
    assert stored(lookout).memory == remembered()


def test_a_decision_that_may_not_be_taken_exits_with_2_and_the_command_that_names_the_losses(run):
    lookout = eyes(waiting(1, position(90)), unseen(2))
    done = run(lookout, "bootstrap", NAME, "--from-slot", "1", "--yes")
    assert done.exit_code == 2
    assert "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 2" in done.output
    assert stored(lookout).memory == remembered()


def test_a_copy_is_given_up_after_a_yes_only(run):
    lookout = eyes(member(1), waiting(2, position(5, B)))
    assert run(lookout, "replace", NAME, "--slot", "2", answer="n\n").exit_code == 2
    assert stored(lookout).memory == remembered()
    assert run(lookout, "replace", NAME, "--slot", "2", answer="y\n").exit_code == 0
    assert stored(lookout).memory.given_up == {2: B}


def test_a_copy_that_may_not_be_given_up_exits_with_2(run):
    done = run(eyes(member(1), member(2)), "replace", NAME, "--slot", "2", "--yes")
    assert done.exit_code == 2
    assert "in the Primary component itself" in done.output
