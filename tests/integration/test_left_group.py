"""A member that cannot apply a write-set leaves its group by itself; the operator sees it, and a restart brings it back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from galera_processes import DATABASE, ROOT_PASSWORD, TOKEN, Cluster, Member, wait_for
from operator_turns import Operator
from recovery_steps import in_step, insert, table, values

from galera_operator.adapters.members import RealMembers
from galera_operator.core.agent_api import Stage, Wsrep
from galera_operator.core.plan import Act, Plan, StopMember
from galera_operator.core.position import Directory
from galera_operator.ports import Refused, Unreachable

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        yield made
    finally:
        made.destroy()


def write_alone(member: Member, key: int) -> None:
    """A row that the others do not get: what a person may do to one member by mistake."""
    with member.connect("root", ROOT_PASSWORD, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION wsrep_on=OFF")
        cursor.execute(f"INSERT INTO {DATABASE}.t VALUES ({key}, 0)")


def as_seen_by_the_operator(members: RealMembers, member: Member) -> Wsrep | None:
    try:
        return members.wsrep(member.address, TOKEN, ())
    except (Unreachable, Refused):
        return None


def test_a_member_with_a_row_of_its_own_leaves_restarts_and_has_the_others_rows(cluster: Cluster) -> None:
    one, two, three = cluster.bootstrap(1), cluster.join(2), cluster.join(3)
    table(one)
    insert(one, 1)
    in_step(one, two, three)
    write_alone(three, 1000)
    one.query(f"INSERT INTO {DATABASE}.t VALUES (1000, 7)")

    members = RealMembers()

    def has_left() -> Wsrep | None:
        now = as_seen_by_the_operator(members, three)
        return now if now and not now.connected else None

    def is_seen_alike() -> Wsrep | None:
        """The server gives up its position some moments after it has left: compare what both see of the same state."""
        status = three.status()
        return status.wsrep if status.stage is Stage.RUNNING and status.wsrep == has_left() else None

    wait_for("slot 3 to have left its group, and to be seen", has_left, 20, lambda: three.log[-3000:])
    left = wait_for("its agent to see the same", is_seen_alike, 5)
    members.close()
    assert (left.is_primary, left.ready, left.desync_count) == (False, False, 0)
    assert three.code("/ready") == 503

    def stops_it(plan: Plan) -> bool:
        return isinstance(plan, Act) and any(isinstance(step, StopMember) and step.slot == 3 for step in plan.steps)

    with Operator([one, two, three]) as operator:
        operator.turns_until("the operator to stop slot 3", stops_it, 30)
        assert three.wait_exit() == 143
        acts = [plan for plan in operator.plans if isinstance(plan, Act)]
        assert {step.slot for plan in acts for step in plan.steps if isinstance(step, StopMember)} == {3}, acts
        three.start()  # as Swarm does
        assert three.status().directory is not Directory.USABLE, "Galera has given up its position"
        operator.turns_until("slot 3 to be in service again", lambda _: three.code("/ready") == 200, 90)
    for member in (one, two, three):
        assert values(member) == [1, 7]
