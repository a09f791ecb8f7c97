from __future__ import annotations

import pytest
from builders import ZEROS, B, cluster, joined_but_not_admitted, member, remembered, unseen, waiting

from galera_operator.core.agent_api import Admission, Stage
from galera_operator.core.remembered import Memory
from galera_operator.core.traffic import admission_obstacle, believed_writer, choose_writer, may_write

NOT_YET = {
    "its database does not answer": waiting(2),
    "it is Joined (Primary)": joined_but_not_admitted(2, local_state=3),
    "it is Donor/Desynced": joined_but_not_admitted(2, local_state=2),
    "non-Primary": joined_but_not_admitted(2, cluster_status="non-Primary"),
    "not ready": joined_but_not_admitted(2, ready=False),
    "state UUID of zeros": joined_but_not_admitted(2, state_uuid=ZEROS),
    f"its state UUID is {B}": joined_but_not_admitted(2, state_uuid=B),
    "3 received write-sets": joined_but_not_admitted(2, queue=3),
    "its view is number 9": joined_but_not_admitted(2, conf_id=9),
}


@pytest.mark.parametrize("reason", NOT_YET)
def test_a_member_is_not_confirmed_while_anything_is_open(reason):
    seen = cluster(member(1), NOT_YET[reason])
    assert reason in admission_obstacle(seen.seats[1], seen, remembered())


def test_a_synced_member_of_the_recorded_history_in_the_common_view_is_confirmed():
    seen = cluster(member(1), joined_but_not_admitted(2))
    assert admission_obstacle(seen.seats[1], seen, remembered()) is None
    assert admission_obstacle(seen.seats[1], seen, Memory()) is None


def test_the_view_of_a_member_outside_the_primary_component_does_not_matter():
    seen = cluster(member(1), joined_but_not_admitted(2), member(3, conf_id=1, cluster_status="non-Primary"))
    assert admission_obstacle(seen.seats[1], seen, remembered()) is None


@pytest.mark.parametrize(
    ("seat", "may"),
    [
        (member(1), True),
        (member(1, admission=Admission.SELF), True),
        (member(1, local_state=2), True),
        (joined_but_not_admitted(1), False),
        (member(1, ready=False), False),
        (member(1, cluster_status="non-Primary"), False),
        (member(1, stage=Stage.DRAINING), False),
        (member(1, leaving=True), False),
        (member(1, stage=Stage.DRAINED), False),
        (member(1, stage=Stage.STOPPING), False),
        (member(1, stage=Stage.JOINING), False),
        (member(1, local_state=1), False),
        (waiting(1), False),
        (waiting(1, stage=Stage.RUNNING, admission=Admission.OPERATOR), False),
        (unseen(1), False),
    ],
    ids=[
        "calm",
        "admitted by itself",
        "donor",
        "not admitted",
        "not ready",
        "non-Primary",
        "draining",
        "asked to stop",
        "drained",
        "stopping",
        "joining",
        "state 1",
        "waiting",
        "its database does not answer",
        "unseen",
    ],
)
def test_who_may_carry_the_write_port(seat, may):
    assert may_write(seat) is may


def test_most_voices_name_the_writer():
    seen = cluster(member(1, writer="db.2"), member(2, writer="db.2"), member(3, writer="db.3"))
    assert believed_writer(seen).slot == 2


def test_a_writer_who_is_not_here_any_more_is_none():
    assert believed_writer(cluster(member(1, writer="db.9"), member(2, writer=""))) is None


def test_one_voice_for_somebody_here_counts_more_than_many_for_somebody_gone():
    assert believed_writer(cluster(member(1, writer="db.9"), member(2, writer="db.9"), member(3, writer="db.3"))).slot == 3


def test_a_waiting_members_voice_counts():
    assert believed_writer(cluster(member(1, writer=""), waiting(2, writer="db.1"))).slot == 1


def test_the_present_writer_stays_also_beside_a_lower_slot():
    assert choose_writer(cluster(*(member(slot, writer="db.3") for slot in (1, 2, 3)))).slot == 3


def test_the_present_writer_stays_while_it_is_a_donor():
    assert choose_writer(cluster(member(1, local_state=2), member(2))).slot == 1


def test_without_a_writer_the_lowest_idle_slot_is_chosen():
    seen = cluster(member(1, writer="", local_state=2), member(2, writer=""), member(3, writer=""))
    assert choose_writer(seen).slot == 2


def test_a_slot_about_to_leave_is_not_chosen():
    assert choose_writer(cluster(member(1, writer="db.2"), member(2, writer="db.2")), avoid=(2,)).slot == 1


def test_a_slot_about_to_leave_is_better_than_a_donor_for_as_long_as_that_holds_it_up():
    assert choose_writer(cluster(member(1, local_state=2, writer="db.2"), member(2, writer="db.2")), avoid=(2,)).slot == 2
    assert (
        choose_writer(
            cluster(member(1, local_state=2, writer="db.3"), member(2, writer="db.3"), member(3, writer="db.3")), avoid=(3,)
        ).slot
        == 2
    )
    assert choose_writer(cluster(member(1, local_state=2, writer="db.9"), member(2, writer="db.9")), avoid=(2,)).slot == 2


def test_nobody_is_chosen_when_nobody_can():
    assert choose_writer(cluster(joined_but_not_admitted(1), unseen(2))) is None
