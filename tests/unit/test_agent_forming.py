"""pc.bootstrap: begun once, and not over before the member itself says that it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import wsrep

from galera_operator.agent.forming import PATIENCE, Forming
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Peers
from galera_operator.agent.settings import read_settings
from galera_operator.agent.sql import NoAnswer, SqlError
from galera_operator.core.agent_api import Stage, Wsrep

PRIMARY = wsrep(cluster_size=1, members=("db.1",))
LOST = replace(PRIMARY, cluster_status="non-Primary", ready=False, local_state=0)


class Server:
    """Takes statements. `fault`: raised by each `SET`; `has_variables`: the plugin wsrep_provider is active."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.fault: SqlError | None = None
        self.has_variables = False

    def query(self, sql: str, timeout: float) -> list[list[str]]:
        if not sql.startswith("SET"):
            return [["wsrep_provider_pc_bootstrap", "OFF"]] if self.has_variables else []
        self.taken.append(sql)
        if self.fault:
            raise self.fault
        return []


class Scene:
    """A member without a Primary component, its mariadbd, and the time."""

    def __init__(self, home: Path) -> None:
        (home / "token").write_text("token")
        environ = {"GALERA_TOKEN_FILE": str(home / "token"), "GALERA_SERVICE": "db", "GALERA_SLOT": "1"}
        settings = read_settings(environ, [])
        self.member = Member(settings, Peers(settings.incarnation, (), ()))
        self.member.enter(Stage.RUNNING, "Synced")
        self.says: Wsrep | None = LOST
        self.server: Any = Server()
        self.now = 1000.0
        self.forming = Forming(self.member, self.server, lambda: self.now)

    def ask(self) -> None:
        self.member.wishes.form_primary = True

    def is_forming(self, after: float = 0.0) -> bool:
        """Take a turn so many seconds later, and tell whether the member may yet become Primary."""
        self.now += after
        if self.says:
            self.member.saw_wsrep(self.says)
        else:
            self.member.forget_server()
        self.forming.turn()
        return self.member.wishes.forming


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("has_variables", [True, False], ids=["as a variable", "as a provider option"])
def test_a_primary_component_is_formed_once_when_it_was_asked_for(scene: Scene, has_variables: bool) -> None:
    scene.server.has_variables = has_variables
    assert not scene.is_forming()
    assert scene.server.taken == []
    scene.ask()
    assert scene.is_forming()
    formed = list(scene.server.taken)
    assert formed[-1].endswith("ON" if has_variables else "'pc.bootstrap=YES'")
    scene.is_forming()
    assert scene.server.taken == formed


def test_a_member_that_was_asked_to_stop_forms_nothing_any_more(scene: Scene) -> None:
    scene.ask()
    scene.member.request_stop("SIGTERM")
    assert not scene.is_forming()
    assert scene.server.taken == []
    assert not scene.member.wishes.form_primary


def test_it_may_yet_become_primary_until_it_says_that_it_is(scene: Scene) -> None:
    scene.ask()
    assert scene.is_forming()
    assert scene.is_forming(after=1)
    scene.says = PRIMARY
    assert not scene.is_forming()


def test_it_may_yet_become_primary_for_a_while_after_the_statement(scene: Scene) -> None:
    scene.ask()
    assert scene.is_forming()
    assert scene.is_forming(after=PATIENCE)
    assert not scene.is_forming(after=0.1)


def test_a_refusal_by_mariadbd_is_the_end_of_the_attempt_after_a_while(scene: Scene) -> None:
    scene.server.fault = SqlError("ERROR 1231 (42000): Variable 'wsrep_provider_options' can't be set")
    scene.ask()
    assert scene.is_forming()
    assert scene.is_forming(after=PATIENCE)
    assert not scene.is_forming(after=0.1)


def test_a_statement_without_an_answer_may_take_effect_at_any_time(scene: Scene) -> None:
    scene.server.fault = NoAnswer("no answer within 10 s")
    scene.ask()
    assert scene.is_forming()
    assert scene.is_forming(after=100 * PATIENCE)
    scene.says = PRIMARY
    assert not scene.is_forming()


def test_a_member_that_does_not_answer_does_not_say_that_it_is_not_primary(scene: Scene) -> None:
    scene.ask()
    assert scene.is_forming()
    scene.says = None
    assert scene.is_forming(after=100 * PATIENCE)


def test_a_member_that_does_not_answer_and_was_asked_for_nothing_is_not_on_its_way(scene: Scene) -> None:
    scene.says = None
    assert not scene.is_forming()
