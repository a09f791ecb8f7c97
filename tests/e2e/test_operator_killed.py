"""The operator may be killed at any moment of a scale-up or a scale-down; the next one ends in the same final state."""

from __future__ import annotations

import pytest
from deployment import Deployment, LogFollower

from galera_operator.sandbox.errors import CommandFailed
from galera_operator.sandbox.waiting import wait_until

pytestmark = pytest.mark.e2e

CYCLES = (
    # One moment of each change of size, 1 -> 2 -> 3 -> 2 -> 1: a joiner is there almost as soon as a new operator is.
    (
        (r"act: 3 members are wished, 1 is there in calm service", r"slot 3.* is joining"),
        (r"act: .*Swarm will take slot 3 .*, so it is drained first", r"done: set replicas 2 -> 1"),
    ),
    (
        (r"the next one waits: ", r"act: slot 3 .* is confirmed"),
        (r"slot 3 .* is draining", r"act: .*slot 2 .* is drained and goes next"),
    ),
    (
        (r"act: slot 2 .* is confirmed", r"done: set replicas 2 -> 3"),
        (r"act: .*slot 3 .* is drained and goes next", r"slot 2 is leaving"),
    ),
)


def kill_at_each(deployment: Deployment, follower: LogFollower, moments: tuple[str, ...]) -> None:
    """Kill the operator the moment it says each of these, after its successor has taken over."""
    for moment in moments:
        follower.wait_for(moment, follower.looked)
        wait_until(lambda: deployment.kill_operator() or True, 20, "the operator to kill", ignoring=(CommandFailed, LookupError))
        follower.looked = len(follower.lines)


@pytest.mark.parametrize("moments", CYCLES, ids=("first", "second", "third"))
def test_an_operator_killed_at_any_moment_is_continued_by_the_next_to_the_same_end(
    galera: Deployment, moments: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    galera.label(replicas="1")
    galera.wait_settled(1)
    galera.sql("CREATE DATABASE IF NOT EXISTS kept; CREATE TABLE IF NOT EXISTS kept.words (word VARCHAR(200) PRIMARY KEY)")
    galera.sql(f"INSERT INTO kept.words VALUES ('{moments[0][0]}')")
    words = galera.sql("SELECT word FROM kept.words ORDER BY word")
    up, down = moments
    first = galera.running()
    follower = LogFollower(galera, galera.operator)
    try:
        galera.label(replicas="3")
        kill_at_each(galera, follower, up)
        galera.wait_settled(3)
        assert [galera.sql("SELECT word FROM kept.words ORDER BY word", slot=slot) for slot in (1, 2, 3)] == [words] * 3
        assert set(first) < set(galera.running())
        galera.label(replicas="1")
        kill_at_each(galera, follower, down)
        galera.wait_settled(1)
    finally:
        follower.close()
    assert galera.running() == first
    assert galera.sql("SELECT word FROM kept.words ORDER BY word") == words
    assert "PAGE" not in "\n".join(follower.lines)
