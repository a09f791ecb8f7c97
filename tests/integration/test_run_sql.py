"""A runbook's statement on a real database: the operator's own account may look at status and variables, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from galera_processes import TOKEN, Cluster, Member

from galera_operator.adapters.members import RealMembers
from galera_operator.ports import LoginRefused, Refused, Unreachable

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def member() -> Iterator[Member]:
    cluster = Cluster()
    yield cluster.bootstrap(1)
    cluster.destroy()


def ask(member: Member, statement: str, token: str = TOKEN) -> str:
    return RealMembers().run_sql(member.address, token, statement)


def test_it_answers_with_the_first_value_of_the_first_row(member: Member) -> None:
    assert ask(member, "SELECT 7, 8 UNION SELECT 9, 10") == "7"
    assert ask(member, "SELECT @@GLOBAL.max_connections") == str(member.query("SELECT @@GLOBAL.max_connections")[0][0])
    assert ask(member, "SELECT 1 FROM DUAL WHERE 1 = 0") == "0 rows"
    assert ask(member, "DO 1") == "0 rows"


@pytest.mark.parametrize("statement", ["SET GLOBAL max_connections = 77", "DROP DATABASE mysql", "CREATE DATABASE x", "SELEC 1"])
def test_what_the_account_may_not_do_or_is_no_sql_is_refused_with_the_database_s_words(member: Member, statement: str) -> None:
    with pytest.raises(Refused, match=r"denied|syntax"):
        ask(member, statement)


def test_another_token_is_a_refused_login_and_no_server_is_no_answer(member: Member) -> None:
    with pytest.raises(LoginRefused):
        ask(member, "SELECT 1", "another")
    with pytest.raises(Unreachable):
        RealMembers().run_sql("127.7.7.7", TOKEN, "SELECT 1")
