"""Who gives a state transfer: a member that is not the writer, at a start and after a partition; and who reads there then."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from galera_processes import DATABASE, ROOT_PASSWORD, Cluster, Member, wait_for

from galera_operator.core.agent_api import Admit, AppointWriter, Stage

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def three() -> Iterator[tuple[Member, ...]]:
    cluster = Cluster()
    yield cluster.bootstrap(), cluster.join(2), cluster.join(3)
    cluster.destroy()


def root(member: Member, sql: str) -> str:
    rows = member.query(sql, "root", ROOT_PASSWORD)
    return str(rows[0][0]) if rows else ""


def appoint(members: tuple[Member, ...], writer: str) -> None:
    for member in members:
        assert member.send(AppointWriter(1, member.status().incarnation, writer))[0] == 200


def is_in(member: Member, size: int) -> bool:
    wsrep = member.status().wsrep
    return wsrep is not None and wsrep.is_synced and wsrep.cluster_size == size


def test_a_member_that_was_cut_off_gets_what_it_missed_from_one_that_is_not_the_writer(three: tuple[Member, ...]) -> None:
    one, _, third = three
    appoint(three, "db.1")
    root(third, "SET GLOBAL wsrep_provider_options='gmcast.isolate=1'")
    wait_for("it is alone", lambda: is_in(one, 2) and not is_in(third, 3), 20, lambda: (one.status(), third.status()))
    one.query(f"CREATE TABLE {DATABASE}.missed (id INT PRIMARY KEY)")
    one.query(f"INSERT INTO {DATABASE}.missed VALUES (1), (2), (3)")
    root(third, "SET GLOBAL wsrep_provider_options='gmcast.isolate=0'")
    wait_for("it is back", lambda: is_in(third, 3), 40, lambda: third.log[-2000:])
    assert root(third, f"SELECT COUNT(*) FROM {DATABASE}.missed") == "3"
    asked = re.findall(r"\(db\.3\) requested state transfer from '([^']*)'\. Selected \S+ \((db\.\d)\)", one.log)
    assert asked == [("db.2", "db.2")] * 2, "at its start, and after the partition"


def test_a_donor_serves_reads_only_where_the_label_allows_it(three: tuple[Member, ...]) -> None:
    _, two, _ = three
    for allowed, code in ((False, 404), (True, 200)):
        assert two.send(Admit(1, two.status().incarnation, 20.0, allow_donor=allowed))[0] == 200
        two.wait_code("/ready", 200)
        root(two, "SET GLOBAL wsrep_desync=ON")
        wait_for("it is desynced", lambda: two.status().wsrep and two.status().wsrep.local_state == 2, 5, two.status)
        assert two.code("/ready") == code
        root(two, "SET GLOBAL wsrep_desync=OFF")
        wait_for("it is Synced", lambda: is_in(two, 3), 10, two.status)
    assert two.status().stage is Stage.RUNNING
