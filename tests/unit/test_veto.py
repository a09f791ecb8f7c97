"""Each safety invariant, broken once by a plan made by hand. `decide` never makes such a plan; see the property tier for that."""

from __future__ import annotations

import pytest
from builders import (
    DONOR,
    ZEROS,
    A,
    B,
    C,
    apart,
    cluster,
    decided,
    joined_but_not_admitted,
    member,
    non_primary,
    pending,
    position,
    recipient,
    remembered,
    task,
    three_calm,
    unseen,
    waiting,
)

from galera_operator.core.agent_api import ANY_WRITER, Stage
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
)
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Copy, Fork, Memory, Restart, Shrink
from galera_operator.core.spec import Wish
from galera_operator.core.veto import broken_invariants

ALL_STOPPED = cluster(waiting(1, position(7)), waiting(2, position(9)))
DOWN_TO_2 = Resize("svc", 40, 3, 2, (3, "task3"))


EVERY_WRITER = Appoint(ANY_WRITER, 0, ((1, "10.0.0.1", "life1"),))
ALONE = Restart({1: "life1"}, "ann@desk", "now", alone=True)


def grant(slot: int, at=None) -> Bootstrap:
    """A grant before which every other slot of these tests promises to obey nobody older."""
    return Bootstrap(*recipient(slot), at, fence=tuple(recipient(other) for other in (1, 2, 3) if other != slot))


def admit(slot: int) -> AdmitMember:
    return AdmitMember(slot, f"10.0.0.{slot}", f"life{slot}", 50.0, allow_donor=False)


def drain(slot: int) -> DrainMember:
    return DrainMember(slot, f"10.0.0.{slot}", f"life{slot}", 50.0)


def appoint(slot: int) -> Appoint:
    return Appoint(f"db.{slot}", slot, ((1, "10.0.0.1", "life1"),))


def restart(slot: int, **changes) -> RestartMember:
    return RestartMember(
        **({"slot": slot, "address": f"10.0.0.{slot}", "incarnation": f"life{slot}", "task_id": f"task{slot}"} | changes)
    )


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
        ([appoint(2)], three_calm()),
        ([EVERY_WRITER], three_calm(wish=Wish(any_writer=True))),
        ([drain(3)], three_calm()),
        ([restart(3)], cluster(member(1), member(2), member(3, stage=Stage.DRAINED))),
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
        "appoint another",
        "appoint all",
        "drain",
        "restart",
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
        (grant(1, position(9)), cluster(waiting(1, position(9), directory=Directory.MID_DDL)), None, "half of a DDL statement"),
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
        "killed in the middle of ddl",
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


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (member(2, stage=Stage.DRAINING), "slot 2 the writer, which is draining"),
        (member(2, stage=Stage.DRAINED), "slot 2 the writer, which is drained"),
        (member(2, leaving=True), "slot 2 the writer, which is running"),
        (member(2, local_state=2), "slot 2 the writer, which is Donor/Desynced, although slot 1 is Synced"),
        (member(2, local_state=3), "slot 2 the writer, which is Joined, although slot 1 is Synced"),
        (waiting(2), "slot 2, which was not seen alive"),
    ],
    ids=["draining", "drained", "leaving", "donor", "Joined", "waiting"],
)
def test_the_role_is_not_moved_onto_a_member_that_drains_or_donates(second, told):
    assert told in broken(appoint(2), seen=cluster(member(1), second, member(3)))


def test_a_writer_that_becomes_a_donor_keeps_the_role_also_where_not_everybody_knows_it_yet():
    assert broken(appoint(1), seen=cluster(member(1, local_state=2), member(2, writer=""), member(3))) == ""
    assert "Donor/Desynced" in broken(
        appoint(1), seen=cluster(member(1, local_state=2, writer=""), member(2, writer=""), unseen(3))
    )


def test_a_donor_gets_the_role_where_nobody_else_serves():
    beside = [member(1, stage=Stage.DRAINED, writer="db.1"), joined_but_not_admitted(3, writer="db.1")]
    assert broken(appoint(2), seen=cluster(*beside, member(2, local_state=2, writer="db.1"))) == ""


def test_not_every_member_is_a_writer_unless_the_label_says_so():
    assert "no label asks for" in broken(EVERY_WRITER, seen=three_calm())


def test_a_donor_may_be_the_writer():
    assert broken(appoint(1), seen=cluster(member(1, local_state=2), waiting(2))) == ""


@pytest.mark.parametrize("step", [drain(1), restart(1), Resize("svc", 40, 1, 0, (1, "task1"))])
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
@pytest.mark.parametrize("step", [drain(3), restart(3), DOWN_TO_2], ids=["drain", "restart", "resize"])
def test_nobody_leaves_while_another_does_not_serve(other, step):
    assert "would leave while another member is not Synced" in broken(step, seen=cluster(other, member(2), member(3)))


@pytest.mark.parametrize(
    "step", [drain(3), restart(3), DOWN_TO_2, Resize("svc", 40, 3, 4)], ids=["drain", "restart", "shrink", "grow"]
)
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
    assert "more than one member" in broken(drain(2), restart(3), seen=three_calm())
    assert "more than one member" in broken(restart(2), restart(3), seen=three_calm())


@pytest.mark.parametrize(
    ("step", "seen", "memory", "told"),
    [
        (restart(3, incarnation="another"), three_calm(), remembered(), "in another life than was seen"),
        (restart(3, task_id="another"), three_calm(), remembered(), "in another life than was seen"),
        (restart(4), three_calm(), remembered(), "in another life than was seen"),
        (restart(3), cluster(member(1), member(2), unseen(3)), remembered(), "in another life than was seen"),
        (restart(3), three_calm(replicas=4), remembered(), "while Swarm still makes or ends tasks"),
        (restart(3), three_calm(leaving=(task(2, id="old"),)), remembered(), "while Swarm still makes or ends tasks"),
        (restart(3), three_calm(), remembered(shrink=Shrink(3, 4, "task4")), "while Swarm still makes or ends tasks"),
        *[
            (restart(3), three_calm(update_state=state), remembered(), "while a service update is in flight")
            for state in ("updating", "paused", "rollback_started", "rollback_paused")
        ],
        (restart(1), three_calm(), remembered(), "while it is still taken for the writer"),
        (restart(3), cluster(member(1), member(2, writer="db.3"), member(3)), remembered(), "still taken for the writer"),
        (restart(2), cluster(member(1), member(2), member(3, stage=Stage.DRAINED)), remembered(), "another member is not Synced"),
    ],
    ids=str,
)
def test_no_restart(step, seen, memory, told):
    assert told in broken(step, seen=seen, memory=memory)


@pytest.mark.parametrize("step", [drain(1), restart(1)], ids=["drain", "restart"])
def test_an_only_member_is_restarted_where_a_person_asked_for_that_outage_of_this_life_and_only_there(step):
    asked = remembered(restart=ALONE)
    assert broken(step, seen=cluster(member(1)), memory=asked) == ""
    assert "last Synced" in broken(step, seen=cluster(member(1)), memory=remembered(restart=Restart({1: "life1"}, "ann", "now")))
    assert "last Synced" in broken(
        step, seen=cluster(member(1)), memory=remembered(restart=Restart({1: "x"}, "ann", "now", True))
    )
    assert "last Synced" in broken(step, seen=cluster(member(1), replicas=2), memory=asked)
    assert "last Synced" in broken(step, seen=cluster(member(1), waiting(2)), memory=asked)
    assert "last Synced" in broken(step, seen=cluster(member(1), waiting(2), replicas=1), memory=asked)
    assert "last Synced" in broken(step, seen=cluster(unseen(1)), memory=asked)
    assert "last Synced" in broken(step, seen=cluster(member(1, transfer=DONOR)), memory=asked)


def test_no_scale_down_without_a_predicted_victim():
    assert "without a predicted victim" in broken(Resize("svc", 40, 3, 2), seen=three_calm())


# What a person decided


GOING_ON = remembered(consent=decided(1, position(100), 2))


def decided_grant(at=None, history=C, slot=1, fence=(2, 3)) -> Bootstrap:
    return Bootstrap(*recipient(slot), at or position(100), tuple(recipient(other) for other in fence), history)


@pytest.mark.parametrize(
    ("step", "seats"),
    [
        (decided_grant(), [unseen(2)]),
        (decided_grant(), [waiting(2, position(500))]),
        (decided_grant(), [waiting(2, position(500, B))]),
        (decided_grant(position(104)), [unseen(2)]),
        (decided_grant(position(100, C)), [unseen(2), waiting(3, position(100))]),
    ],
    ids=["without one unseen", "over newer data", "over another history", "gone further", "renamed before"],
)
def test_what_a_person_decided_may_act(step, seats):
    assert broken(step, seen=cluster(waiting(1, position(100)), *seats), memory=GOING_ON) == ""


def test_a_person_may_decide_on_a_copy_with_half_of_a_ddl_statement():
    seen = cluster(waiting(1, position(100), directory=Directory.MID_DDL), unseen(2))
    assert broken(decided_grant(), seen=seen, memory=GOING_ON) == ""


def test_what_was_recorded_of_a_slot_that_was_given_up_may_be_lost():
    memory = remembered(ledger={1: 100, 2: 180}, consent=decided(1, position(100), 2))
    assert broken(decided_grant(), seen=cluster(waiting(1, position(100)), unseen(2)), memory=memory) == ""


def test_what_is_on_a_lost_node_may_be_lost_where_its_slot_was_given_up():
    lost = (task(2, id="old", node_is_down=True),)
    seen = cluster(waiting(1, position(100)), waiting(2, position(9)), lost=lost)
    assert broken(decided_grant(), seen=seen, memory=GOING_ON) == ""
    assert "old task" in broken(decided_grant(), seen=seen, memory=remembered(consent=decided(1, position(100), 3)))
    assert "old task" in broken(grant(1, position(100)), seen=seen)


@pytest.mark.parametrize(
    ("step", "memory", "told"),
    [
        (decided_grant(), remembered(), "that no person decided on"),
        (decided_grant(history=B), GOING_ON, "that no person decided on"),
        (decided_grant(), remembered(consent=decided(2, position(100), 3)), "that no person decided on"),
        (decided_grant(position(99)), GOING_ON, f"a bootstrap from {A}:99, but a person decided on {A}:100"),
        (decided_grant(position(100, B)), GOING_ON, f"a bootstrap from {B}:100, but a person decided on {A}:100"),
        (
            Bootstrap(*recipient(1), None, (recipient(2), recipient(3)), C),
            GOING_ON,
            "a bootstrap from None, but a person decided",
        ),
        (decided_grant(), remembered(consent=decided(1, position(100))), "while some expected member is not seen stopped"),
        (grant(1, position(100)), GOING_ON, "while some expected member is not seen stopped"),
        (grant(1, position(100, B)), GOING_ON, f"a bootstrap from {B}:100, recorded is {A}"),
        (decided_grant(fence=(2,)), GOING_ON, "without the promise of slot 3"),
    ],
    ids=[
        "no decision",
        "another history",
        "another slot",
        "went back",
        "another copy",
        "an empty directory",
        "one that was not given up",
        "without its name",
        "another history without its name",
        "not fenced",
    ],
)
def test_what_a_person_did_not_decide_does_not_act(step, memory, told):
    seen = cluster(waiting(1, position(100)), unseen(2), waiting(3, position(7)))
    assert told in broken(step, seen=seen, memory=memory)


@pytest.mark.parametrize(
    ("named", "node", "ledger", "allowed"),
    [
        (pending(1), "n1", {1: 100}, True),
        (waiting(1, position(1)), "n1", {1: 100}, False),
        (pending(1), "n3", {1: 100}, False),
        (pending(1), "n1", {}, False),
        (waiting(4, position(1)), "n1", {1: 100}, False),
    ],
    ids=["on its volume", "it has a node", "on another node", "nothing recorded", "the decided slot is not there"],
)
def test_a_decision_is_carried_out_by_another_slot_only_on_the_volume_that_was_decided_on(named, node, ledger, allowed):
    memory = remembered(ledger=ledger, consent=decided(1, position(100), 2))
    seen = cluster(named, unseen(2), waiting(3, position(100), node=node))
    fence = (1,) if named.agent and named.slot == 1 else (4,) if named.agent else ()
    told = broken(decided_grant(slot=3, fence=fence), seen=seen, memory=memory)
    assert ("that no person decided on" not in told) is allowed
    assert told == "" or not allowed


def test_a_decision_is_carried_out_by_no_slot_that_is_not_there():
    memory = remembered(ledger={1: 100}, consent=decided(1, position(100), 2))
    assert "that no person decided on" in broken(decided_grant(slot=3, fence=()), seen=cluster(pending(1)), memory=memory)


@pytest.mark.parametrize(
    ("copy", "is_missing"),
    [(position(100), False), (position(99), True), (position(200, B), True), (None, True)],
    ids=["its copy", "an older one", "another history", "no data"],
)
def test_a_slot_without_a_node_is_missing_unless_its_copy_is_shown_on_the_node_it_was_on(copy, is_missing):
    seen = cluster(waiting(1, position(100)), pending(2), waiting(3, copy, node="n2"))
    told = broken(grant(1, position(100)), seen=seen, memory=remembered(ledger={2: 100}))
    assert ("while some expected member is not seen stopped" in told) is is_missing


def test_a_decision_gives_up_no_slot_that_it_does_not_name():
    seen = cluster(waiting(1, position(100)), unseen(2), waiting(3, position(101)))
    assert f"while slot 3 holds {A}:101" in broken(decided_grant(), seen=seen, memory=GOING_ON)
    ledger = remembered(ledger={3: 101}, consent=decided(1, position(100), 2))
    seen = cluster(waiting(1, position(100)), unseen(2), waiting(3, position(7)))
    assert "although a member was seen further on" in broken(decided_grant(), seen=seen, memory=ledger)


RENAMED = decided_grant(position(100, C))


@pytest.mark.parametrize(
    ("third", "told"),
    [
        (waiting(3, position(100)), ""),
        (waiting(3, position(101)), f"while slot 3 holds {A}:101"),
        (waiting(3, position(5, B)), f"while slot 3 holds {B}:5"),
        (waiting(3, position(101, C)), f"while slot 3 holds {C}:101"),
    ],
    ids=["contained", "newer", "a third history", "newer under the new name"],
)
def test_a_seed_that_bears_the_new_name_contains_what_the_decision_was_taken_on(third, told):
    seen = cluster(waiting(1, position(100, C)), unseen(2), third)
    assert told in broken(RENAMED, seen=seen, memory=GOING_ON)
    assert bool(broken(RENAMED, seen=seen, memory=GOING_ON)) is bool(told)


@pytest.mark.parametrize(
    ("ledger", "told"),
    [({3: 100}, ""), ({3: 101}, "although a member was seen further on"), ({2: 999}, "")],
    ids=["contained", "newer", "given up"],
)
def test_what_was_recorded_before_counts_also_for_a_seed_that_bears_the_new_name(ledger, told):
    seen = cluster(waiting(1, position(100, C)), unseen(2), waiting(3, position(7)))
    memory = remembered(ledger=ledger, consent=decided(1, position(100), 2))
    assert told in broken(RENAMED, seen=seen, memory=memory)
    assert bool(broken(RENAMED, seen=seen, memory=memory)) is bool(told)


def test_one_that_is_given_up_and_has_no_node_does_not_count_for_another():
    seen = cluster(waiting(1, position(100)), pending(2), unseen(3))
    assert "not seen stopped" in broken(decided_grant(), seen=seen, memory=GOING_ON)


def test_a_slot_that_never_had_a_node_nor_data_need_not_be_seen():
    assert broken(grant(1, position(100)), seen=cluster(waiting(1, position(100)), pending(2))) == ""
    held = remembered(ledger={2: 1})
    assert "not seen stopped" in broken(grant(1, position(100)), seen=cluster(waiting(1, position(100)), pending(2)), memory=held)


@pytest.mark.parametrize(
    ("there", "is_told"),
    [
        (waiting(3, position(50), node="n2"), True),
        (waiting(3, position(49), node="n2"), False),
        (waiting(3, position(50)), False),
        (waiting(3, node="n2"), False),
    ],
    ids=["its volume", "an older copy", "another node", "no data"],
)
def test_a_slot_without_a_node_need_not_be_seen_where_another_tells_of_its_volume(there, is_told):
    seen = cluster(waiting(1, position(100)), pending(2), there)
    told = broken(grant(1, position(100)), seen=seen, memory=remembered(ledger={2: 50}))
    assert ("not seen stopped" not in told) is is_told


# Copies that count no more


@pytest.mark.parametrize(
    ("memory", "may"),
    [
        (remembered(fork=Fork(position(200, B), ())), True),
        (remembered(fork=Fork(position(100, B), ())), True),
        (remembered(fork=Fork(position(99, B), ())), False),
        (remembered(fork=Fork(position(99, B), (2,))), True),
        (remembered(fork=Fork(position(99, B), (1, 3))), False),
        (remembered(fork=Fork(position(200, C), (2,))), False),
        (remembered(given_up={2: B}), True),
        (remembered(given_up={2: A}), False),
        (remembered(given_up={1: B}), False),
    ],
    ids=[
        "before the fork",
        "at the fork",
        "past the fork",
        "past it, accepted",
        "past it, others accepted",
        "another fork",
        "given up",
        "another history given up",
        "another slot given up",
    ],
)
@pytest.mark.parametrize("step", [grant(1, position(100)), FormPrimary(*recipient(1), position(100), (recipient(2),))], ids=str)
def test_a_copy_that_is_contained_or_was_given_up_does_not_count(step, memory, may):
    first = waiting(1, position(100)) if isinstance(step, Bootstrap) else non_primary(1)
    told = broken(step, seen=cluster(first, waiting(2, position(100, B))), memory=memory)
    assert told == ("" if may else f"a Primary component from {A}:100 while slot 2 holds {B}:100")


def test_a_copy_on_a_node_that_was_not_heard_counts():
    memory = Memory(A, {2: Copy("id-of-n7", 1)})
    seen = cluster(waiting(1, position(100)), waiting(2, position(9)))
    assert "the copy of slot 2 is on node id-of-n7, which was not heard" in broken(
        grant(1, position(100)), seen=seen, memory=memory
    )


# pc.bootstrap


def form(slot=1, at=None, fence=(2, 3)) -> FormPrimary:
    return FormPrimary(*recipient(slot), at or position(100), tuple(recipient(other) for other in fence))


@pytest.mark.parametrize(
    "others",
    [
        [waiting(2, position(100)), waiting(3)],
        [non_primary(2), non_primary(3, last_committed=99)],
    ],
    ids=["down", "alive"],
)
def test_who_lives_with_the_newest_data_may_form_the_primary_component(others):
    assert broken(form(), seen=cluster(non_primary(1), *others)) == ""
    assert broken(form(), seen=cluster(non_primary(1), *others), memory=Memory()) == ""


def test_a_slot_that_never_had_a_node_nor_data_need_not_promise():
    assert broken(form(), seen=cluster(non_primary(1), waiting(2, position(9)), pending(3))) == ""


@pytest.mark.parametrize(
    ("step", "seats", "changes", "told"),
    [
        (form(), [waiting(1, position(100)), waiting(2), waiting(3)], {}, "slot 1, which is not alive"),
        (form(4), [non_primary(1), waiting(2), waiting(3)], {}, "slot 4, which is not alive"),
        (form(at=position(99)), [non_primary(1), waiting(2), waiting(3)], {}, f"slot 1, which is not alive at {A}:99"),
        (form(at=position(100, B)), [non_primary(1, state_uuid=B), waiting(2), waiting(3)], {}, f"recorded is {A}"),
        (form(), [non_primary(1), unseen(2), waiting(3)], {}, "expected member is not seen"),
        (form(), [non_primary(1), waiting(2), waiting(3)], {"replicas": 4}, "expected member is not seen"),
        (form(), [non_primary(1), waiting(2), waiting(3)], {"leaving": (task(2, id="old"),)}, "old task"),
        (form(), [non_primary(1), waiting(2), waiting(3)], {"lost": (task(2, id="old"),)}, "old task"),
        (form(), [non_primary(1), member(2), waiting(3)], {}, "a Primary component is alive"),
        (form(), [non_primary(1), waiting(2, stage=Stage.STOPPING), waiting(3)], {}, "neither up nor waiting"),
        (form(), [non_primary(1), waiting(2, stage=Stage.STARTING), waiting(3)], {}, "neither up nor waiting"),
        (form(), [non_primary(1), non_primary(2, stage=Stage.JOINING), waiting(3)], {}, "on its way into"),
        (form(), [non_primary(1), non_primary(2, stage=Stage.BOOTSTRAPPING), waiting(3)], {}, "on its way into"),
        (form(), [non_primary(1), waiting(2, position(101)), waiting(3)], {}, f"while slot 2 holds {A}:101"),
        (form(), [non_primary(1), non_primary(2, last_committed=101), waiting(3)], {}, f"while slot 2 holds {A}:101"),
        (form(), [non_primary(1), waiting(2, position(1, B)), waiting(3)], {}, f"while slot 2 holds {B}:1"),
        (form(), [non_primary(1), non_primary(2, state_uuid=ZEROS), waiting(3)], {}, f"while slot 2 holds {ZEROS}:100"),
        (form(fence=(2,)), [non_primary(1), waiting(2), waiting(3)], {}, "without the promise of slot 3"),
        (form(fence=()), [non_primary(1), waiting(2), non_primary(3)], {}, "without the promise of slot 2"),
    ],
    ids=[
        "it is down",
        "it is not there",
        "it is elsewhere",
        "another history than recorded",
        "somebody unseen",
        "a task not made",
        "an old task ends",
        "a node is lost",
        "somebody serves",
        "somebody stops",
        "somebody starts",
        "somebody joins",
        "somebody bootstraps",
        "one down is newer",
        "one alive is newer",
        "another history",
        "zeros",
        "one not fenced",
        "nobody fenced",
    ],
)
def test_no_pc_bootstrap(step, seats, changes, told):
    assert told in broken(step, seen=cluster(*seats, **changes))


def test_no_pc_bootstrap_behind_the_ledger():
    seen = cluster(non_primary(1), waiting(2), waiting(3))
    assert "seen further on" in broken(form(), seen=seen, memory=remembered(ledger={1: 101}))
    assert broken(form(), seen=seen, memory=remembered(ledger={1: 100})) == ""


def test_what_a_person_accepted_for_a_bootstrap_is_not_accepted_for_pc_bootstrap():
    memory = remembered(consent=decided(1, position(100), 2))
    assert "expected member is not seen" in broken(form(fence=()), seen=cluster(non_primary(1), unseen(2)), memory=memory)


def test_never_two_primary_components_formed_in_one_plan():
    seen = cluster(non_primary(1), non_primary(2), waiting(3))
    assert "more than one bootstrap" in broken(form(1), form(2, fence=(1, 3)), seen=seen)


def test_a_promise_of_an_earlier_life_does_not_count():
    step = Bootstrap(*recipient(2), position(9), fence=((1, "10.0.0.1", "an earlier life"),))
    assert "without the promise of slot 1" in broken(step, seen=ALL_STOPPED)


# Stops


def stop(slot: int) -> StopMember:
    return StopMember(*recipient(slot))


@pytest.mark.parametrize(
    ("seats", "memory"),
    [
        ([non_primary(1), waiting(2)], remembered()),
        ([member(1, state_uuid=B), member(2)], remembered(given_up={1: B})),
        ([non_primary(1, state_uuid=B), member(2)], remembered(given_up={1: B})),
        ([apart(1), member(2)], remembered()),
    ],
    ids=["nobody is Primary", "given up", "given up, not Primary", "has left its group"],
)
def test_who_serves_nothing_that_counts_may_be_stopped(seats, memory):
    assert broken(stop(1), seen=cluster(*seats), memory=memory) == ""


@pytest.mark.parametrize(
    ("seats", "memory", "told"),
    [
        ([waiting(1), waiting(2)], remembered(), "slot 1, which was not seen alive"),
        ([member(2)], remembered(), "slot 1, which was not seen alive"),
        ([member(1), member(2)], remembered(), "slot 1, which is Synced in a Primary component"),
        ([non_primary(1), member(2)], remembered(), "slot 1, which is Synced in a non-Primary component"),
        ([member(1, connected=False), member(2)], remembered(), "slot 1, which is Synced in a Primary component"),
        ([member(1), member(2)], remembered(given_up={1: A}), "slot 1, which is Synced"),
        ([member(1, state_uuid=B), member(2)], remembered(given_up={2: B}), "slot 1, which is Synced"),
        ([member(1, state_uuid=B), member(2)], remembered(given_up={1: C}), "slot 1, which is Synced"),
        ([member(1, state_uuid=B), member(2)], Memory(given_up={1: B}), "slot 1, which is Synced"),
    ],
    ids=[
        "down",
        "not there",
        "serves",
        "beside a Primary",
        "says Primary",
        "recorded",
        "another slot",
        "another history",
        "nothing recorded",
    ],
)
def test_nobody_else_is_stopped(seats, memory, told):
    assert told in broken(stop(1), seen=cluster(*seats), memory=memory)


# Invitations


def invited(at, *, replaces=False) -> Invite:
    return Invite(*recipient(2), at, ("10.0.0.1",), replaces)


@pytest.mark.parametrize(
    ("step", "memory"),
    [
        (invited(None), remembered()),
        (invited(position(99)), remembered()),
        (invited(position(100)), remembered()),
        (invited(position(500), replaces=True), remembered(given_up={2: A})),
        (invited(position(5, B), replaces=True), remembered(given_up={2: B})),
        (invited(position(5, B), replaces=True), remembered(fork=Fork(position(5, B), ()))),
        (invited(position(9, B), replaces=True), remembered(fork=Fork(position(5, B), (2,)))),
    ],
    ids=["empty", "behind", "as new", "ahead, given up", "another history, given up", "contained", "accepted"],
)
def test_a_copy_that_the_component_has_or_that_was_given_up_may_join(step, memory):
    assert broken(step, seen=cluster(member(1), waiting(2)), memory=memory) == ""


@pytest.mark.parametrize(
    ("step", "memory", "told"),
    [
        (invited(position(101)), remembered(), "does not have all of it"),
        (invited(position(5, B)), remembered(), "does not have all of it"),
        (invited(position(5, B)), remembered(given_up={2: B}), "does not have all of it"),
        (invited(position(5, B), replaces=True), remembered(), "which nobody gave up"),
        (invited(position(5, B), replaces=True), remembered(given_up={3: B}), "which nobody gave up"),
        (invited(position(5, B), replaces=True), remembered(given_up={2: C}), "which nobody gave up"),
        (invited(position(6, B), replaces=True), remembered(fork=Fork(position(5, B), (3,))), "which nobody gave up"),
        (invited(position(5, C), replaces=True), remembered(fork=Fork(position(5, B), (2,))), "which nobody gave up"),
    ],
    ids=["ahead", "another history", "not as given up", "not given up", "another slot", "another", "past the fork", "a third"],
)
def test_no_invitation_that_erases_what_nobody_gave_up(step, memory, told):
    assert told in broken(step, seen=cluster(member(1), waiting(2)), memory=memory)


def test_no_invitation_where_nobody_serves():
    assert "does not have all of it" in broken(invited(position(5)), seen=cluster(non_primary(1), waiting(2)))


# Sizes


def test_who_never_got_a_node_does_not_hold_up_another_that_leaves():
    assert broken(drain(3), seen=cluster(member(1), member(3), pending(4))) == ""


def test_who_leaves_is_not_counted_among_those_who_stay():
    assert "last Synced" in broken(drain(3), seen=cluster(pending(2), member(3)))


@pytest.mark.parametrize(("state", "may"), [(1, False), (2, True), (3, True), (4, True)])
def test_who_has_the_data_may_be_the_writer(state, may):
    assert (broken(appoint(1), seen=cluster(member(1, local_state=state), waiting(2))) == "") is may


def test_no_writer_that_is_not_there():
    told = broken(appoint(5), seen=three_calm())
    assert "traffic to slot 5, which was not seen alive" in told
    assert "slot 5 the writer, which nobody has let in" in told


def test_no_traffic_to_zeros_also_where_nothing_is_recorded():
    assert ZEROS in broken(admit(2), seen=cluster(member(1), NO_TRAFFIC[ZEROS]), memory=Memory())


def test_who_was_given_up_and_lives_is_not_seen_stopped():
    seen = cluster(waiting(1, position(100)), non_primary(2))
    assert "not seen stopped" in broken(decided_grant(fence=(2,)), seen=seen, memory=GOING_ON)


def test_with_nothing_recorded_nobody_knows_whether_a_slot_without_a_node_had_data():
    seen = cluster(waiting(1, position(100)), pending(2))
    assert "not seen stopped" in broken(grant(1, position(100)), seen=seen, memory=Memory())
    seen = cluster(non_primary(1), pending(2))
    assert "expected member is not seen" in broken(form(fence=()), seen=seen, memory=Memory())


@pytest.mark.parametrize(
    ("start", "seqno", "told"),
    [
        (position(100, C), 50, ""),
        (position(100, C), 100, ""),
        (position(100, C), 101, "not heard"),
        (position(100), 50, "not heard"),
        (position(100), 100, "not heard"),
    ],
    ids=["renamed, contained", "renamed, as new", "renamed, newer", "not renamed", "not renamed, as new"],
)
def test_what_was_recorded_on_a_node_that_was_not_heard_counts_unless_the_seed_contains_it(start, seqno, told):
    memory = remembered(ledger={5: seqno}, consent=decided(1, position(100)))
    found = broken(decided_grant(start, fence=()), seen=cluster(waiting(1, start)), memory=memory)
    assert told in found
    assert bool(found) is bool(told)


def test_the_node_of_a_member_that_does_not_answer_was_not_heard():
    found = broken(grant(1, position(100)), seen=cluster(waiting(1, position(100)), unseen(2)), memory=remembered(ledger={2: 1}))
    assert "the copy of slot 2 is on node id-of-n2, which was not heard" in found


def test_whoever_shows_a_sign_of_life_counts_among_those_who_stay_with_or_without_a_node():
    assert "not Synced and serving" in broken(drain(3), seen=cluster(member(1), waiting(2, node_id=""), member(3)))


def test_a_size_that_stays_is_no_scale_down():
    assert "scale-down" not in broken(Resize("svc", 40, 3, 3), seen=three_calm())


def test_on_a_first_start_a_slot_without_a_node_need_not_be_seen():
    assert broken(grant(1), seen=cluster(waiting(1), pending(2)), memory=Memory()) == ""


def test_the_last_member_but_one_may_leave():
    assert broken(Resize("svc", 40, 2, 1, (2, "task2")), seen=cluster(member(1), member(2, stage=Stage.DRAINED))) == ""
