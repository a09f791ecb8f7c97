"""Whom a running member would ask for what it missed: a Synced member that is not the writer, before any other."""

from __future__ import annotations

import pytest
from builders import status, wsrep

from galera_operator.agent.donors import INTERVAL, Donors
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Heard, Peers
from galera_operator.agent.settings import read_settings
from galera_operator.agent.sql import Client, SqlError
from galera_operator.core.agent_api import Stage

SYNCED = wsrep(cluster_size=3)
THREE = ("db.1", "db.2", "db.3")


class Told(Peers):
    def __init__(self, *said: Heard) -> None:
        super().__init__("other", (), ())
        self.said = list(said)

    def heard(self, max_age: float) -> list[Heard]:
        return self.said


class Database(Client):
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.down = False

    def query(self, sql: str, timeout: float = 2.0) -> list[list[str]]:
        self.asked.append(sql)
        if self.down:
            raise SqlError("gone")
        return []

    @property
    def donors(self) -> str:
        return self.asked[-1].partition("=")[2]


def peer(slot: int, **changes: object) -> Heard:
    return Heard(f"10.0.0.{slot}", status(slot, **({"wsrep": SYNCED, "writer": "db.1", "term": 3} | changes)), 0.1)


def third(*said: Heard) -> tuple[Member, Donors, Database]:
    """Slot 3, in calm service beside these."""
    member = Member(read_settings({"GALERA_SERVICE": "db", "GALERA_SLOT": "3"}, []), Told(*said))
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(wsrep(cluster_size=3, members=THREE))
    database = Database()
    return member, Donors(member, database), database


def test_the_synced_members_that_are_not_the_writer_are_named_and_any_other_only_after_them():
    _, donors, database = third(peer(1), peer(2))
    donors.turn()
    assert database.donors == "'db.2,'"


def test_beside_the_writer_alone_nobody_in_particular_is_named():
    _, donors, database = third(peer(1))
    donors.turn()
    assert database.donors == "''"


@pytest.mark.parametrize("changes", [{"stage": Stage.DRAINING}, {"wsrep": wsrep(local_state=2)}])
def test_who_leaves_or_donates_already_is_not_named(changes):
    _, donors, database = third(peer(1), peer(2, **changes))
    donors.turn()
    assert database.donors == "''"


def test_another_writer_makes_other_donors_and_nothing_is_said_twice():
    member, donors, database = third(peer(1), peer(2))
    donors.turn()
    donors._next = 0.0
    donors.turn()
    assert len(database.asked) == 1
    member.peers.said = [peer(1, writer="db.2", term=4), peer(2, writer="db.2", term=4)]
    member.saw_wsrep(member.wsrep)
    donors._next = 0.0
    donors.turn()
    assert database.donors == "'db.1,'"


def test_a_look_is_not_taken_more_often_than_it_changes():
    member, donors, database = third(peer(1), peer(2))
    donors.turn()
    member.peers.said = [peer(1)]
    donors.turn()
    assert len(database.asked) == 1
    assert INTERVAL > 0


def test_a_member_that_is_not_synced_keeps_the_names_it_has():
    member, donors, database = third(peer(1), peer(2))
    member.saw_wsrep(wsrep(cluster_status="non-Primary", ready=False))
    donors.turn()
    assert database.asked == []


def test_a_database_that_refuses_is_asked_again_and_complained_about_once(caplog: pytest.LogCaptureFixture):
    _, donors, database = third(peer(1), peer(2))
    database.down = True
    for _ in range(2):
        donors._next = 0.0
        donors.turn()
    assert [record.getMessage() for record in caplog.records if "gone" in record.getMessage()] == [
        "wsrep_sst_donor is not as it should be: gone"
    ]
    database.down, donors._next = False, 0.0
    donors.turn()
    assert database.donors == "'db.2,'"
