"""``galera-operator writer`` and ``restart``: what a person is told, and what is recorded for the operator."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from builders import member, non_primary, remembered, unseen
from eyes import NAME, Eyes, eyes, run_on

from galera_operator.cli.consent_commands import NotAllowed
from galera_operator.cli.member_commands import ask_for_restart, ask_for_writer, cancel_restart, restart_json, who_writes
from galera_operator.core.agent_api import ANY_WRITER
from galera_operator.core.remembered import Restart, WriterMove

THREE = (member(1), member(2), member(3))
BOTH_LIVES = Restart({1: "life1", 2: "life2"}, "ann@desk", "2026-01-02T03:04:05+00:00")


@pytest.fixture
def run(monkeypatch):
    return lambda lookout, *arguments: run_on(monkeypatch, lookout, *arguments)


def asked_writer(lookout: Eyes, slot: int) -> str:
    return ask_for_writer(lookout, lookout.view(NAME), slot)


def asked_restart(lookout: Eyes, *, alone: bool = False) -> str:
    return ask_for_restart(lookout, lookout.view(NAME), alone=alone)


# The writer


def test_the_writer_is_told_with_how_many_say_so():
    assert who_writes(eyes(*THREE).view(NAME)) == "slot 1 (n1) is the writer, as 3 of 3 members say"
    assert "as 2 of 3 members say" in who_writes(eyes(member(1), member(2), unseen(3)).view(NAME))


def test_without_one_that_is_told():
    assert who_writes(eyes(member(1, writer="")).view(NAME)) == "no member is known as the writer"


def test_where_every_member_is_one_that_is_told():
    every = {"writer": ANY_WRITER, "api_level": 1}
    assert "every member" in who_writes(eyes(member(1, **every), member(2, **every)).view(NAME))
    assert "every member" not in who_writes(eyes(member(1, **every), member(2, writer="")).view(NAME))


def test_a_program_is_told_who_the_writer_is_and_who_was_asked_for(run):
    lookout = eyes(member(1), member(2), unseen(3))
    told = json.loads(run(lookout, "writer", NAME, "--json").stdout)
    assert told == {"service": NAME, "writer": 1, "every_member": False, "agree": 2, "members": 3, "wished": None}
    told = json.loads(run(lookout, "writer", NAME, "--to", "2", "--json").stdout)
    assert (told["writer"], told["wished"]["slot"]) == (1, 2)
    every = {"writer": ANY_WRITER, "api_level": 1}
    told = json.loads(run(eyes(member(1, **every), member(2, **every)), "writer", NAME, "--json").stdout)
    assert (told["writer"], told["every_member"], told["agree"]) == (None, True, 2)


def test_a_wish_is_recorded_with_the_one_before_who_and_when():
    lookout = eyes(*THREE)
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert "recorded: slot 2 is to become the writer" in asked_writer(lookout, 2)
    move = lookout.memory.move
    assert move == WriterMove(2, "life1", move.by, move.at)
    assert "@" in move.by
    assert before <= datetime.fromisoformat(move.at) <= datetime.now(UTC)
    assert f"{move.by} asked on {move.at} for slot 2" in who_writes(lookout.view(NAME))


def test_a_second_wish_takes_the_place_of_the_first():
    lookout = eyes(*THREE)
    asked_writer(lookout, 2)
    asked_writer(lookout, 3)
    assert lookout.memory.move.slot == 3


def test_a_wish_back_to_the_present_writer_takes_an_earlier_one_back():
    lookout = eyes(*THREE)
    asked_writer(lookout, 2)
    asked_writer(lookout, 1)
    assert lookout.view(NAME).memory.move is None


def test_a_wish_for_the_present_writer_changes_nothing():
    lookout = eyes(*THREE)
    assert asked_writer(lookout, 1) == "slot 1 (n1) is the writer already"
    assert lookout.memory == remembered()


def test_a_wish_that_cannot_come_true_is_refused_and_not_recorded(run):
    lookout = eyes(*THREE)
    done = run(lookout, "writer", NAME, "--to", "7")
    assert done.exit_code == 2
    assert "there is no slot 7; there are 1, 2, 3" in done.output
    assert lookout.memory == remembered()


def test_the_command_shows_the_writer_or_records_the_wish(run):
    lookout = eyes(*THREE)
    assert "slot 1 (n1) is the writer" in run(lookout, "writer", NAME).output
    assert lookout.memory == remembered()
    assert run(lookout, "writer", NAME, "--to", "2").exit_code == 0
    assert lookout.memory.move.slot == 2


def test_one_that_waits_for_it_hears_what_the_operator_says_and_that_it_was_not_reached(run):
    done = run(eyes(*THREE), "writer", NAME, "--to", "2", "--wait", "--timeout", "0.01")
    assert done.exit_code == 1
    assert "slot 2 (n2) becomes the writer in place of slot 1 (n1)" in " ".join(done.output.split())
    assert "not reached within 0 s" in done.output


def test_the_wait_ends_when_it_is_so(run):
    seats = [member(1, writer="db.2", incarnation="new"), member(2, writer="db.2")]
    lookout = eyes(*seats, memory=remembered(move=WriterMove(2, "life1", "ann@desk", "now")))
    assert run(lookout, "writer", NAME, "--to", "2", "--wait").exit_code == 0


# The restart


def test_a_restart_is_recorded_with_the_lives_that_are_to_end():
    lookout = eyes(*THREE)
    assert asked_restart(lookout) == "recorded: 3 members of shop_db to be restarted, one at a time"
    wish = lookout.memory.restart
    assert wish == Restart({1: "life1", 2: "life2", 3: "life3"}, wish.by, wish.at)
    assert "@" in wish.by


def test_asked_twice_it_is_one_restart():
    lookout = eyes(member(1), member(2, incarnation="another"), memory=remembered(restart=BOTH_LIVES))
    assert asked_restart(lookout) == (
        "a restart is under way already, asked for by ann@desk on 2026-01-02T03:04:05+00:00: 1 of 2 members done"
    )
    assert lookout.memory.restart == BOTH_LIVES


def test_of_two_who_ask_at_the_same_moment_the_first_counts():
    lookout = eyes(member(1), member(2))
    view = lookout.view(NAME)
    lookout.store.edit(NAME, lambda memory: replace(memory, restart=BOTH_LIVES))
    ask_for_restart(lookout, view, alone=False)
    assert lookout.memory.restart == BOTH_LIVES


def test_a_restart_that_is_done_is_not_in_the_way_of_the_next():
    lookout = eyes(member(1, incarnation="x"), member(2, incarnation="y"), memory=remembered(restart=BOTH_LIVES))
    asked_restart(lookout)
    assert lookout.memory.restart.members == {1: "x", 2: "y"}


def test_an_only_member_is_restarted_only_where_the_outage_is_asked_for(run):
    lookout = eyes(member(1))
    done = run(lookout, "restart", NAME)
    assert done.exit_code == 2
    assert "slot 1 (n1) is the only member, and its restart is an outage" in " ".join(done.output.split())
    assert lookout.memory == remembered()
    assert run(lookout, "restart", NAME, "--allow-outage").exit_code == 0
    assert lookout.memory.restart.alone


@pytest.mark.parametrize("seats", [[non_primary(1)], [member(1), unseen(2)]], ids=["no Primary component", "unseen"])
def test_what_may_not_be_restarted_is_not_recorded(seats):
    lookout = eyes(*seats)
    with pytest.raises(NotAllowed):
        asked_restart(lookout)
    assert lookout.memory.restart is None


def test_a_restart_can_be_given_up():
    lookout = eyes(member(1), member(2, incarnation="another"), memory=remembered(restart=BOTH_LIVES))
    assert cancel_restart(lookout, lookout.view(NAME)) == (
        "given up: the restart that ann@desk asked for; 1 of 2 members were done"
    )
    assert lookout.memory.restart is None
    with pytest.raises(NotAllowed, match="no restart of shop_db is under way"):
        cancel_restart(lookout, lookout.view(NAME))


def test_the_command_cancels(run):
    lookout = eyes(member(1), member(2), memory=remembered(restart=BOTH_LIVES))
    assert run(lookout, "restart", NAME, "--cancel").exit_code == 0
    assert lookout.memory.restart is None
    assert run(lookout, "restart", NAME, "--cancel").exit_code == 2


def test_a_program_reads_what_was_recorded(run):
    lookout = eyes(member(1), member(2, incarnation="another"), memory=remembered(restart=BOTH_LIVES))
    told = json.loads(run(lookout, "restart", NAME, "--json").output)
    assert told["service"] == NAME
    assert told["restart"] == {"by": "ann@desk", "at": BOTH_LIVES.at, "slots": [1, 2], "done": 1, "of": 2}
    assert restart_json(eyes(member(1)).view(NAME)) is None


def test_the_wait_for_a_restart_ends_when_it_is_done(run):
    done = run(eyes(member(1), member(2)), "restart", NAME, "--wait", "--timeout", "0.01")
    assert done.exit_code == 1
    assert "2 members of shop_db to be restarted" in done.output
    assert "slot 2 (n2) is next, so it is drained first" in " ".join(done.output.split())


def test_where_it_stops_the_wait_ends_with_the_page(run):
    seats = [member(1, view_age=200.0, cluster_size=1), unseen(2)]
    done = run(eyes(*seats, memory=remembered(restart=BOTH_LIVES)), "restart", NAME, "--wait")
    assert done.exit_code == 1
    assert "page restart-stopped" in done.output
