"""Each safety invariant, broken once by a plan made by hand. `decide` never makes such a plan; see the property tier for that."""

from __future__ import annotations

import pytest
from builders import (
    DONOR,
    ZEROS,
    B,
    cluster,
    joined_but_not_admitted,
    member,
    pending,
    position,
    remembered,
    task,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Memory
from galera_operator.core.plan import Act, AdmitMember, Appoint, Bootstrap, DrainMember, Hold, Invite, Page, Resize
from galera_operator.core.veto import broken_invariants

ALL_STOPPED = cluster(waiting(1, position(7)), waiting(2, position(9)))
DOWN_TO_2 = Resize("svc", 40, 3, 2, (3, "task3"))


def grant(slot: int, at=None) -> Bootstrap:
    return Bootstrap(slot, f"10.0.0.{slot}", f"life{slot}", at)


def admit(slot: int) -> AdmitMember:
    return AdmitMember(slot, f"10.0.0.{slot}", f"life{slot}", 50.0, allow_donor=False)


def drain(slot: int) -> DrainMember:
    return DrainMember(slot, f"10.0.0.{slot}", f"life{slot}", 50.0)


def appoint(slot: int) -> Appoint:
    return Appoint(f"db.{slot}", slot, ((1, "10.0.0.1", "life1"),))


def broken(*steps, seen, memory=None) -> str:
    return "; ".join(broken_invariants(Act(steps, "made by hand"), seen, memory or remembered()))


@pytest.mark.parametrize(
    ("steps", "seen"),
    [
        ([grant(2, position(9))], ALL_STOPPED),
        ([grant(1)], cluster(waiting(1), waiting(2))),
        ([admit(1)], cluster(joined_but_not_admitted(1))),
        ([admit(2)], cluster(member(1), joined_but_not_admitted(2))),
        ([appoint(1)], three_calm()),
        ([drain(3)], three_calm()),
        ([DOWN_TO_2], cluster(member(1), member(2), member(3, stage=Stage.DRAINED))),
        ([DOWN_TO_2], cluster(member(1), member(2), pending(3))),
        ([Resize("svc", 40, 3, 4)], three_calm()),
        ([Invite(2, "10.0.0.2", "life2", None, ("10.0.0.1",))], cluster(member(1), waiting(2))),
    ],
    ids=[
        "bootstrap",
        "first start",
        "first admission",
        "admit",
        "appoint",
        "drain",
        "shrink",
        "shrink without node",
        "grow",
        "invite",
    ],
)
def test_a_safe_plan_may_act(steps, seen):
    assert broken(*steps, seen=seen, memory=Memory()) == ""


@pytest.mark.parametrize("step", [grant(2, position(9))])
def test_a_bootstrap_of_exactly_what_was_recorded_may_act(step):
    assert broken(step, seen=ALL_STOPPED, memory=remembered(ledger={1: 9, 2: 9})) == ""


def test_never_no_members_at_all():
    assert "0 members: the last one would go" in broken(Resize("svc", 40, 1, 0, (1, "task1")), seen=cluster(member(1)))


@pytest.mark.parametrize("plan", [Hold("x"), Page("a", "b", "c")])
def test_doing_nothing_breaks_nothing(plan):
    assert broken_invariants(plan, cluster(), Memory()) == ()


@pytest.mark.parametrize(
    ("step", "seen", "memory", "told"),
    [
        (grant(1, position(9)), cluster(waiting(1, position(9)), unseen(2)), None, "not seen stopped"),
        (grant(1, position(9)), cluster(waiting(1, position(9)), member(2)), None, "not seen stopped"),
        (grant(1, position(9)), cluster(waiting(1, position(9)), replicas=2), None, "not seen stopped"),
        (
            grant(1, position(9)),
            cluster(waiting(1, position(9)), waiting(2, position(9), stage=Stage.BOOTSTRAPPING)),
            None,
            "server may be running",
        ),
        (grant(1, position(9)), cluster(waiting(1, position(9)), leaving=(task(1, id="old"),)), None, "old task"),
        (grant(1), cluster(waiting(1)), remembered(), "in place of the recorded one"),
        (grant(1, position(7)), ALL_STOPPED, None, "while slot 2 holds"),
        (grant(1), ALL_STOPPED, Memory(), "while slot 2 holds"),
        (grant(1, position(9)), cluster(waiting(1, position(9)), waiting(2, position(3, B))), Memory(), "while slot 2 holds"),
        (grant(1, position(9, B)), cluster(waiting(1, position(9, B))), remembered(), "recorded is"),
        (grant(1, position(9)), cluster(waiting(1, position(9))), remembered(ledger={1: 10}), "seen further on"),
        (grant(1, position(-1)), cluster(waiting(1, position(-1))), None, "no position"),
        (grant(1, position(9, ZEROS)), cluster(waiting(1, position(9, ZEROS))), Memory(), "no position"),
    ],
    ids=[
        "somebody unseen",
        "somebody alive",
        "a task not made",
        "a server may run",
        "an old task ends",
        "empty over recorded",
        "not the newest",
        "empty beside data",
        "another history beside",
        "another history than recorded",
        "behind the ledger",
        "no seqno",
        "zeros",
    ],
)
def test_no_bootstrap(step, seen, memory, told):
    assert told in broken(step, seen=seen, memory=memory)


def test_never_two_bootstrap_grants_in_one_plan():
    assert "more than one bootstrap" in broken(grant(1, position(9)), grant(2, position(9)), seen=ALL_STOPPED)


NO_TRAFFIC = {
    "not seen alive": waiting(2),
    "Joined": joined_but_not_admitted(2, local_state=3),
    "Donor": joined_but_not_admitted(2, local_state=2),
    "Primary component": joined_but_not_admitted(2, ready=False),
    "non-Primary": joined_but_not_admitted(2, cluster_status="non-Primary"),
    ZEROS: joined_but_not_admitted(2, state_uuid=ZEROS),
    B: joined_but_not_admitted(2, state_uuid=B),
}


@pytest.mark.parametrize("told", NO_TRAFFIC)
def test_no_admission_of_a_member_that_is_not_synced_in_the_recorded_history(told):
    assert told in broken(admit(2), seen=cluster(member(1), NO_TRAFFIC[told]))


def test_no_admission_of_nobody():
    assert "not seen alive" in broken(admit(5), seen=three_calm())


def test_no_writer_that_nobody_let_in():
    assert "nobody has let in" in broken(appoint(2), seen=cluster(member(1), joined_but_not_admitted(2)))


def test_no_writer_of_another_history():
    assert B in broken(appoint(2), seen=cluster(member(1), member(2, local_state=2, state_uuid=B)))


def test_a_donor_may_be_the_writer():
    assert broken(appoint(1), seen=cluster(member(1, local_state=2), waiting(2))) == ""


@pytest.mark.parametrize("step", [drain(1), Resize("svc", 40, 1, 0, (1, "task1"))])
def test_the_last_member_never_leaves(step):
    assert "last" in broken(step, seen=cluster(member(1)))


@pytest.mark.parametrize(
    "other",
    [
        unseen(1),
        waiting(1),
        joined_but_not_admitted(1),
        member(1, local_state=2),
        member(1, cluster_status="non-Primary"),
        member(1, stage=Stage.DRAINED),
        member(1, stage=Stage.JOINING),
    ],
    ids=["unseen", "waiting", "not admitted", "donor", "non-Primary", "drained", "joining"],
)
@pytest.mark.parametrize("step", [drain(3), DOWN_TO_2], ids=["drain", "resize"])
def test_nobody_leaves_while_another_does_not_serve(other, step):
    assert "would leave while another member is not Synced" in broken(step, seen=cluster(other, member(2), member(3)))


@pytest.mark.parametrize("step", [drain(3), DOWN_TO_2, Resize("svc", 40, 3, 4)], ids=["drain", "shrink", "grow"])
def test_nothing_changes_while_a_state_transfer_is_in_flight(step):
    assert "state transfer" in broken(step, seen=cluster(member(1), member(2, transfer=DONOR), member(3)))


@pytest.mark.parametrize("state", ["updating", "paused", "rollback_started", "rollback_paused"])
@pytest.mark.parametrize("step", [DOWN_TO_2, Resize("svc", 40, 3, 4)], ids=["shrink", "grow"])
def test_no_size_changes_while_a_rollout_is_in_flight(step, state):
    assert "service update is in flight" in broken(step, seen=three_calm(update_state=state))


@pytest.mark.parametrize("step", [Resize("svc", 39, 3, 4), Resize("svc", 40, 2, 3)], ids=["version", "size"])
def test_no_size_from_another_look(step):
    assert "another look" in broken(step, seen=three_calm())


def test_never_two_members_at_once():
    assert "more than one member" in broken(Resize("svc", 40, 3, 1, (3, "task3")), seen=three_calm())
    assert "more than one member" in broken(drain(3), DOWN_TO_2, seen=three_calm())
    assert "more than one member" in broken(drain(2), drain(3), seen=three_calm())


def test_no_scale_down_without_a_predicted_victim():
    assert "without a predicted victim" in broken(Resize("svc", 40, 3, 2), seen=three_calm())
