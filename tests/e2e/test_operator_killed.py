"""The operator may be killed at any moment of a scale-up or a scale-down; the next one ends in the same final state."""

from __future__ import annotations

import pytest
from deployment import Deployment, LogFollower

from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import wait_until

pytestmark = pytest.mark.e2e

UP = (
    r"act: 3 members are wished and all 1",
    r"slot 2.* (was not seen|is starting|is waiting)",
    r"slot 2.* is joining",
    r"act: slot 2 .* is confirmed",
    r"act: 3 members are wished and all 2",
    r"slot 3.* is joining",
)
DOWN = (
    r"act: .*Swarm will take slot 3 .*, so it is drained first",
    r"slot 3 .* is draining",
    r"act: .*slot 3 .* is drained and goes next",
    r"slot \d is leaving",
)


def kill_at_each(deployment: Deployment, follower: LogFollower, moments: tuple[str, ...]) -> None:
    for moment in moments:
        since = getattr(follower, "killed_at", 0)
        follower.wait_for(moment, since)
        wait_until(lambda: deployment.kill_operator() is None, 20, "the operator to kill", ignoring=(CommandFailed, LookupError))
        follower.killed_at = len(follower.lines)


def test_ten_kills_on_the_way_up_and_down_change_nothing_about_the_end(galera: Deployment) -> None:
    first = galera.running()
    galera.sql("CREATE DATABASE kept; CREATE TABLE kept.rows_ (id INT PRIMARY KEY); INSERT INTO kept.rows_ VALUES (1), (2), (3)")
    follower = LogFollower(galera)
    try:
        galera.label(replicas="3", drain_timeout="20s")
        kill_at_each(galera, follower, UP)
        galera.wait_settled(3)
        assert [galera.sql("SELECT COUNT(*) FROM kept.rows_", slot=slot).strip() for slot in (1, 2, 3)] == ["3", "3", "3"]
        assert set(first) < set(galera.running())
        galera.label(replicas="1")
        kill_at_each(galera, follower, DOWN)
        galera.wait_settled(1)
    finally:
        follower.close()
    assert galera.running() == first
    assert galera.sql("SELECT COUNT(*) FROM kept.rows_").strip() == "3"
    assert "PAGE" not in "\n".join(follower.lines)
