"""What the labels say about drains, donors and reads reaches a member with its admission, and again when they change."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import cluster, joined_but_not_admitted, member, remembered, status, unseen, waiting, wsrep

from galera_operator.agent.commands import obey
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Heard, Peers
from galera_operator.agent.reads import Reads
from galera_operator.agent.settings import read_settings
from galera_operator.agent.sql import Client, SqlError
from galera_operator.core.agent_api import Admission, Admit, Stage
from galera_operator.core.decide import decide
from galera_operator.core.plan import AdmitMember, Hold
from galera_operator.core.serving import Terms
from galera_operator.core.spec import Wish
from galera_operator.core.terms import grace_too_short, retell

DEFAULT = Terms(50.0, allow_donor=False, causal_reads=False)
CAUSAL = replace(DEFAULT, causal_reads=True)


def plan_for(wish: Wish, *seats, **changes):
    return decide(cluster(*seats, wish=wish, **changes), remembered())


# The operator


def test_a_member_is_let_in_on_the_terms_of_the_labels():
    plan = plan_for(Wish(causal_reads=True), member(1), joined_but_not_admitted(2))
    assert plan.steps == (AdmitMember(2, "10.0.0.2", "life2", 50.0, allow_donor=False, causal_reads=True),)


@pytest.mark.parametrize(
    ("wish", "difference"),
    [
        (Wish(causal_reads=True), "reads are causal"),
        (Wish(allow_donor=True), "a donor serves reads"),
        (Wish(drain_timeout=20), "a drain of at most 20 s instead of 50 s"),
        (Wish(drain_timeout=20, causal_reads=True), "a drain of at most 20 s instead of 50 s, reads are causal"),
    ],
)
def test_members_that_serve_are_told_changed_labels_one_after_the_other(wish, difference):
    plan = plan_for(wish, member(1, terms=DEFAULT), member(2, terms=DEFAULT))
    assert plan.why == f"slot 1 (n1) serves on other terms than the labels say now: {difference}"
    told = Terms(*(getattr(plan.steps[0], name) for name in ("drain_seconds", "allow_donor", "causal_reads")))
    plan = plan_for(wish, member(1, terms=told), member(2, terms=DEFAULT))
    assert plan.steps[0].slot == 2
    assert isinstance(plan_for(wish, member(1, terms=told), member(2, terms=told)), Hold)


def test_what_was_allowed_is_taken_back_too():
    seats = member(1, terms=Terms(50.0, allow_donor=True, causal_reads=True))
    assert plan_for(Wish(), seats).why.endswith("a donor serves no reads, reads are fast")


def test_the_drain_limit_that_counts_is_the_one_that_the_grace_period_allows():
    told = member(1, terms=replace(DEFAULT, drain_seconds=5.0))
    assert isinstance(plan_for(Wish(), told, stop_grace=10.0), Hold)


@pytest.mark.parametrize(
    "changes",
    [
        {"terms": None},
        {"stage": Stage.DRAINING},
        {"stage": Stage.DRAINED},
        {"leaving": True},
        {"local_state": 2},
        {"admission": Admission.NONE},
    ],
)
def test_nobody_is_told_who_does_not_tell_is_on_its_way_out_or_could_not_be_admitted_now(changes):
    seen = cluster(member(1, terms=CAUSAL), member(2, **({"terms": DEFAULT} | changes)), unseen(3), wish=Wish(causal_reads=True))
    assert retell(seen) is None


def test_a_look_that_finds_nobody_tells_nobody():
    assert retell(cluster(unseen(1), waiting(2, admission=Admission.OPERATOR, stage=Stage.STOPPING))) is None


def test_a_member_that_let_itself_in_is_told_the_labels_when_the_operator_is_back():
    plan = plan_for(Wish(causal_reads=True), member(1, terms=DEFAULT, admission=Admission.SELF))
    assert plan.steps[0].causal_reads


# The grace period


@pytest.mark.parametrize(("grace", "is_told"), [(54.9, True), (55.0, False), (120.0, False)])
def test_a_grace_period_that_is_shorter_than_a_drain_and_a_shutdown_is_told(grace, is_told):
    assert (grace_too_short(cluster(member(1), stop_grace=grace)) is not None) is is_told


def test_the_warning_says_what_a_member_gets_and_what_to_set():
    assert grace_too_short(cluster(member(1), wish=Wish(drain_timeout=30), stop_grace=10.0)) == (
        "stop_grace_period of shop_db is 10 s: a leaving member gets 5 s to end its sessions, "
        "not the 30 s of galera.drain.timeout; set stop_grace_period to 35s or more"
    )


# The agent


class Told(Peers):
    def __init__(self, *said: Heard) -> None:
        super().__init__("other", (), ())
        self._said = list(said)

    def heard(self, max_age: float) -> list[Heard]:
        return self._said


def serving(*said: Heard, **environ: str) -> Member:
    made = Member(read_settings({"GALERA_SERVICE": "db", "GALERA_SLOT": "1", **environ}, []), Told(*said))
    made.enter(Stage.RUNNING, "Synced")
    made.saw_wsrep(wsrep(cluster_size=1))
    return made


def admit(made: Member, terms: Terms) -> None:
    obey(made, Admit(1, made.settings.incarnation, terms.drain_seconds, terms.allow_donor, terms.causal_reads))


def test_an_agent_tells_on_which_terms_it_serves():
    made = serving()
    assert made.status().terms == DEFAULT
    admit(made, CAUSAL)
    assert made.status().terms == CAUSAL


def test_reads_begin_when_the_database_makes_new_sessions_causal():
    made = serving()
    admit(made, CAUSAL)
    assert (made.may_read().code, made.may_read().why) == (404, "causal reads are being set up")
    assert made.may_write().code == 200
    made.reads_are(causal=True)
    assert made.may_read().code == 200


def test_fast_reads_wait_for_nothing():
    made = serving()
    admit(made, DEFAULT)
    assert made.may_read().code == 200


def test_a_member_that_lets_itself_in_takes_the_terms_that_the_operator_told_another():
    fast = Heard("10.0.0.2", status(2, terms=DEFAULT, admission=Admission.SELF), 0.1)
    causal = Heard("10.0.0.3", status(3, terms=CAUSAL), 0.1)
    made = serving(fast, causal, GALERA_OPERATOR_AWAY="0")
    assert made.admit_self()
    assert made.status().terms == CAUSAL
    alone = serving(fast, GALERA_OPERATOR_AWAY="0", GALERA_DRAIN_TIMEOUT="7")
    assert alone.admit_self()
    assert alone.status().terms == replace(DEFAULT, drain_seconds=7.0)


class Variable(Client):
    """A database that has nothing but wsrep_sync_wait."""

    def __init__(self, value: int) -> None:
        self.value, self.down, self.asked = value, False, 0

    def query(self, sql: str, timeout: float = 2.0) -> list[list[str]]:
        self.asked += 1
        if self.down:
            raise SqlError("gone")
        if sql.startswith("SELECT"):
            return [[str(self.value)]]
        self.value = int(sql.rpartition("=")[2])
        return []


@pytest.mark.parametrize(("before", "causal"), [(0, 1), (1, 1), (6, 7)])
def test_causal_reads_keep_what_the_user_has_set_and_give_it_back(before, causal):
    made, database = serving(), Variable(before)
    reads = Reads(made, database)
    reads.turn()
    assert (database.value, database.asked) == (before, 0)
    admit(made, CAUSAL)
    reads.turn()
    assert (database.value, made.may_read().code) == (causal, 200)
    asked = database.asked
    reads.turn()
    assert database.asked == asked, "it is set once"
    admit(made, DEFAULT)
    reads.turn()
    assert database.value == before


def test_a_database_that_does_not_take_it_gets_no_reads_and_is_asked_again(caplog: pytest.LogCaptureFixture):
    made, database = serving(), Variable(0)
    reads, database.down = Reads(made, database), True
    admit(made, CAUSAL)
    reads.turn()
    reads.turn()
    assert made.may_read().code == 404
    assert [record.getMessage() for record in caplog.records if "gone" in record.getMessage()] == [
        "wsrep_sync_wait is not as it should be: gone"
    ]
    database.down = False
    reads.turn()
    assert made.may_read().code == 200
