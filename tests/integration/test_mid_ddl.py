"""Members killed in the middle of DDL: nothing starts from half a statement but by a decision, and then all are alike."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pymysql
import pytest
from galera_processes import DATABASE, ROOT_PASSWORD, Cluster, Member, wait_for
from recovery_steps import in_step, invite

from galera_operator.core.agent_api import Stage
from galera_operator.core.position import ZERO_UUID, Directory, parse_grastate

pytestmark = pytest.mark.integration

SLOW = "LENGTH(SHA2(REPEAT(v, 50000), 512))"
"""Of one row: tens of milliseconds of a processor and no disk, so that the statement is seen while it runs."""

NEW_HISTORY = "d0000000-0000-4000-8000-000000000001"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    yield made
    made.destroy()


def alters(member: Member) -> bool:
    return parse_grastate((member.data / "grastate.dat").read_text()).uuid == ZERO_UUID


def alter(member: Member) -> None:
    session = member.connect("root", ROOT_PASSWORD, database=DATABASE)
    with pytest.raises(pymysql.Error), session.cursor() as cursor:  # nobody lives to acknowledge it
        cursor.execute(f"ALTER TABLE t ADD COLUMN more INT DEFAULT ({SLOW}), ALGORITHM=COPY")


def test_all_killed_in_the_middle_of_ddl_go_on_alike_from_the_one_that_a_person_chose(cluster: Cluster) -> None:
    one, two = cluster.bootstrap(), cluster.join(2)
    one.query(f"CREATE TABLE {DATABASE}.t (id INT PRIMARY KEY, v CHAR(200))")
    one.query(f"INSERT INTO {DATABASE}.t SELECT seq, REPEAT('x', 200) FROM {DATABASE}.seq_1_to_200")
    in_step(one, two)
    state = one.status().wsrep
    assert state is not None
    client = threading.Thread(target=alter, args=(one,))
    client.start()
    wait_for("both alter the table", lambda: alters(one) and alters(two), 20)
    for member in (one, two):
        os.kill(member.mariadbd(), signal.SIGKILL)
    assert one.wait_exit() == two.wait_exit() == 128 + signal.SIGKILL
    client.join(20)

    for member in (one, two):
        member.start()
        waiting = member.wait_stage(Stage.WAITING)
        assert waiting.directory is Directory.MID_DDL
        assert waiting.position is not None
        assert waiting.position.uuid == state.state_uuid
        assert "killed while it ran DDL" in waiting.note
    code, answer = one.grant(epoch=2)
    assert code == 409
    assert "only under a new history" in str(answer)

    assert one.grant(epoch=3, history=NEW_HISTORY)[0] == 200
    running = one.wait_stage(Stage.RUNNING)
    assert running.wsrep is not None
    assert running.wsrep.state_uuid == NEW_HISTORY
    assert two.status().stage is Stage.WAITING, "its data is of another history"
    assert invite(two, 3, one)[0] == 200
    two.wait_stage(Stage.RUNNING)
    assert "Proceeding with SST" in two.log
    tables = [member.query(f"SHOW CREATE TABLE {DATABASE}.t") for member in (one, two)]
    assert tables[0] == tables[1]
    assert [member.query(f"SELECT COUNT(*) FROM {DATABASE}.t") for member in (one, two)] == [[(200,)]] * 2
