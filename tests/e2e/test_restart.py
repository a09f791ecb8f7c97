"""Every member replaced, one after the other, on a real Swarm under load: by the operator, and by a user's own update."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from faults.cluster import MEMBERS, Cluster
from faults.planned import operator, under_load

from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cluster(sandbox: Sandbox) -> Iterator[Cluster]:
    cluster = Cluster(sandbox)
    try:
        cluster.deploy()
        yield cluster
    finally:
        cluster.deployment.remove()


def said(cluster: Cluster, pattern: str, since: float) -> list[re.Match[str]]:
    """What the operator said since then that matches."""
    texts = [one.text for one in cluster.logs.said(cluster.operator, since)]
    return [match for text in texts if (match := re.search(pattern, text))]


def wait_said(cluster: Cluster, pattern: str, since: float, within: float = 120) -> re.Match[str]:
    def heard() -> re.Match[str] | NotYet:
        found = said(cluster, pattern, since)
        return found[0] if found else NotYet(cluster.logs.last_word(cluster.operator))

    return wait_until(heard, within, f"the operator to say {pattern!r}", every=0.1)


def wait_updated(cluster: Cluster, *states: str, within: float = 180) -> None:
    def there() -> bool | NotYet:
        state = (cluster.deployment.service().get("UpdateStatus") or {}).get("State")
        return state in states or NotYet(state)

    wait_until(there, within, f"the update to be {' or '.join(states)}", every=0.5)


def update(cluster: Cluster, *change: str) -> None:
    cluster.deployment.docker("service", "update", "--detach", "--no-resolve-image", *change, cluster.database)


def replaced_since(cluster: Cluster, before: dict[str, object]) -> None:
    now = cluster.deployment.running()
    assert len(now) == MEMBERS
    assert not set(now) & set(before)


def test_every_member_is_restarted_the_writer_last_and_no_client_notices(cluster: Cluster) -> None:
    before, writer, since = cluster.deployment.running(), cluster.writer().slot, time.time()

    def restart() -> None:
        operator(cluster, "restart", cluster.database)
        assert "is under way already" in operator(cluster, "restart", cluster.database)
        told = operator(cluster, "restart", cluster.database, "--wait")
        assert f"every member of {cluster.database} lives anew" in told

    seen = under_load(cluster, 1, restart)
    assert (seen.failed, seen.unconnected) == (0, 0), seen.failures
    replaced_since(cluster, before)
    order = [int(match[1]) for match in said(cluster, r"^restart slot (\d)$", since)]
    assert sorted(order) == [1, 2, 3]
    assert order[-1] == writer, [one.text for one in cluster.logs.said(cluster.operator, since)]
    print(f"restarted in {time.time() - since:.0f} s, in the order {order}")


def test_a_restart_survives_the_operator(cluster: Cluster) -> None:
    before, since = cluster.deployment.running(), time.time()

    def restart() -> None:
        operator(cluster, "restart", cluster.database)
        wait_said(cluster, r"^restart slot \d$", since)
        cluster.deployment.kill_operator()
        wait_until(lambda: len(said(cluster, r"^restart slot \d$", since)) == MEMBERS or NotYet("on its way"), 120, "all three")

    seen = under_load(cluster, 2, restart)
    assert (seen.failed, seen.unconnected) == (0, 0), seen.failures
    replaced_since(cluster, before)


def test_a_user_s_update_replaces_every_member_and_no_client_notices(cluster: Cluster) -> None:
    before, since = cluster.deployment.running(), time.time()

    def roll_out() -> None:
        update(cluster, "--env-add", "ROUND=2")
        wait_said(cluster, r"has replaced 1 of 3 members", since)
        wait_updated(cluster, "completed")

    seen = under_load(cluster, 3, roll_out)
    assert (seen.failed, seen.unconnected) == (0, 0), seen.failures
    replaced_since(cluster, before)
    moves = {match[0] for match in said(cluster, r"slot \d \(\w+\)(, which)? (takes over|becomes it)", since)}
    print(f"updated in {time.time() - since:.0f} s; the writer's role: {sorted(moves)}")


def test_an_update_that_fails_stops_at_the_first_member_and_a_person_is_told_which(cluster: Cluster) -> None:
    before, since = set(cluster.deployment.running()), time.time()

    def fail() -> None:
        update(cluster, "--env-add", "GALERA_SST_METHOD=banana")
        plan = cluster.deployment.wait_page("rollout-stopped", 120)
        slot = re.search(r"slot (\d) .*, which it replaced, ", plan["why"])
        assert slot, plan
        assert len(before & set(cluster.deployment.running())) == MEMBERS - 1, "more than one member was taken"
        cluster.deployment.docker("service", "update", "--detach", "--rollback", cluster.database)
        wait_updated(cluster, "rollback_completed")

    seen = under_load(cluster, 4, fail)
    assert (seen.failed, seen.unconnected) == (0, 0), seen.failures
    print(f"back in {time.time() - since:.0f} s")
