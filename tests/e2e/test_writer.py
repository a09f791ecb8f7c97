"""The writer's role on a real Swarm: moved under load without a failed transaction, and given to every member by a label."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator

import pytest
from faults.cluster import Cluster
from faults.containers import send
from faults.planned import operator, under_load, writers

from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e

_CLIENTS = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'demo'"


@pytest.fixture(scope="module")
def cluster(sandbox: Sandbox) -> Iterator[Cluster]:
    cluster = Cluster(sandbox)
    try:
        cluster.deploy()
        yield cluster
    finally:
        cluster.deployment.remove()


def wait_writers(cluster: Cluster, slots: list[int], within: float = 30) -> None:
    def there() -> bool | NotYet:
        now = writers(cluster)
        return now == slots or NotYet(now)

    wait_until(there, within, f"the write port to lead to {slots}", every=0.2, ignoring=(OSError, http.client.HTTPException))


def test_the_role_moves_where_a_person_asks_for_it_and_no_client_notices(cluster: Cluster) -> None:
    before = cluster.writer().slot
    target = next(one.slot for one in cluster.readers())

    def move() -> None:
        told = operator(cluster, "writer", cluster.database, "--to", str(target), "--wait")
        assert f"slot {target} (node" in told
        assert cluster.writer().slot == target
        assert int(cluster.sql(target, _CLIENTS)) > 0
        assert int(cluster.sql(before, _CLIENTS)) == 0, "sessions of the pool stayed where the writer was"

    seen = under_load(cluster, 1, move)
    assert (seen.failed, seen.unconnected) == (0, 0), seen.failures
    wait_writers(cluster, [target])


def test_with_the_label_every_member_takes_writes_also_one_that_comes_while_the_operator_is_away(cluster: Cluster) -> None:
    cluster.deployment.label(writer="any")
    wait_writers(cluster, [1, 2, 3])
    assert "every member" in operator(cluster, "writer", cluster.database)
    with cluster.without_operator():
        send(cluster.member(3).pids, signal.SIGKILL)
        wait_writers(cluster, [1, 2])
        wait_writers(cluster, [1, 2, 3], within=120)
    cluster.deployment.unlabel("writer")
    wait_until(lambda: len(writers(cluster)) == 1 or NotYet(writers(cluster)), 60, "one writer", every=0.2)
    cluster.wait_whole(60)
