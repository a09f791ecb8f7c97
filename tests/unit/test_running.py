"""A run moves on by what is seen, what is remembered and the time, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import A, B, C, cluster, decided, member, non_primary, position, remembered, three_calm, unseen, waiting

from galera_operator.core.memory import remember
from galera_operator.core.planned import Planned, Run, RunState, Wanted
from galera_operator.core.position import Directory
from galera_operator.core.remembered import Consent, Restart, WriterMove
from galera_operator.core.runbook import OnFailure, Runbook, Stage
from galera_operator.core.running import MAX_REQUESTS, NotRequested, abort, advance, answer, heard, request
from galera_operator.core.spec import BadWish, Wish

NOW = 1_000_000.0
ID = "dddddddd-0000-4000-8000-000000000004"


def book(*stages: Stage, name: str = "work", planned: bool = False, digest: str = "d1") -> Runbook:
    return Runbook(name, "for the test", planned, (), (), (), stages, digest)


def asked(runbook: Runbook, at: float = NOW, **changes) -> Run:
    arguments = changes.pop("arguments", {})
    return Run(changes.pop("id", ID), runbook.name, runbook.digest, arguments, "ann@desk", at, **changes)


class Turns:
    """One runbook in a world that the test sets, turn by turn."""

    def __init__(self, runbook: Runbook, seen=None, memory=None, **changes):
        self.books = {runbook.name: runbook}
        self.seen = seen or three_calm(wish=3)
        self.memory = request(memory or remembered(), asked(runbook, **changes))

    def turn(self, at: float = 0.0, closed: str = "") -> Run:
        self.memory = advance(self.seen, self.memory, self.books, NOW + at, closed)
        return self.run

    @property
    def run(self) -> Run:
        assert self.memory.planned.run is not None
        return self.memory.planned.run


SCALE = book(Stage("wish", "scale", {"replicas": "{replicas}"}, until="size", within=600, on_failure=OnFailure.PAGE))
ASK = book(Stage("ask", "ask", {"question": "Shall it be?"}, within=600), Stage("say", "notify", {"text": "it was said"}))


# Scaling, the plainest run


def test_a_run_that_scales_wants_the_wish_written_and_waits():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    assert turns.turn().state is RunState.RUNNING
    assert turns.memory.planned.wanted == Wanted(replicas=5)
    assert turns.run.note == "sets galera.replicas to 5"


def test_once_the_wish_stands_there_nothing_more_is_written_and_the_size_is_waited_for():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.turn()
    turns.seen = three_calm(wish=5)
    assert "5 members are wished, 3 are asked of Swarm" in turns.turn().note
    assert turns.memory.planned.wanted is None


def test_a_person_who_changes_the_wish_meanwhile_is_not_overruled():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.seen = three_calm(wish=5)
    turns.turn()
    turns.seen = three_calm(wish=3)
    assert "3 members are wished by now" in turns.turn().note
    assert turns.memory.planned.wanted is None


def test_the_run_is_done_when_the_cluster_is_as_wished():
    turns = Turns(SCALE, arguments={"replicas": "3"})
    assert turns.turn().state is RunState.DONE


def test_a_second_run_of_the_same_finds_everything_done():
    turns = Turns(SCALE, arguments={"replicas": "3"})
    turns.turn()
    turns.memory = request(turns.memory, asked(SCALE, arguments={"replicas": "3"}, id=ID.replace("d", "e")))
    assert turns.turn(at=5).state is RunState.DONE
    assert turns.memory.planned.wanted is None


def test_a_stage_that_is_not_done_in_time_ends_the_run_and_calls_a_person_where_it_says_so():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.turn()
    assert turns.turn(at=599.0).state is RunState.RUNNING
    ended = turns.turn(at=600.0)
    assert (ended.state, ended.pages) == (RunState.FAILED, True)
    assert ended.note == "stage wish: not within 600 s: sets galera.replicas to 5"
    assert turns.memory.planned.wanted is None, "nothing of a run that is over is wanted"


def test_every_number_that_a_cluster_may_have_can_be_wished():
    for replicas in (1, 9):
        turns = Turns(SCALE, arguments={"replicas": str(replicas)})
        turns.turn()
        assert turns.memory.planned.wanted == Wanted(replicas=replicas)


def test_a_number_that_no_cluster_may_have_cannot_be_done():
    assert "'five' is not a number of members" in Turns(SCALE, arguments={"replicas": "five"}).turn().note
    assert "'0' is not a number of members" in Turns(SCALE, arguments={"replicas": "0"}).turn().note
    assert "'10' is not a number of members" in Turns(SCALE, arguments={"replicas": "10"}).turn().note


def test_labels_that_cannot_be_obeyed_end_a_run_that_would_write_one():
    bad = BadWish("bad-label", "galera.replicas is 'x'", "correct it")
    assert "galera.replicas is 'x'" in Turns(SCALE, three_calm(wish=bad), arguments={"replicas": "3"}).turn().note


# Asking


def test_a_question_is_waited_for():
    turns = Turns(ASK)
    assert (turns.turn().state, turns.run.note) == (RunState.ASKING, "Shall it be?")
    assert turns.turn(at=599.0).state is RunState.ASKING


def test_a_yes_goes_on_and_a_no_ends_it():
    for word, state in (("yes", RunState.DONE), ("no", RunState.FAILED)):
        turns = Turns(ASK)
        turns.turn()
        turns.memory = answer(turns.memory, word, {})
        assert turns.turn(at=1.0).state is state


def test_who_said_yes_beforehand_is_not_asked():
    assert Turns(ASK, answers_all=True).turn().state is RunState.DONE


def test_an_answer_does_not_answer_the_next_question():
    turns = Turns(book(ASK.stages[0], replace(ASK.stages[0], name="again")))
    turns.turn()
    turns.memory = answer(turns.memory, "yes", {})
    turned = turns.turn(at=1.0)
    assert (turned.stage, turned.state) == (1, RunState.ASKING)


def test_a_question_that_nobody_answers_is_not_a_yes():
    turns = Turns(ASK)
    turns.turn()
    assert turns.turn(at=600.0).state is RunState.FAILED


def test_nobody_answers_what_is_not_asked():
    with pytest.raises(NotRequested, match="no runbook asks anything"):
        answer(remembered(), "yes", {})
    running = Turns(SCALE, arguments={"replicas": "5"})
    running.turn()
    with pytest.raises(NotRequested):
        answer(running.memory, "yes", {})


# Conditions of a stage


def test_a_stage_is_left_out_where_its_condition_says_so():
    turns = Turns(book(replace(ASK.stages[0], unless="settled")))
    assert turns.turn().state is RunState.DONE
    assert turns.run.note.startswith("done: stage ask is left out")


def test_a_question_vanishes_when_what_it_is_about_has_ended_by_itself():
    turns = Turns(book(replace(ASK.stages[0], unless="settled")), cluster(member(1), unseen(2)))
    assert turns.turn().state is RunState.ASKING
    turns.seen = cluster(member(1), member(2))
    assert turns.turn(at=1.0).state is RunState.DONE


def test_a_stage_that_is_worth_a_try_is_followed_by_the_next():
    first = Stage("try", until="settled", within=60, on_failure=OnFailure.CONTINUE)
    turns = Turns(book(first, Stage("say", "notify", {"text": "on"})), cluster(member(1), unseen(2)))
    assert turns.turn().stage == 0
    assert turns.turn(at=60.0).state is RunState.DONE


def test_a_wait_lasts_as_long_as_it_says():
    turns = Turns(book(Stage("wait", "wait", {"seconds": "30"})))
    assert turns.turn().note == "waits for another 30 s"
    assert turns.turn(at=29.9).state is RunState.RUNNING
    assert turns.turn(at=30.0).state is RunState.DONE


def test_every_stage_has_its_own_time():
    wait = Stage("wait", "wait", {"seconds": "30"}, within=31)
    turns = Turns(book(wait, replace(wait, name="again")))
    turns.turn()
    turns.turn(at=30.0)
    assert turns.turn(at=59.0).state is RunState.RUNNING
    assert turns.turn(at=60.0).state is RunState.DONE


# Beginning, ending, pausing


def test_a_run_of_a_definition_that_was_changed_ends():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.turn()
    turns.books = {"work": replace(SCALE, digest="d2")}
    assert "was changed" in turns.turn(at=1.0).note
    assert turns.run.state is RunState.FAILED


def test_a_run_of_a_runbook_that_the_operator_does_not_have_ends():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.books = {"other": SCALE}
    assert turns.turn().note == "this operator has no runbook work; it has other"


def test_planned_work_waits_for_the_window_and_other_work_does_not():
    planned = Turns(replace(ASK, planned=True))
    planned.memory = advance(
        planned.seen, planned.memory, planned.books, NOW, "waits for the maintenance window: Sun 02:00-04:00"
    )
    assert planned.memory.planned.run is None
    assert [run.note for run in planned.memory.planned.requests] == ["waits for the maintenance window: Sun 02:00-04:00"]
    assert planned.turn(at=9.0).state is RunState.ASKING
    assert Turns(ASK).turn(closed="waits for the maintenance window").state is RunState.ASKING


def test_what_waits_for_its_window_lets_others_go_before_it():
    maintenance, urgent = replace(ASK, planned=True), replace(SCALE, name="urgent")
    memory = request(request(remembered(), asked(maintenance)), asked(urgent, arguments={"replicas": "3"}))
    after = advance(three_calm(wish=3), memory, {"work": maintenance, "urgent": urgent}, NOW, "waits")
    assert after.planned.run.runbook == "urgent"
    assert [run.runbook for run in after.planned.requests] == ["work"]


def test_work_that_began_in_its_window_is_not_left_half_done_when_the_window_closes():
    turns = Turns(replace(ASK, planned=True))
    turns.turn()
    turns.memory = answer(turns.memory, "yes", {})
    assert turns.turn(at=1.0, closed="waits").state is RunState.DONE


def test_a_paused_cluster_s_run_stands_still_and_loses_no_time():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.turn()
    turns.seen = three_calm(wish=Wish(replicas=3, pause=True))
    assert turns.turn(at=599.0).note == "waits: galera.pause is true"
    turns.seen = three_calm(wish=3)
    assert turns.turn(at=1100.0).state is RunState.RUNNING


def test_nothing_begins_in_a_paused_cluster():
    turns = Turns(ASK, three_calm(wish=Wish(pause=True)))
    turns.memory = advance(turns.seen, turns.memory, turns.books, NOW)
    assert turns.memory.planned.run is None


def test_one_run_after_the_other():
    turns = Turns(ASK)
    turns.turn()
    turns.memory = request(turns.memory, asked(replace(ASK, name="second"), id=ID.replace("d", "f")))
    turns.books["second"] = replace(ASK, name="second")
    assert turns.turn(at=1.0).runbook == "work"
    turns.memory = answer(turns.memory, "yes", {})
    turns.turn(at=2.0)
    assert turns.turn(at=3.0).runbook == "second"


def test_the_same_run_is_not_asked_for_twice_while_it_is_on_its_way():
    turns = Turns(ASK)
    turns.turn()
    with pytest.raises(NotRequested, match="is on its way already"):
        request(turns.memory, asked(ASK))


def test_the_same_runbook_for_something_else_may_wait_behind_it():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.turn()
    memory = request(turns.memory, asked(SCALE, arguments={"replicas": "4"}))
    assert [run.arguments for run in memory.planned.requests] == [{"replicas": "4"}]


def test_what_only_waits_is_taken_off_by_an_abort():
    memory = abort(request(remembered(), asked(ASK)), "bob@desk")
    assert (memory.planned.run, memory.planned.requests) == (None, ())


def test_a_run_of_an_unknown_runbook_does_not_wait_for_a_window():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.books = {}
    assert turns.turn(closed="waits").state is RunState.FAILED


def test_a_constraint_that_is_about_to_be_written_is_already_the_operator_s():
    turns = Turns(EMPTY, arguments={"node": "n3"})
    turns.turn()
    turns.memory = replace(turns.memory, planned=replace(turns.memory.planned, excluded=("n3",)))
    turns.turn(at=1.0)
    assert turns.memory.planned.excluded == ("n3",)


def test_the_last_words_of_a_run_are_those_of_its_last_stage():
    assert Turns(ASK, answers_all=True).turn().note == "done: it was said"
    assert Turns(SCALE, arguments={"replicas": "3"}).turn().note == "done"


def test_a_newer_wish_takes_the_place_of_one_that_still_waits():
    memory = request(remembered(), asked(SCALE, arguments={"replicas": "5"}))
    memory = request(memory, asked(SCALE, arguments={"replicas": "2"}))
    assert [run.arguments for run in memory.planned.requests] == [{"replicas": "2"}]


def test_no_more_than_a_few_may_wait():
    memory = remembered()
    for number in range(MAX_REQUESTS):
        memory = request(memory, asked(replace(ASK, name=f"work{number}")))
    with pytest.raises(NotRequested, match="8 runs wait already"):
        request(memory, asked(ASK))


def test_an_aborted_run_wants_nothing_and_calls_nobody():
    turns = Turns(book(Stage("empty", "empty-node", {"node": "n3"}, until="node-empty")))
    turns.turn()
    assert turns.memory.planned.away == ("n3",)
    memory = abort(request(turns.memory, asked(replace(ASK, name="second"))), "bob@desk")
    assert memory.planned.run.state is RunState.ABORTED
    assert "aborted by bob@desk in stage 1" in memory.planned.run.note
    assert (memory.planned.away, memory.planned.wanted, memory.planned.requests) == ((), None, ())


def test_aborting_after_a_failure_ends_its_page():
    turns = Turns(SCALE, arguments={"replicas": "5"})
    turns.turn()
    turns.turn(at=600.0)
    memory = abort(turns.memory, "bob@desk")
    assert (memory.planned.run.state, memory.planned.run.pages) == (RunState.FAILED, False)


def test_a_memory_without_planned_work_stays_as_it_is():
    memory = remembered()
    assert advance(three_calm(), memory, {}, NOW) is memory


# Nodes


EMPTY = book(
    Stage("empty", "empty-node", {"node": "{node}"}, until="node-empty"),
    Stage("work", "ask", {"question": "ready?"}),
    Stage("back", "open-node", {"node": "{node}"}, until="settled"),
)
OUT = {"constraints": ("node.hostname!=n3",)}


def constrained(seen, *nodes: str):
    return replace(seen, service=replace(seen.service, constraints=tuple(f"node.hostname!={node}" for node in nodes)))


def test_a_node_is_kept_away_until_the_run_opens_it_again():
    turns = Turns(EMPTY, arguments={"node": "n3"})
    assert turns.turn().note == "empties n3"
    assert turns.memory.planned.away == ("n3",)
    turns.memory = replace(turns.memory, planned=replace(turns.memory.planned, excluded=("n3",)))
    turns.seen = constrained(cluster(member(1), member(2), wish=3, replicas=3), "n3")
    assert turns.turn(at=1.0).state is RunState.ASKING
    turns.memory = answer(turns.memory, "yes", {})
    assert turns.turn(at=2.0).note == "opens n3 again"
    assert turns.memory.planned.away == ()
    turns.seen = three_calm(wish=3)
    assert turns.turn(at=3.0).state is RunState.DONE
    assert turns.memory.planned.excluded == ()


def test_a_task_that_is_still_ending_is_still_there():
    ending = member(3).task
    turns = Turns(EMPTY, arguments={"node": "n3"})
    turns.turn()
    turns.seen = constrained(cluster(member(1), member(2), replicas=3, leaving=(ending,)), "n3")
    assert "still ending on n3" in turns.turn(at=1.0).note


def test_the_node_of_the_only_member_cannot_be_emptied():
    assert "is the only member; scale up first" in Turns(EMPTY, cluster(member(1)), arguments={"node": "n1"}).turn().note


def test_two_members_are_enough_and_a_node_without_a_member_can_be_emptied_beside_one():
    for seen, node in ((cluster(member(1), member(2)), "n1"), (cluster(member(1)), "n9")):
        turns = Turns(EMPTY, seen, arguments={"node": node})
        turns.turn()
        assert turns.memory.planned.away == (node,)


def test_a_node_with_two_members_cannot_be_emptied_by_one_constraint():
    crowded = cluster(member(1), member(2, node="n1"), member(3))
    assert "2 members run on n1" in Turns(EMPTY, crowded, arguments={"node": "n1"}).turn().note


def test_a_run_that_fails_while_a_node_is_away_gives_it_back():
    turns = Turns(EMPTY, arguments={"node": "n3"})
    turns.turn()
    assert turns.turn(at=601.0).state is RunState.FAILED
    assert turns.memory.planned.away == ()


def test_a_constraint_that_a_deploy_took_back_is_not_the_operator_s_any_more():
    memory = replace(remembered(), planned=Planned(excluded=("n3",)))
    assert advance(three_calm(), memory, {}, NOW).planned.excluded == ()
    assert advance(constrained(three_calm(), "n3"), memory, {}, NOW).planned.excluded == ("n3",)


def test_a_constraint_of_the_user_s_own_is_left_there():
    turns = Turns(EMPTY, constrained(cluster(member(1), member(2), wish=2), "n3"), arguments={"node": "n3"}, answers_all=True)
    assert turns.turn().state is RunState.DONE


# A person's consent as a step


GO_ON = book(
    Stage("go on", "bootstrap", {"slot": "{from_slot}", "accept_loss_of": "{lost}"}, until="serving", on_failure=OnFailure.PAGE)
)


def test_a_consent_is_recorded_as_the_command_records_it():
    seen = cluster(waiting(1, position(90)), unseen(2))
    turns = Turns(GO_ON, seen, remembered(ledger={1: 90, 2: 95}), arguments={"from_slot": "1", "lost": "2"})
    turns.turn()
    assert turns.memory.consent == Consent(1, position(90), (2,), ID, "ann@desk", "1970-01-12T13:46:40+00:00")
    assert turns.run.did


def test_a_loss_that_was_not_named_is_refused_with_the_command_s_words():
    seen = cluster(waiting(1, position(90)), unseen(2))
    turns = Turns(GO_ON, seen, remembered(ledger={1: 90, 2: 95}), arguments={"from_slot": "1", "lost": ""})
    assert "data of slot 2 may be lost" in turns.turn().note
    assert turns.memory.consent is None


def test_a_consent_without_a_slot_is_asked_for():
    turns = Turns(GO_ON, cluster(waiting(1, position(90)), unseen(2)), arguments={"from_slot": "", "lost": ""})
    assert "which slot to go on from was not said" in turns.turn().note


def test_no_consent_is_recorded_while_somebody_serves():
    turns = Turns(GO_ON, arguments={"from_slot": "1", "lost": "2"})
    assert turns.turn().state is RunState.DONE
    assert turns.memory.consent is None


def test_a_consent_that_is_recorded_already_is_not_written_over():
    seen = cluster(waiting(1, position(90)), unseen(2))
    turns = Turns(GO_ON, seen, remembered(ledger={1: 90, 2: 95}), arguments={"from_slot": "1", "lost": "2"})
    turns.memory = replace(turns.memory, consent=decided(1, position(90), 2))
    turns.turn()
    assert turns.memory.consent == decided(1, position(90), 2)


def test_a_consent_of_a_living_member_that_is_not_primary_is_possible():
    seen = cluster(non_primary(1), unseen(2), unseen(3))
    turns = Turns(GO_ON, seen, remembered(ledger={1: 100, 2: 100}), arguments={"from_slot": "1", "lost": "2,3"})
    turns.turn()
    assert turns.memory.consent.slot == 1


REPLACE = book(Stage("give up", "replace", {"slot": "{slot}"}, until="member-serves"))


def test_a_copy_is_given_up_as_the_command_gives_it_up():
    seen = cluster(member(1), member(2), waiting(3, position(7, B)))
    turns = Turns(REPLACE, seen, arguments={"slot": "3"})
    assert "slot 3 (n3) is waiting" in turns.turn().note
    assert turns.memory.given_up == {3: B}


def test_a_copy_that_serves_another_history_is_given_up_too():
    turns = Turns(REPLACE, cluster(member(1), member(2), member(3, state_uuid=B)), arguments={"slot": "3"})
    turns.turn()
    assert turns.memory.given_up == {3: B}


def test_a_copy_that_is_given_up_already_stays_so_and_one_that_is_gone_is_done():
    turns = Turns(REPLACE, cluster(member(1), member(2), waiting(3, position(7, B))), arguments={"slot": "3"})
    turns.memory = replace(turns.memory, given_up={3: B})
    turns.turn()
    assert turns.memory.given_up == {3: B}
    for directory in (Directory.EMPTY, Directory.INCOMPLETE):
        seen = cluster(member(1), member(2), waiting(3, directory=directory))
        turns = Turns(REPLACE, seen, arguments={"slot": "3"})
        assert turns.turn().state is RunState.RUNNING
        assert turns.run.did


def test_a_member_that_serves_has_nothing_to_give_up():
    turns = Turns(REPLACE, arguments={"slot": "3"})
    assert turns.turn().state is RunState.DONE
    assert turns.memory.given_up == {}


def test_a_member_that_was_not_seen_shows_nothing_to_give_up():
    turns = Turns(REPLACE, cluster(member(1), member(2), unseen(3)), arguments={"slot": "3"})
    assert "slot 3 (n3) shows no copy" in turns.turn().note


def test_a_copy_whose_history_cannot_be_told_is_not_given_up_and_not_taken_for_gone():
    seen = cluster(member(1), member(2), waiting(3, directory=Directory.USABLE))
    turns = Turns(REPLACE, seen, arguments={"slot": "3"})
    assert "slot 3 (n3) shows no copy" in turns.turn().note
    assert not turns.run.did


def test_a_member_of_the_recorded_history_that_serves_nobody_can_be_given_up():
    turns = Turns(REPLACE, cluster(member(1), member(2), non_primary(3)), arguments={"slot": "3"})
    turns.turn()
    assert turns.memory.given_up == {3: A}


def test_the_only_copy_is_not_given_up():
    turns = Turns(REPLACE, cluster(waiting(1, position(7, B)), unseen(2)), arguments={"slot": "1"})
    assert "this may be the only copy there is" in turns.turn().note
    assert turns.memory.given_up == {}


def test_a_slot_that_is_not_there_cannot_be_replaced():
    assert "there is no slot 9" in Turns(REPLACE, arguments={"slot": "9"}).turn().note


# Updates


UPDATE = book(Stage("roll out", "update-image", {"image": "{image}"}, until="updated"))
OPTION = book(Stage("roll out", "set-option", {"option": "{option}", "value": "{value}"}, until="updated"))


def running_image(image: str, *old: int, **service_changes):
    """Three members on this image; the slots in `old` still run another one."""
    seen = cluster(*(member(slot, is_outdated=slot in old) for slot in (1, 2, 3)))
    return replace(seen, service=replace(seen.service, image=image, **service_changes))


def test_an_image_is_wanted_until_the_service_names_it():
    turns = Turns(UPDATE, running_image("member:1"), arguments={"image": "member:2"})
    turns.turn()
    assert turns.memory.planned.wanted == Wanted(image="member:2")
    turns.seen = running_image("member:2", 1, 2)
    assert turns.turn(at=1.0).note.endswith("slot 1 (n1) runs what it ran before")
    assert turns.memory.planned.wanted is None
    turns.seen = running_image("member:2")
    assert turns.turn(at=2.0).state is RunState.DONE


def test_an_update_in_flight_is_not_over_although_every_task_is_new():
    turns = Turns(UPDATE, running_image("member:2", update_state="updating"), arguments={"image": "member:2"})
    assert "a service update is updating" in turns.turn().note


def test_an_image_with_its_digest_is_the_image_that_was_asked_for():
    image = "member:2@sha256:" + "0" * 64
    for asked_for in ("member:2", image):
        assert Turns(UPDATE, running_image(image), arguments={"image": asked_for}).turn().state is RunState.DONE


def test_a_service_that_would_stop_several_members_at_once_is_not_updated():
    for update, told in (
        (UPDATE, {"image": "member:2"}),
        (OPTION, {"option": "max_connections", "value": "200"}),
    ):
        turns = Turns(update, running_image("member:1", one_at_a_time=False), arguments=told)
        assert "would stop several members at once" in turns.turn().note
        assert turns.memory.planned.wanted is None


def test_an_option_is_wanted_as_mariadbd_takes_it():
    turns = Turns(OPTION, running_image("member:1"), arguments={"option": "max_connections", "value": "200"})
    turns.turn()
    assert turns.memory.planned.wanted == Wanted(option="--max_connections=200")
    args = ("--max_connections=200",)
    turns.seen = replace(three_calm(), service=replace(turns.seen.service, args=args))
    assert turns.turn(at=1.0).state is RunState.DONE


RESTART = book(Stage("restart", "restart", until="settled"))
LIVES = {1: "life1", 2: "life2", 3: "life3"}


def lives_anew(*slots: int):
    return cluster(*(member(slot, incarnation=f"life{slot}{'b' if slot in slots else ''}") for slot in (1, 2, 3)))


def test_a_restart_is_asked_for_once_and_is_done_when_every_member_lives_anew():
    turns = Turns(RESTART)
    turns.turn()
    asked_for = turns.memory.restart
    assert (asked_for.members, asked_for.by, asked_for.alone) == (LIVES, "ann@desk", False)
    turns.seen = lives_anew(1)
    assert turns.turn(at=1.0).note == "1 of 3 members are restarted"
    assert turns.memory.restart == asked_for
    turns.seen = lives_anew(1, 2, 3)
    turns.memory = remember(turns.memory, turns.seen)
    assert turns.turn(at=2.0).state is RunState.DONE
    assert turns.memory.planned.wanted is None


def test_a_restart_that_somebody_else_asked_for_will_do():
    theirs = Restart(LIVES, "bob@desk", "now")
    turns = Turns(RESTART)
    turns.memory = replace(turns.memory, restart=theirs)
    turns.turn()
    assert turns.memory.restart == theirs
    turns.memory = replace(turns.memory, restart=None)
    assert turns.turn(at=1.0).state is RunState.DONE


def test_a_second_restart_is_another_one():
    turns = Turns(RESTART)
    turns.turn()
    turns.memory = replace(turns.memory, restart=None)
    turns.turn(at=1.0)
    turns.memory = request(turns.memory, asked(RESTART, id=ID.replace("d", "e")))
    turns.turn(at=2.0)
    assert turns.memory.restart is not None


def test_an_only_member_is_not_restarted_by_a_runbook():
    turns = Turns(RESTART, cluster(member(1)))
    assert "its restart is an outage" in turns.turn().note
    assert turns.memory.restart is None


@pytest.mark.parametrize(("by", "stays"), [("ann@desk", False), ("bob@desk", True)])
def test_a_restart_is_given_up_with_the_run_that_asked_for_it_and_only_with_that(by, stays):
    turns = Turns(RESTART)
    turns.turn()
    turns.memory = replace(turns.memory, restart=Restart(LIVES, by, "now"))
    assert (abort(turns.memory, "eve@desk").restart is not None) is stays
    turns.turn(at=RESTART.stages[0].within + 1)
    assert (turns.memory.restart is not None) is stays


MOVE = book(Stage("move", "move-writer", {"slot": "{slot}"}, until="writer-is"))


def led_by(*names: str):
    return cluster(*(member(slot, writer=name) for slot, name in enumerate(names, 1)))


def test_the_writer_is_moved_until_everybody_knows_it_and_the_one_before_is_drained():
    turns = Turns(MOVE, led_by("db.1", "db.1", "db.1"), arguments={"slot": "2"})
    turns.turn()
    move = turns.memory.move
    assert (move.slot, move.away_from, move.by) == (2, "life1", "ann@desk")
    turns.seen = led_by("db.2", "db.1", "db.2")
    assert turns.turn(at=1.0).note == "slot 2 is to be the writer"
    turns.seen = led_by("db.2", "db.2", "db.2")
    assert turns.turn(at=2.0).state is not RunState.DONE, "sessions at the one before have not ended"
    turns.memory = replace(turns.memory, move=None)
    assert turns.turn(at=3.0).state is RunState.DONE


@pytest.mark.parametrize(("by", "stays"), [("ann@desk", False), ("bob@desk", True)])
def test_a_move_is_given_up_with_the_run_that_asked_for_it_and_only_with_that(by, stays):
    turns = Turns(MOVE, led_by("db.1", "db.1", "db.1"), arguments={"slot": "2"})
    turns.turn()
    turns.memory = replace(turns.memory, move=replace(turns.memory.move, by=by))
    assert (abort(turns.memory, "eve@desk").move is not None) is stays


def test_where_another_move_is_under_way_the_newer_wish_counts():
    turns = Turns(MOVE, led_by("db.1", "db.1", "db.1"), arguments={"slot": "2"})
    turns.memory = replace(turns.memory, move=WriterMove(3, "life1", "bob@desk", "now"))
    turns.turn()
    assert turns.memory.move.slot == 2


def test_a_writer_that_is_there_already_is_done():
    turns = Turns(MOVE, led_by("db.2", "db.2", "db.2"), arguments={"slot": "2"})
    assert turns.turn().state is RunState.DONE
    assert turns.memory.planned.wanted is None


def test_a_slot_that_is_not_there_cannot_be_the_writer():
    assert "there is no slot 7; there are 1, 2, 3" in Turns(MOVE, arguments={"slot": "7"}).turn().note


# Statements


def sql(on: str = "2", expect: str = "") -> Runbook:
    return book(Stage("ask", "sql", {"member": on, "statement": "SELECT 1", "expect": expect}))


def test_a_statement_is_wanted_once_and_its_answer_ends_the_stage():
    turns = Turns(sql())
    assert turns.turn().note == "asks slot 2 (n2)"
    assert turns.memory.planned.wanted == Wanted(sql="SELECT 1", on=2)
    assert turns.turn(at=1.0).note == "asks slot 2"
    turns.memory = heard(turns.memory, "1", "")
    done = turns.turn(at=2.0)
    assert (done.state, done.note) == (RunState.DONE, "done: slot 2 answered 1")
    assert turns.memory.planned.wanted is None


def test_the_writer_is_asked_where_the_runbook_says_so():
    turns = Turns(sql("writer"), led_by("db.3", "db.3", "db.3"))
    turns.turn()
    assert turns.memory.planned.wanted.on == 3


def test_an_answer_that_is_not_expected_or_a_refusal_ends_the_run():
    for expect, said, fault, words in (
        ("2", "1", "", "slot 2 answered 1, expected is 2: SELECT 1"),
        ("", "", "no privilege", "slot 2 did not do it: no privilege"),
    ):
        turns = Turns(sql(expect=expect))
        turns.turn()
        turns.memory = heard(turns.memory, said, fault)
        ended = turns.turn(at=1.0)
        assert (ended.state, ended.note) == (RunState.FAILED, f"stage ask: {words}")


def test_an_answer_that_is_expected_will_do():
    turns = Turns(sql(expect="1"))
    turns.turn()
    turns.memory = heard(turns.memory, "1", "")
    assert turns.turn(at=1.0).state is RunState.DONE


@pytest.mark.parametrize(("on", "words"), [("7", "there is no slot 7"), ("everybody", "'everybody' is no member")])
def test_a_member_that_is_not_there_cannot_be_asked(on, words):
    assert words in Turns(sql(on)).turn().note


def test_a_cluster_without_a_writer_has_none_to_ask():
    assert "there is no writer" in Turns(sql("writer"), led_by("", "", "")).turn().note


def test_an_answer_that_nobody_waits_for_changes_nothing():
    memory = remembered()
    assert heard(memory, "1", "") is memory
    running = Turns(SCALE, arguments={"replicas": "5"})
    running.turn()
    assert heard(running.memory, "1", "") is running.memory


def test_serving_means_the_recorded_history():
    wait = book(Stage("wait", until="serving"))
    assert Turns(wait).turn().state is RunState.DONE
    assert Turns(wait, memory=remembered(C)).turn().state is RunState.RUNNING
    assert Turns(wait, memory=remembered("")).turn().state is RunState.RUNNING
    assert Turns(wait, memory=remembered(A)).turn().state is RunState.DONE
