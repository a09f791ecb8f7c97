"""A member whose appliers are held up: what reads there see, whom flow control makes wait, and that both are told.

`LOCK TABLES ... READ` on a member holds up the applier of that table there; the group goes on until that member's receive queue
is so long that it asks the others to pause.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from galera_processes import DATABASE, ROOT_PASSWORD, TOKEN, Cluster, Member, wait_for
from operator_turns import Operator

from galera_operator.adapters.kept import HangUps
from galera_operator.adapters.sql import SqlPoll
from galera_operator.core.agent_api import Admit, Stage
from galera_operator.core.flow import HIGH
from galera_operator.core.plan import Act, Hold, Plan, Resize
from galera_operator.core.serving import FlowControl, Terms
from galera_operator.core.spec import Wish

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The writer db.1 and the reader db.2, with a table."""
    made = Cluster()
    one, _ = made.bootstrap(), made.join(2)
    one.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)")
    wait_for("db.1 is the writer", lambda: one.code("/writer") == 200)
    yield made
    made.destroy()


@pytest.fixture
def pair(cluster: Cluster) -> tuple[Member, Member]:
    return cluster.members[1], cluster.members[2]


@contextmanager
def held_up(member: Member) -> Iterator[Any]:
    """Nothing is applied to the table while the block runs. Yields the session that holds it up."""
    session = member.connect("root", ROOT_PASSWORD, database=DATABASE, autocommit=True)
    run(session, "LOCK TABLES t READ")
    try:
        yield session
    finally:
        run(session, "UNLOCK TABLES")
        session.close()


def run(session: Any, sql: str) -> list[tuple[Any, ...]]:
    with session.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def count(session: Any) -> int:
    return int(run(session, "SELECT COUNT(*) FROM t")[0][0])


def reading(member: Member) -> Any:
    return member.connect(database=DATABASE, autocommit=True)


def read(*members: Member, causally: bool) -> None:
    """What the operator does about the label, and that every member has done it."""
    for member in members:
        sent = member.send(Admit(1, member.status().incarnation, 20.0, allow_donor=False, causal_reads=causally))
        assert sent[0] == 200
    wanted = "1" if causally else "0"
    for member in members:
        wait_for("new sessions read so", lambda member=member: str(member.query("SELECT @@wsrep_sync_wait")[0][0]) == wanted, 5)
        member.wait_code("/ready", 200, 5)


def test_a_fast_read_may_not_see_a_commit_and_a_causal_one_waits_for_it(pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=False)
    fast = reading(two)
    read(one, two, causally=True)
    causal = reading(two)
    before = count(causal)
    found: list[int] = []
    with held_up(two):
        one.query(f"INSERT INTO {DATABASE}.t (v) VALUES (1)")
        assert count(fast) == before, "the session was opened before, and reads what its member has applied"
        waiting = threading.Thread(target=lambda: found.append(count(causal)))
        waiting.start()
        wait_for("the causal read waits", lambda: _is_waiting(two), 5)
        assert found == []
    waiting.join(10)
    assert found == [before + 1]


def _is_waiting(member: Member) -> bool:
    """Whether a read has been under way for a second: it takes a thousandth otherwise."""
    long = "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT COUNT(*) FROM t%' AND TIME_MS > 1000"
    return bool(member.query(f"SET STATEMENT wsrep_sync_wait=0 FOR {long}", "root", ROOT_PASSWORD))


def test_with_causal_reads_every_read_on_every_member_sees_the_commit_before_it(pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=True)
    writer, missed = reading(one), 0
    with busy(one, 4):
        for number in range(200):
            run(writer, f"INSERT INTO t (v) VALUES ({10_000 + number})")
            session = reading(two)
            missed += run(session, f"SELECT COUNT(*) FROM t WHERE v = {10_000 + number}") != [(1,)]
            session.close()
    assert missed == 0


def test_the_operator_is_answered_by_a_member_that_lags_behind_causal_reads(pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=True)
    poll = SqlPoll(HangUps())
    with held_up(two):
        one.query(f"INSERT INTO {DATABASE}.t (v) VALUES (2)")
        begun = time.monotonic()
        assert poll.wsrep(two.address, TOKEN, ()).is_synced
        assert two.status().wsrep is not None
        assert time.monotonic() - begun < 1
    poll.close()


def test_a_member_joins_from_a_donor_whose_reads_are_causal(cluster: Cluster, pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=True)
    three = cluster.member(3).start()
    three.wait_stage(Stage.RUNNING)
    assert "donors db.2" in three.log
    three.sigterm()
    assert three.wait_exit(20) == 143


@contextmanager
def busy(member: Member, sessions: int) -> Iterator[None]:
    """So many sessions insert one row after the other while the block runs."""
    ended = threading.Event()

    def work() -> None:
        session = reading(member)
        while not ended.is_set():
            try:
                run(session, "INSERT INTO t (v) VALUES (0)")
            except pymysql.Error:
                return

    threads = [threading.Thread(target=work) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(20)


def test_the_group_is_not_grown_while_one_member_slows_it_and_the_operator_says_who(pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=False)
    wait_for("both know how replication flows", lambda: one.status().flow and two.status().flow, 20)
    with Operator(pair, wish=Wish(replicas=3)) as operator, busy(one, 8):
        operator.turns_until("a third member is wanted", _grows, 30)
        with held_up(two):
            plan = operator.turns_until("it is not now", lambda plan: "slows the group" in plan.why, 30)
            assert isinstance(plan, Hold)
            told = r"the next one waits: slot 2 \(node2\) slows the group: in the last \d+ s flow control paused commits"
            assert re.search(told, plan.why), plan.why
            # Its window reaches back to before the pauses, until they fill it.
            wait_for("the writer is paused for much of its time", lambda: _flow(one).paused > HIGH, 20)
            assert _flow(one).sent == 0
            assert _flow(two).sent > 0
        operator.turns_until("it is over", _grows, 40)


def _flow(member: Member) -> FlowControl:
    flow = member.status().flow
    assert flow is not None
    return flow


def _grows(plan: Plan) -> bool:
    return isinstance(plan, Act) and isinstance(plan.steps[0], Resize)


def test_a_label_that_changes_reaches_members_that_serve(pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=False)
    with Operator(pair, wish=Wish(causal_reads=True, drain_timeout=33)) as operator:
        operator.turns_until("all is as wished", lambda plan: plan.why.startswith("as wished"), 20)
    assert {member.status().terms for member in pair} == {Terms(33.0, allow_donor=False, causal_reads=True)}
    wait_for("reads are causal", lambda: {int(member.query("SELECT @@wsrep_sync_wait")[0][0]) for member in pair} == {1}, 5)
