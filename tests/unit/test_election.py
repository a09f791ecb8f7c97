from __future__ import annotations

import pytest
from builders import ZEROS, A, B, C, cluster, pending, position, recipient, remembered, task, unseen, waiting

from galera_operator.core.agent_api import Stage
from galera_operator.core.decide import decide
from galera_operator.core.model import Silence
from galera_operator.core.plan import Act, Bootstrap, Hold, Page, Resize
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Fork, Memory


def seed(plan) -> Bootstrap:
    assert isinstance(plan, Act), plan
    assert len(plan.steps) == 1
    return plan.steps[0]


def paged(plan) -> str:
    assert isinstance(plan, Page), plan
    assert plan.remedy
    return plan.name


def incomplete(slot):
    return waiting(slot, directory=Directory.INCOMPLETE)


def test_the_very_first_start_grants_slot_1():
    assert seed(decide(cluster(waiting(1), waiting(2), waiting(3)), Memory())) == Bootstrap(
        *recipient(1), None, fence=(recipient(2), recipient(3))
    )


def test_a_single_empty_member_starts_the_cluster():
    assert seed(decide(cluster(waiting(1)), Memory())).position is None


def test_of_all_stopped_members_the_newest_gets_the_grant():
    seen = cluster(waiting(1, position(7)), waiting(2, position(9)), waiting(3, position(8)))
    assert seed(decide(seen, remembered(ledger={1: 9, 2: 9}))) == Bootstrap(
        *recipient(2), position(9), fence=(recipient(1), recipient(3))
    )


def test_of_equally_new_members_the_lowest_slot_gets_the_grant():
    assert seed(decide(cluster(waiting(1, position(7)), waiting(2, position(7))), remembered())).slot == 1


def test_the_hint_safe_to_bootstrap_decides_nothing():
    seen = cluster(waiting(1, position(7), safe_to_bootstrap=True), waiting(2, position(9)))
    assert seed(decide(seen, remembered())).slot == 2


def test_a_cluster_that_was_never_recorded_is_started_from_its_newest_copy():
    assert seed(decide(cluster(waiting(1), waiting(2, position(9))), Memory())).slot == 2


def test_a_member_with_an_incomplete_directory_never_seeds():
    assert seed(decide(cluster(incomplete(1), waiting(2, position(3))), remembered())).slot == 2


@pytest.mark.parametrize("at", [position(-1), position(7, ZEROS), position(-1, ZEROS)], ids=str)
def test_a_directory_called_usable_without_a_usable_position_never_seeds(at):
    assert paged(decide(cluster(waiting(1, at)), Memory())) == "no-usable-copy"
    assert paged(decide(cluster(waiting(1, at)), remembered())) == "data-gone"


def test_a_position_in_a_directory_called_incomplete_never_seeds():
    assert paged(decide(cluster(waiting(1, position(5), directory=Directory.INCOMPLETE)), Memory())) == "no-usable-copy"


def mid_ddl(slot, seqno, uuid=A):
    return waiting(slot, position(seqno, uuid), directory=Directory.MID_DDL)


def test_copies_that_were_killed_in_the_middle_of_ddl_page_with_the_command_that_goes_on_from_one():
    plan = decide(cluster(mid_ddl(1, 7), mid_ddl(2, 7), waiting(3, position(5))), remembered(ledger={1: 7, 2: 7}))
    assert paged(plan) == "ddl-cut-off"
    assert f"slot 1 (n1) at {A}:7, slot 2 (n2) at {A}:7" in plan.why
    assert "slot 3" not in plan.why
    assert plan.remedy.endswith("galera-operator bootstrap shop_db --from-slot 1")


@pytest.mark.parametrize("seqno", [7, 8])
def test_a_whole_copy_with_all_that_those_killed_in_the_middle_of_ddl_have_gets_the_grant(seqno):
    seen = cluster(mid_ddl(1, 7), waiting(2, position(seqno)), mid_ddl(3, 6))
    assert seed(decide(seen, remembered(ledger={1: 7}))).slot == 2


def test_a_copy_killed_in_the_middle_of_ddl_counts_among_the_histories():
    assert paged(decide(cluster(mid_ddl(1, 7, B), waiting(2, position(9))), remembered())) == "diverged-histories"


def test_where_the_ddl_was_seen_to_be_over_its_loss_is_named():
    plan = decide(cluster(mid_ddl(1, 7), mid_ddl(2, 7)), remembered(ledger={1: 8, 2: 8}))
    assert "--from-slot 1 --accept-loss-of 1 --accept-loss-of 2" in plan.remedy


def test_two_histories_page_and_the_longer_one_does_not_win():
    plan = decide(cluster(waiting(1, position(900, A)), waiting(2, position(7, B))), Memory())
    assert paged(plan) == "diverged-histories"
    assert f"{A}:900" in plan.why
    assert f"{B}:7" in plan.why


def test_one_history_that_is_not_the_recorded_one_pages():
    assert paged(decide(cluster(waiting(1, position(900, B))), remembered(A))) == "diverged-histories"


def test_a_newest_copy_behind_the_ledger_pages():
    plan = decide(cluster(waiting(1, position(90)), waiting(2, position(89))), remembered(ledger={1: 90, 2: 91}))
    assert paged(plan) == "newest-copy-missing"
    assert "at 91" in plan.why


@pytest.mark.parametrize("seqno", [90, 91])
def test_a_newest_copy_at_or_past_the_ledger_is_good(seqno):
    assert seed(decide(cluster(waiting(1, position(seqno))), remembered(ledger={1: 90}))).position == position(seqno)


def test_nobody_is_elected_before_swarm_has_made_every_task():
    plan = decide(cluster(waiting(1, position(7), since=1.0), replicas=3), remembered())
    assert isinstance(plan, Hold)
    assert "1 of 3 tasks" in plan.why


@pytest.mark.parametrize(
    "silent", [unseen(2), unseen(2, kind=Silence.NO_AGENT), pending(2)], ids=["no answer", "refused", "no node"]
)
def test_nobody_is_elected_while_a_member_was_not_seen(silent):
    plan = decide(cluster(waiting(1, position(7), since=1.0), silent), remembered(ledger={2: 7}))
    assert isinstance(plan, Hold)
    assert "slot 2" in plan.why
    assert "waiting for every copy to answer" in plan.why


def test_nobody_is_elected_while_an_old_task_still_ends():
    plan = decide(cluster(waiting(1, position(7)), leaving=(task(1, id="old", desired="shutdown"),)), remembered())
    assert isinstance(plan, Hold)
    assert "still ending" in plan.why


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.WAITING])
def test_nobody_is_elected_while_a_members_agent_does_anything_but_wait(stage):
    assert isinstance(decide(cluster(waiting(1, position(7)), waiting(2, position(8), stage=stage)), remembered()), Hold)


def test_a_slot_that_held_data_and_is_not_among_the_tasks_comes_back_first():
    plan = decide(cluster(waiting(1, position(7))), remembered(ledger={1: 7, 3: 5}))
    assert isinstance(plan, Act)
    assert plan.steps == (Resize("svc", 40, 1, 3),)
    assert "slot 3" in plan.why


def test_a_slot_that_held_data_and_came_back_empty_pages():
    plan = decide(cluster(waiting(1, position(7)), waiting(2)), remembered(ledger={1: 7, 2: 7}))
    assert paged(plan) == "copy-missing"
    assert "slot 2 (n2) has an empty data directory" in plan.why


def test_an_empty_newcomer_beside_the_copies_does_not_matter():
    assert seed(decide(cluster(waiting(1, position(7)), waiting(2)), remembered(ledger={1: 7}))).slot == 1


def test_a_recorded_cluster_is_never_made_anew_in_empty_directories():
    plan = decide(cluster(waiting(1)), remembered(ledger={1: 7}))
    assert paged(plan) == "data-gone"
    assert A in plan.why


def test_a_recorded_cluster_whose_copies_are_all_incomplete_pages():
    plan = decide(cluster(incomplete(1), incomplete(2)), remembered(ledger={1: 7}))
    assert paged(plan) == "data-gone"
    assert plan.remedy.startswith("Bring back a volume")


def test_where_only_copies_from_before_a_decision_are_left_the_command_for_them_is_named():
    plan = decide(cluster(waiting(1, position(90)), waiting(2, position(80))), remembered(C, fork=Fork(position(100), ())))
    assert paged(plan) == "data-gone"
    assert plan.remedy.startswith("An older copy is there: galera-operator bootstrap shop_db --from-slot 1 .")


def test_an_unknown_database_without_a_position_pages():
    assert paged(decide(cluster(waiting(1), incomplete(2)), Memory())) == "no-usable-copy"


def test_the_page_for_a_newest_copy_that_is_missing_names_the_command_that_goes_on_without_it():
    plan = decide(cluster(waiting(1, position(90)), waiting(2, position(89))), remembered(ledger={1: 90, 2: 91}))
    assert "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 2" in plan.remedy


def test_the_page_for_two_histories_names_one_command_for_each_the_recorded_one_first():
    seen = cluster(waiting(1, position(900, B)), waiting(2, position(7, A)), waiting(3, position(9, A)))
    plan = decide(seen, remembered(A))
    assert plan.remedy == (
        "Decide which history to keep: galera-operator bootstrap shop_db --from-slot 3 --accept-loss-of 1 ; or: "
        "galera-operator bootstrap shop_db --from-slot 1 --accept-loss-of 2 --accept-loss-of 3"
    )


@pytest.mark.parametrize(
    ("former", "fork"),
    [
        (position(90, B), Fork(position(100, B), ())),
        (position(100, B), Fork(position(100, B), ())),
        (position(500, B), Fork(position(100, B), (2,))),
    ],
    ids=["before the fork", "at the fork", "given up"],
)
def test_a_copy_from_before_a_persons_decision_neither_seeds_nor_diverges(former, fork):
    seen = cluster(waiting(1, position(7)), waiting(2, former))
    assert seed(decide(seen, remembered(fork=fork))) == Bootstrap(*recipient(1), position(7), fence=(recipient(2),))


@pytest.mark.parametrize(
    ("other", "fork"),
    [(position(101, B), Fork(position(100, B), (1, 3))), (position(90, C), Fork(position(100, B), (2,)))],
    ids=["past the fork", "a third history"],
)
def test_a_copy_that_is_not_contained_in_the_present_history_still_diverges(other, fork):
    plan = decide(cluster(waiting(1, position(7)), waiting(2, other)), remembered(fork=fork))
    assert paged(plan) == "diverged-histories"


def test_a_copy_that_a_person_gave_up_never_seeds_although_it_is_the_newest():
    seen = cluster(waiting(1, position(103)), waiting(2, position(105)))
    assert seed(decide(seen, remembered(ledger={1: 103}, given_up={2: A}))).slot == 1
    assert seed(decide(seen, remembered(ledger={1: 103}, given_up={1: A}))).slot == 2
    assert seed(decide(seen, remembered(ledger={1: 103}, given_up={2: B}))).slot == 2


def test_a_directory_called_usable_without_a_position_never_seeds():
    nothing = waiting(1, None, directory=Directory.USABLE)
    assert paged(decide(cluster(nothing), Memory())) == "no-usable-copy"
    assert seed(decide(cluster(nothing, waiting(2, position(3))), remembered())).slot == 2


def test_the_very_first_start_does_not_wait_for_a_slot_without_a_node():
    assert seed(decide(cluster(waiting(1), pending(2)), Memory())) == Bootstrap(*recipient(1), None)
    assert seed(decide(cluster(pending(1), waiting(2), waiting(3)), Memory())).slot == 2


def test_a_first_start_of_which_no_slot_has_a_node_waits():
    assert isinstance(decide(cluster(pending(1), pending(2)), Memory()), Hold)
