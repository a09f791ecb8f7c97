"""A member whose appliers are held up: what reads there see, whom flow control makes wait, and that both are told.

`LOCK TABLES ... READ` on a member holds up the applier of that table there; the group goes on until that member's receive queue
is so long that it asks the others to pause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from galera_processes import DATABASE, ROOT_PASSWORD, TOKEN, Cluster, Member, wait_for

from galera_operator.adapters.sql import SqlPoll
from galera_operator.core.agent_api import Admit, Stage

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
    poll = SqlPoll()
    with held_up(two):
        one.query(f"INSERT INTO {DATABASE}.t (v) VALUES (2)")
        begun = time.monotonic()
        assert poll.wsrep(two.address, TOKEN, ()).is_synced
        assert two.status().wsrep is not None
        assert time.monotonic() - begun < 1
    poll.forget_others(())


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


def test_the_agents_tell_who_slows_the_group_and_how_much(pair: tuple[Member, Member]) -> None:
    one, two = pair
    read(one, two, causally=False)
    wait_for("both know", lambda: one.status().flow and two.status().flow, 10)
    with busy(one, 8):
        with held_up(two):
            slowed = wait_for(
                "the writer is paused, and the reader has asked for it",
                lambda: (one.status().flow.paused > 0.3 and two.status().flow.sent > 0) and (one.status(), two.status()),
                30,
                lambda: (one.status().flow, two.status().flow, two.status().wsrep),
            )
            assert slowed[0].flow.sent == 0
            assert slowed[1].wsrep.queue > 0
        wait_for(
            "that is over", lambda: one.status().flow.paused < 0.01 and two.status().flow.sent == 0, 40, lambda: one.status().flow
        )
