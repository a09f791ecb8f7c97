"""A checker that cannot fail checks nothing: with a safety condition taken out, the simulator finds what it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from galera_operator.agent import routing
from galera_operator.core import consent, decide, election, quorum, restart, verdict
from galera_operator.core.agent_api import Grant
from galera_operator.core.plan import Act, Resize
from galera_operator.runtime import tick
from galera_operator.sim import agent_rules
from galera_operator.sim.actions import parse_script
from galera_operator.sim.agent_rules import obey
from galera_operator.sim.campaign import run
from galera_operator.sim.history import History
from galera_operator.sim.world import World

AT_MOST = 3000
"""Histories within which the harm has to show."""


def finds(*words: str, tastes: tuple[str, ...] = (), seed: int = 1) -> bool:
    """Tell whether some history breaks in these words."""
    for first in range(seed, seed + AT_MOST, 25):
        for failure in run(25, first, 60, stop_at=25, tastes=tastes).failures:
            if any(word in what for what in failure.broken for word in words):
                return True
    return False


@pytest.fixture
def _no_second_opinion(monkeypatch):
    """The veto would catch most of it: that is what it is for, and it would show as a broken invariant as well."""
    monkeypatch.setattr(verdict, "broken_invariants", lambda plan, seen, memory: ())


def test_nothing_is_broken_as_long_as_nothing_is_taken_out():
    assert run(100, 1, 60).failures == []


@pytest.mark.usefixtures("_no_second_opinion")
def test_an_election_that_takes_the_lowest_slot_loses_acknowledged_writes(monkeypatch):
    monkeypatch.setattr(election, "max", lambda seats, key: min(seats, key=lambda seat: seat.slot), raising=False)
    assert finds("without acknowledged write-sets")


@pytest.mark.usefixtures("_no_second_opinion")
def test_a_restart_that_waits_for_nobody_takes_a_member_beside_another_that_is_not_back(monkeypatch):
    monkeypatch.setattr(restart, "obstacle", lambda _seen: None)
    assert finds("an operator restarts", tastes=("restart", "kill"))


@pytest.mark.usefixtures("_no_second_opinion")
def test_an_election_that_waits_for_nobody_loses_acknowledged_writes(monkeypatch):
    monkeypatch.setattr(election, "wait_for_copies", lambda *_args, **_named: None)
    assert finds("without acknowledged write-sets", "beside one that is alive")


@pytest.mark.usefixtures("_no_second_opinion")
def test_an_election_that_ignores_the_ledger_loses_acknowledged_writes(monkeypatch):
    elect = election.elect
    blind = lambda seen, memory, *rest, **named: elect(seen, replace(memory, ledger={}), *rest, **named)  # noqa: E731
    monkeypatch.setattr(decide, "elect", blind)
    assert finds("without acknowledged write-sets", tastes=("deploy", "kill-all", "node", "size"))


@pytest.mark.usefixtures("_no_second_opinion")
def test_pc_bootstrap_without_everybody_accounted_for_makes_a_second_primary(monkeypatch):
    monkeypatch.setattr(quorum, "wait_for_copies", lambda *_args, **_named: None)
    assert finds("without acknowledged write-sets", "beside one that is alive", tastes=("part", "kill"))


def test_bootstraps_that_keep_the_epoch_are_two_in_one_epoch(monkeypatch):
    monkeypatch.setattr(tick, "forms_primary", lambda _plan: False)
    assert finds("two bootstraps were obeyed in epoch", tastes=("kill-all", "stop-all"))


LATE_GRANT = """
begin with seed {seed}, 3 members serving on 3 nodes, 3 wished
pass 1 s
stop all containers cleanly at the same time
pass 4 s
pass 4 s
pass 4 s
operator B starts
operator A freezes before its call number {call}
pass 4 s
{waits}
part {node} from the other nodes, not from the managers
kill the container of slot 1
pass 4 s
pass 4 s
pass 4 s
pass 2 s
operator A thaws
pass 1 s
pass 1 s
"""


def test_a_grant_that_arrives_in_the_members_next_life_is_harmless_but_for_an_agent_that_obeys_it(monkeypatch):
    """An operator freezes with the grant in its hand; another one brings the cluster up; the member dies and waits, cut off."""
    waits = "\n".join(["pass 4 s"] * 12)
    # The grant is one of these calls; in some of these worlds slot 1 is on that node, and its next life has the same address.
    scripts = [
        parse_script(LATE_GRANT.format(seed=seed, node=node, call=call, waits=waits))
        for seed in range(1, 13)
        for node in ("n1", "n2", "n3")
        for call in (8, 9)
    ]
    assert [History(script).play().broken for script in scripts] == [[]] * len(scripts)

    def obey_all(container, command, now):
        changes = {"epoch": max(command.epoch, container.epoch), "incarnation": container.incarnation}
        if isinstance(command, Grant) and not command.peers:
            changes["position"] = container.found.position
        obey(container, replace(command, **changes), now)

    monkeypatch.setattr("galera_operator.sim.wires.obey", obey_all)
    monkeypatch.setattr(agent_rules, "_nobody_is_primary", lambda *_args: None)
    broken = [what for script in scripts for what in History(script).play().broken]
    assert any("beside one that is alive" in what for what in broken)


@pytest.mark.usefixtures("_no_second_opinion")
def test_a_size_that_changes_by_two_is_seen(monkeypatch):
    def hasty(seen, memory):
        plan = decide.decide(seen, memory)
        if isinstance(plan, Act) and isinstance(plan.steps[0], Resize) and plan.steps[0].before > plan.steps[0].after > 1:
            return replace(plan, steps=(replace(plan.steps[0], after=plan.steps[0].before - 2),))
        return plan

    monkeypatch.setattr(verdict, "decide", hasty)
    assert finds("more than one member at once", tastes=("size",))


@pytest.mark.usefixtures("_no_second_opinion")
def test_a_size_that_changes_during_a_transfer_is_seen(monkeypatch):
    monkeypatch.setattr(decide, "obstacle", lambda *_args, **_named: None)
    assert finds("state transfer in flight", tastes=("size", "kill", "empty"))


@pytest.mark.usefixtures("_no_second_opinion")
def test_a_member_without_its_position_that_gets_traffic_is_seen(monkeypatch):
    monkeypatch.setattr(decide, "admission_obstacle", lambda *_args: None)
    monkeypatch.setattr(decide, "data_in_doubt", lambda *_args: None)
    monkeypatch.setattr(agent_rules, "ZERO_UUID", "no such UUID")
    monkeypatch.setattr("galera_operator.agent.routing.ZERO_UUID", "no such UUID")
    assert finds("state UUID is zeros", "rows are not", tastes=("loose", "kill"))


def test_a_thawed_member_that_trusts_itself_is_seen(monkeypatch):
    trouble = routing._trouble
    trusting = lambda own, age, _others: trouble(replace(own, is_doubtful=False), age, [])  # noqa: E731
    monkeypatch.setattr(routing, "_trouble", trusting)
    assert finds("left behind", tastes=("freeze", "freeze-database"))


def test_an_invitation_that_replaces_any_copy_erases_what_was_acknowledged(monkeypatch):
    monkeypatch.setattr(decide, "may_replace", lambda *_args: True)
    monkeypatch.setattr(decide, "unwelcome_copy", lambda *_args: None)
    monkeypatch.setattr(election, "wait_for_copies", lambda *_args, **_named: None)
    monkeypatch.setattr(verdict, "broken_invariants", lambda plan, seen, memory: ())
    assert finds("full transfer erases", "without acknowledged")


@pytest.mark.usefixtures("_no_second_opinion")
def test_a_consent_that_need_not_name_the_losses_is_seen(monkeypatch):
    monkeypatch.setattr(consent, "losses", lambda *_args: ())
    monkeypatch.setattr("galera_operator.sim.person.objection", lambda *_args: None)
    assert finds("by consent without", "acknowledged", tastes=("node", "person", "size", "deploy"))


def test_a_service_that_is_not_ours_is_watched():
    world = World(1, 3)
    world.swarm.other.replicas = 3
    world.swarm.foreign_labels["team"] = "operators"
    assert world.truth.check() == ["another service was touched", "labels of the user were touched"]
