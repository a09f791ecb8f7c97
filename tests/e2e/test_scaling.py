"""One label, 1 -> 3 -> 1, on a real Swarm: nobody else is touched, nobody gets traffic early, everybody leaves in order."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from deployment import Deployment, LogFollower, Task

from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e

OTHERS = 3
"""Two proxies and an operator."""
ON_THE_WAY_IN = {"starting", "waiting", "joining", "joined", "synced"}


@dataclass
class Cycle:
    """What one way up and down looked like from outside."""

    first: dict[str, Task]
    three: dict[str, Task]
    last: dict[str, Task]
    samples: list[dict[str, Any]]
    others_before: set[str]
    others_after: set[str]
    log: str
    kept: set[str]
    database_log: list[str]


@pytest.fixture(scope="module")
def cycle(galera: Deployment) -> Cycle:
    def others() -> set[str]:
        return set(galera.running("db_proxy")) | set(galera.running("db_operator"))

    # Swarm calls a task running once its health check has passed; the operator works before that.
    wait_until(lambda: len(others()) == OTHERS or NotYet(others()), 60, "the proxies and the operator to run")
    before, first = others(), galera.running()
    database_log = LogFollower(galera, galera.database)
    with galera.watched() as watch, contextlib.closing(database_log):
        galera.label(replicas="3")
        galera.wait_settled(3)
        three = galera.running()
        galera.label(replicas="1")
        kept = {place["node"] for place in galera.wait_settled(1)["kept"]}
    told = (watch.samples, before, others(), galera.operator_log(), kept, database_log.lines)
    return Cycle(first, three, galera.running(), *told)


def test_scaling_restarts_no_task_that_was_there(cycle: Cycle) -> None:
    assert len(cycle.first) == 1
    assert set(cycle.first) < set(cycle.three)
    assert cycle.last == cycle.first
    assert cycle.others_before == cycle.others_after


def test_the_three_members_are_on_three_nodes(cycle: Cycle) -> None:
    assert len({task.node for task in cycle.three.values()}) == 3


def test_joiners_come_one_at_a_time(cycle: Cycle) -> None:
    sizes = [sample["replicas"] for sample in cycle.samples]
    grown = [size for before, size in itertools.pairwise(sizes) if size > before]
    assert grown == [2, 3]
    for sample in cycle.samples:
        # Not yet admitted: a donor that has done its part is Joined, too, for a moment on its way back to Synced.
        entering = [m["slot"] for m in sample["members"] if m["phase"] in ON_THE_WAY_IN and not m["admitted"]]
        assert len(entering) <= 1, sample


def test_a_member_is_in_dns_only_after_the_operator_confirmed_it(cycle: Cycle) -> None:
    """A sample reads the members first and DNS after, so an address may be confirmed in between: the next sample tells."""
    confirmed = {line.split("done: admit slot ")[1].split()[0] for line in cycle.log.splitlines() if "done: admit slot " in line}
    assert confirmed == {"1", "2", "3"}
    seen_outside = set()
    for sample, following in zip(cycle.samples, cycle.samples[1:], strict=False):
        admitted = {m["address"] for s in (sample, following) for m in s["members"] if m["admitted"]}
        leaving = {m["address"] for m in sample["members"]} - {m["address"] for m in following["members"]}
        known = {m["address"] for m in sample["members"]}
        assert set(sample["dns"]) & known <= admitted | leaving, sample
        seen_outside |= known - set(sample["dns"])
    assert len(seen_outside) >= 2, "no sample shows a joiner outside of DNS: the watch was too coarse to prove anything"


def test_swarm_took_the_predicted_tasks(cycle: Cycle) -> None:
    assert "Swarm will take slot 3" in cycle.log
    assert "Swarm will take slot 2" in cycle.log
    assert "wrong-victim" not in cycle.log
    assert {task.slot for task in cycle.last.values()} == {1}


def test_members_leave_cleanly_and_are_never_killed(cycle: Cycle) -> None:
    """Swarm forgets the tasks of a removed slot at once, so the agents' own words count: each ended mariadbd and itself."""
    for slot in (2, 3):
        said = [line for line in cycle.database_log if f"db_dbcluster.{slot} agent: " in line]
        assert any("mariadbd ended with 0" in line and "exit 143" in line for line in said), said[-5:]
        assert any("0 sessions were cut inside a transaction" in line for line in said), said[-5:]
        assert not any("killing it" in line for line in said), said[-5:]


def test_survivors_never_lost_the_primary_component(cycle: Cycle) -> None:
    for sample in cycle.samples:
        for member in sample["members"]:
            if member["admitted"] and member["cluster_status"] is not None:
                assert member["cluster_status"] == "Primary", sample


def test_the_nodes_whose_members_left_are_listed_with_their_volumes(cycle: Cycle) -> None:
    (survivor,) = cycle.last.values()
    assert cycle.kept == {task.node for task in cycle.three.values()} - {survivor.node}


def test_scale_down_removed_one_member_at_a_time(cycle: Cycle) -> None:
    sizes = [sample["replicas"] for sample in cycle.samples]
    shrunk = [size for before, size in itertools.pairwise(sizes) if size < before]
    assert shrunk == [2, 1]


def test_the_scale_command_sets_the_label_tells_the_way_and_waits_until_it_is_so(galera: Deployment) -> None:
    galera.wait_settled(1)
    up = galera.execute(galera.operator, "galera-operator", "scale", galera.database, "2", "--wait", timeout=300)
    assert "db_dbcluster: galera.replicas=2" in up
    assert "slot 2" in up, "it tells the way"
    assert "db_dbcluster has 2 members, after" in up
    assert galera.settled(2)
    plan = galera.execute(galera.operator, "galera-operator", "plan", galera.database)
    assert plan.strip() == "hold: as wished: all 2 members are Synced and admitted"
    assert "has 1 member," in galera.execute(
        galera.operator, "galera-operator", "scale", galera.database, "1", "--wait", timeout=300
    )
