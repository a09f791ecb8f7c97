"""Members that are killed come back by themselves, with every acknowledged row, the same on each of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from deployment import Deployment

from galera_operator.sandbox.waiting import NotYet, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def three(galera: Deployment) -> Deployment:
    galera.label(replicas="3")
    galera.wait_settled(3)
    galera.sql("CREATE DATABASE kept; CREATE TABLE kept.rows_ (id INT PRIMARY KEY)", slot=1)
    return galera


def kill(deployment: Deployment, *slots: int) -> None:
    """SIGKILL to these members' containers, at the same moment."""
    found = [deployment.container(deployment.database, slot) for slot in slots]
    with ThreadPoolExecutor(len(found)) as pool:
        list(pool.map(lambda place: deployment.sandbox.docker(place[0], "kill", "--signal", "KILL", place[1]), found))


def rows(deployment: Deployment, slot: int) -> list[str]:
    return deployment.sql("SELECT id FROM kept.rows_ ORDER BY id", slot=slot).split()


def state_uuid(status: dict) -> str:
    (uuid,) = {member["state_uuid"] for member in status["members"]}
    return uuid


def killed_and_back(deployment: Deployment, before: set[str]) -> None:
    def replaced() -> bool | NotYet:
        now = set(deployment.running())
        return (len(now) == 3 and now != before) or NotYet(now)

    wait_until(replaced, 120, "Swarm to start the killed tasks again", every=0.5)


def test_a_killed_writer_is_replaced_and_rejoins(three: Deployment) -> None:
    uuid, before = state_uuid(three.status()), set(three.running())
    three.sql("INSERT INTO kept.rows_ VALUES (1)", slot=1)
    kill(three, 1)
    three.sql("INSERT INTO kept.rows_ VALUES (2)", slot=2)
    killed_and_back(three, before)
    after = three.wait_settled(3)
    assert state_uuid(after) == uuid
    assert [rows(three, slot) for slot in (1, 2, 3)] == [["1", "2"]] * 3
    writer = next(member["slot"] for member in after["members"] if member["writer"])
    assert writer != 1, "a returning member does not take the role back"


def test_all_members_killed_at_once_come_back_from_the_newest_copy(three: Deployment) -> None:
    uuid, before = state_uuid(three.status()), set(three.running())
    for number in range(10, 60):
        three.sql(f"INSERT INTO kept.rows_ VALUES ({number})", slot=2)
    expected = rows(three, 2)
    kill(three, 1, 2, 3)
    killed_and_back(three, before)
    after = three.wait_settled(3)
    assert state_uuid(after) == uuid
    assert [rows(three, slot) for slot in (1, 2, 3)] == [expected] * 3
    assert "has the newest data" in three.operator_log()
