from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from builders import status, task, wsrep
from fakes import InlinePool

from galera_operator.core.agent_api import Stage
from galera_operator.core.model import Listed, Live, NamesUnknown, Service, Silence, Stopped, Unseen
from galera_operator.core.spec import Wish
from galera_operator.ports import Cluster, LoginRefused, Nameless, Refused, Unreachable
from galera_operator.runtime.observe import look

SAYS = wsrep(members=("db.1",))


class Answers:
    """Members by address: what the agent and what the database answers, or the exception each raises."""

    def __init__(self, agents, databases=None, prompt=()):
        self.agents = agents
        self.databases = databases or {}
        self.prompt = dict(prompt)
        self.asked = []

    def at_once(self, addresses, token):
        return {address: self.prompt[address] for address in addresses if address in self.prompt}

    def ask(self, address, token):
        return self._answer(self.agents.get(address, Unreachable("no answer")))

    def wsrep(self, address, token, members):
        self.asked.append((address, token, tuple(members)))
        return self._answer(self.databases.get(address, Unreachable("no SQL answer")))

    @staticmethod
    def _answer(answer):
        if isinstance(answer, Exception):
            raise answer
        return answer


def seen_by(members, *tasks, pool=None, deadline=4.0):
    cluster = Cluster(Service("svc", "shop_db", 40, len(tasks)), Wish(), tasks or (task(1),), "token")
    return look(cluster, members, pool or InlinePool(), deadline)


def only(agent, database=None):
    members = Answers({"10.0.0.1": agent}, {"10.0.0.1": database} if database else None)
    return seen_by(members).seats[0].member


def test_a_member_whose_agent_and_database_answer_is_live_and_the_databases_word_counts():
    fresh = wsrep(last_committed=101)
    member = only(status(1, wsrep=SAYS), fresh)
    assert member == Live(status(1, wsrep=SAYS), fresh)


def test_the_database_is_asked_with_the_token_and_the_members_that_the_agent_named():
    members = Answers({"10.0.0.1": status(1, wsrep=SAYS)}, {"10.0.0.1": SAYS})
    seen_by(members)
    assert members.asked == [("10.0.0.1", "token", ("db.1",))]


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.WAITING, Stage.JOINING, Stage.BOOTSTRAPPING, Stage.STOPPING])
def test_a_member_on_its_way_whose_database_does_not_answer_its_agent_is_stopped_and_not_asked(stage):
    assert isinstance(only(status(1, stage=stage)), Stopped)


@pytest.mark.parametrize("stage", [Stage.JOINING, Stage.BOOTSTRAPPING, Stage.STOPPING])
def test_a_member_on_its_way_whose_database_answers_only_its_agent_is_stopped(stage):
    assert isinstance(only(status(1, stage=stage, wsrep=SAYS)), Stopped)


@pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.DRAINING, Stage.DRAINED])
@pytest.mark.parametrize("fault", [Unreachable("no SQL answer"), Refused("login refused")])
@pytest.mark.parametrize("says", [SAYS, None])
def test_a_member_that_should_serve_and_whose_database_does_not_answer_is_unseen(stage, fault, says):
    assert only(status(1, stage=stage, wsrep=says), fault) == Unseen(str(fault))


def test_a_member_that_should_serve_is_asked_even_when_its_own_agent_gets_no_answer():
    assert only(status(1), SAYS) == Live(status(1), SAYS)


def test_a_silent_agent_is_unseen_and_a_refused_connection_is_told_apart():
    assert only(Unreachable("no answer")) == Unseen("no answer")
    assert only(Unreachable("nothing listens", refused=True)) == Unseen("nothing listens", Silence.NO_AGENT)


def test_a_database_that_refuses_the_operators_login_is_told_apart():
    assert only(status(1, wsrep=SAYS), LoginRefused("another secret")) == Unseen("another secret", Silence.NO_LOGIN)


def test_an_agent_that_answers_something_else_is_unseen():
    assert only(Refused("not a status")) == Unseen("not a status")


def test_a_task_without_an_address_is_unseen_with_swarms_words():
    nowhere = task(1, address="", state="pending", message="no suitable node")
    seen = seen_by(Answers({}), nowhere)
    assert seen.seats[0].member == Unseen("its task has no address yet, Swarm says pending: no suitable node")


def test_seats_come_by_slot_and_leaving_tasks_beside_them():
    seen = seen_by(Answers({}), task(3), task(1), task(2, desired="remove"))
    assert [seat.slot for seat in seen.seats] == [1, 3]
    assert [found.slot for found in seen.leaving] == [2]


def test_a_cluster_without_tasks_is_seen_as_empty():
    cluster = Cluster(Service("svc", "shop_db", 40, 1), Wish(), (), "token")
    assert look(cluster, Answers({}), InlinePool()).seats == ()


def test_who_has_not_answered_by_the_deadline_is_unseen_and_the_others_are_seen():
    released = threading.Event()

    class OneIsSlow(Answers):
        def ask(self, address, token):
            if address == "10.0.0.2":
                released.wait(30)
            return super().ask(address, token)

    members = OneIsSlow({"10.0.0.1": status(1, wsrep=SAYS)}, {"10.0.0.1": SAYS})
    with ThreadPoolExecutor(4) as pool:
        try:
            seen = seen_by(members, task(1), task(2), pool=pool, deadline=0.3)
        finally:
            released.set()
    assert isinstance(seen.seats[0].member, Live)
    assert seen.seats[1].member == Unseen("no answer within 0 s")


def test_who_answers_at_once_is_not_asked_for_itself_and_the_others_are():
    members = Answers({"10.0.0.2": status(2, wsrep=SAYS)}, {"10.0.0.2": SAYS}, {"10.0.0.1": (status(1, wsrep=SAYS), SAYS)})
    seen = seen_by(members, task(2), task(1), task(3))
    assert [seat.slot for seat in seen.seats] == [1, 2, 3]
    assert seen.seats[0].member == Live(status(1, wsrep=SAYS), SAYS)
    assert seen.seats[1].member == Live(status(2, wsrep=SAYS), SAYS)
    assert seen.seats[2].member == Unseen("no answer")
    assert [address for address, _, _ in members.asked] == ["10.0.0.2"]


def test_a_member_whose_database_still_answers_while_its_agent_starts_anew_is_stopped():
    prompt = {"10.0.0.1": (status(1, stage=Stage.WAITING, wsrep=None), SAYS)}
    assert seen_by(Answers({}, prompt=prompt)).seats[0].member == Stopped(status(1, stage=Stage.WAITING, wsrep=None))


class Told:
    """`ports.Names` that gives this answer, or fails."""

    def __init__(self, answer):
        self.answer = answer

    def tasks(self, service):
        if isinstance(self.answer, Exception):
            raise self.answer
        return replace(self.answer, addresses=(*self.answer.addresses, service))


def names_seen(names, pool=None):
    cluster = Cluster(Service("svc", "shop_db", 40, 1), Wish(), (), "token")
    return look(cluster, Answers({}), pool or InlinePool(), names=names).names


def test_whom_dns_lists_for_the_service_is_seen():
    assert names_seen(Told(Listed(("10.0.0.1",)))) == Listed(("10.0.0.1", "shop_db"))


def test_without_dns_nothing_is_known_of_it():
    assert names_seen(Nameless()) == NamesUnknown("nobody was asked for tasks.shop_db")


def test_a_question_to_dns_that_fails_in_an_unforeseen_way_leaves_it_unknown():
    assert "which is a bug: KeyError" in names_seen(Told(KeyError("tasks"))).cause


def test_a_dns_that_is_slow_is_unknown_and_the_look_goes_on():
    released = threading.Event()

    class Slow(Told):
        def tasks(self, service):
            released.wait(30)
            return self.answer

    cluster = Cluster(Service("svc", "shop_db", 40, 1), Wish(), (), "token")
    with ThreadPoolExecutor(2) as pool:
        try:
            seen = look(cluster, Answers({}), pool, 0.3, names=Slow(Listed(())))
        finally:
            released.set()
    assert seen.names == NamesUnknown("no answer within 0 s")


def test_a_question_that_fails_in_an_unforeseen_way_makes_its_member_unseen_and_the_look_goes_on():
    assert isinstance(only(KeyError("wsrep")), Unseen)
