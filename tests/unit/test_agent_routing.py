from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest
from builders import B, wsrep

from galera_operator.agent.routing import Answer, Role, Seen, choose_writer, readiness, slot_order, writability
from galera_operator.core.agent_api import ANY_WRITER
from galera_operator.core.position import ZERO_UUID

NAMES = ("db.1", "db.2", "db.3")


def one(slot: int, *, size: int = 3, view: tuple[str, ...] = NAMES, **changes: Any) -> Seen:
    """A member in calm service, but for what is named; wsrep's fields and `Seen`'s may both be given, and `writer` and `term`."""
    ours = {key: changes.pop(key) for key in ("admitted", "draining", "is_doubtful", "is_late_enough") if key in changes}
    calm = {"admitted": True, "draining": False, "role": Role(changes.pop("writer", "db.1"), changes.pop("term", 5))}
    return Seen(f"db.{slot}", wsrep=wsrep(**({"cluster_size": size, "members": view} | changes)), **(calm | ours))


def down(slot: int) -> Seen:
    return Seen(f"db.{slot}", admitted=True, draining=False, wsrep=None)


OTHERS = [one(2), one(3)]
DONOR = {"local_state": 2}

READY = [
    ("Synced and admitted", one(1), OTHERS, 200),
    ("alone", one(1, size=1, view=("db.1",)), [], 200),
    ("mariadbd is down", down(1), OTHERS, 503),
    ("not admitted", one(1, admitted=False), OTHERS, 503),
    ("not admitted and draining", one(1, admitted=False, draining=True), OTHERS, 503),
    ("non-Primary", one(1, cluster_status="non-Primary"), OTHERS, 503),
    ("not ready", one(1, ready=False), OTHERS, 503),
    ("not connected", one(1, connected=False), OTHERS, 503),
    ("a state UUID of zeros", one(1, state_uuid=ZERO_UUID), [], 503),
    ("draining", one(1, draining=True), OTHERS, 404),
    ("draining without a majority", one(1, draining=True, cluster_status="non-Primary"), OTHERS, 503),
    ("a donor beside others", one(1, **DONOR), OTHERS, 404),
    ("a donor, the other one only joining", one(1, **DONOR), [one(2, admitted=False, local_state=1, ready=False)], 200),
    ("a donor, the other one not admitted", one(1, **DONOR), [one(2, admitted=False)], 200),
    ("a donor, the other one draining", one(1, **DONOR), [one(2, draining=True)], 200),
    ("catching up after donating, beside others", one(1, local_state=3), OTHERS, 404),
    ("catching up after donating, alone", one(1, local_state=3), [], 200),
    ("a larger component of another history", one(1, size=1), [one(2, size=2, state_uuid=B)], 503),
    ("a smaller component of another history", one(1, size=2), [one(2, size=1, state_uuid=B)], 200),
    ("the others have gone on without it", one(1), [one(2, conf_id=8, view=("db.2", "db.3"))], 503),
    ("the others are behind in noticing it", one(1), [one(2, conf_id=6, view=("db.2", "db.3"))], 200),
    ("thawed, nobody confirms", one(1, is_doubtful=True), [], 503),
    ("thawed, another one has the same view", one(1, is_doubtful=True), [one(2)], 200),
    ("thawed, another one had the same view before", one(1, is_doubtful=True), [one(2, is_late_enough=False)], 503),
    ("thawed, another one has an older view", one(1, is_doubtful=True), [one(2, conf_id=6)], 503),
    ("thawed and alone", one(1, size=1, view=("db.1",), is_doubtful=True), [], 200),
]


@pytest.mark.parametrize(("own", "others", "code"), [case[1:] for case in READY], ids=[case[0] for case in READY])
def test_who_may_be_read(own: Seen, others: list[Seen], code: int) -> None:
    answer = readiness(own, 0.2, others, allow_donor=False)
    assert answer.code == code, answer.why
    assert answer.why


@pytest.mark.parametrize(("own", "others", "code"), [case[1:] for case in READY], ids=[case[0] for case in READY])
def test_the_writer_is_in_service_like_a_reader_but_stays_so_while_it_donates(own: Seen, others: list[Seen], code: int) -> None:
    donates = own.wsrep is not None and own.wsrep.local_state in {2, 3}
    assert writability(own, 0.2, others, "db.1").code == (200 if donates else code)
    assert writability(own, 0.2, others, "db.2").code == (404 if donates or code == 200 else code)


@pytest.mark.parametrize(("own", "others", "code"), [case[1:] for case in READY], ids=[case[0] for case in READY])
def test_where_every_member_is_a_writer_who_serves_reads_takes_writes_and_a_donor_does_not(
    own: Seen, others: list[Seen], code: int
) -> None:
    assert writability(own, 0.5, others, ANY_WRITER).code == code


def test_a_donor_may_be_read_where_the_user_allows_it() -> None:
    assert readiness(one(1, **DONOR), 0.2, OTHERS, allow_donor=True).code == 200


def test_a_status_that_is_too_old_is_worth_nothing() -> None:
    assert readiness(one(1), 1.9, OTHERS, allow_donor=True).code == 200
    assert readiness(one(1), 2.1, OTHERS, allow_donor=True) == Answer(503, "mariadbd has not answered for 2 s")
    assert writability(one(1), 2.1, OTHERS, "db.1").code == 503


@pytest.mark.parametrize(
    ("code", "line"), [(200, "up ready 100%\n"), (404, "drain\n"), (503, "down#because\n")], ids=["up", "drain", "down"]
)
def test_the_haproxy_line_says_the_same_as_the_http_code(code: int, line: str) -> None:
    assert Answer(code, "because").haproxy_line == line


WRITERS = [
    # what, own, others, expected writer and term
    ("the first start of the first member", one(1, size=1, view=("db.1",), writer="", term=0), [], "db.1", 1),
    ("nobody is admitted yet", one(1, size=1, view=("db.1",), writer="", term=0, admitted=False), [], "", 0),
    ("the one that is", one(1, writer="db.3"), [one(2, writer="db.3"), one(3, writer="db.3")], "db.3", 5),
    ("the writer is not in the component", one(1, view=NAMES[:2], writer="db.3"), [one(2, writer="db.3")], "db.1", 6),
    ("the writer drains", one(1, writer="db.3"), [one(2, writer="db.3"), one(3, writer="db.3", draining=True)], "db.1", 6),
    ("the writer donates", one(1, writer="db.3"), [one(3, local_state=2, writer="db.3")], "db.3", 5),
    ("the writer's agent is silent, but it is in the component", one(1, writer="db.3"), [one(2, writer="db.3")], "db.3", 5),
    ("a returning member follows the others", one(1, writer="", term=0), [one(2, writer="db.2")], "db.2", 5),
    ("a thawed one follows the others", one(1, writer="db.1", term=5), [one(2, writer="db.2", term=6)], "db.2", 6),
    ("an appointment that another agent has obeyed", one(2, writer="db.1", term=5), [one(1, writer="db.2", term=6)], "db.2", 6),
    ("a later choice of one that is out of service", one(1), [one(2, writer="db.2", term=9, draining=True)], "db.1", 5),
    ("two choices at once: the lower", one(1, writer="db.3"), [one(2, writer="db.2")], "db.2", 5),
    ("a choice in another history is none", one(2, writer="db.2"), [one(1, term=9, state_uuid=B)], "db.2", 5),
    ("every member, as another agent has heard", one(1), [one(2, writer=ANY_WRITER, term=6)], ANY_WRITER, 6),
    ("every member, also when one drains", one(1, writer=ANY_WRITER), [one(2, writer="db.3", draining=True)], ANY_WRITER, 5),
    ("one again, as another agent has heard", one(1, writer=ANY_WRITER), [one(2, writer="db.3", term=6)], "db.3", 6),
    ("every member, but not Primary: no say", one(1, writer=ANY_WRITER, cluster_status="non-Primary"), OTHERS, "", 5),
    ("only a donor is left", one(1, writer="", **DONOR), [one(2, writer="", admitted=False)], "db.1", 6),
    ("a Synced one before a donor", one(1, writer="", **DONOR), [one(2, writer="")], "db.2", 6),
    ("not Primary: no say", one(1, cluster_status="non-Primary"), OTHERS, "", 5),
    ("mariadbd down: no say", down(1), OTHERS, "", 0),
    ("ten comes after two", one(10, view=("db.10", "db.2"), writer=""), [one(2, writer="")], "db.2", 6),
]


@pytest.mark.parametrize(("own", "others", "writer", "term"), [case[1:] for case in WRITERS], ids=[case[0] for case in WRITERS])
def test_who_is_the_writer(own: Seen, others: list[Seen], writer: str, term: int) -> None:
    assert choose_writer(own, others) == Role(writer, term)


def test_a_new_writer_is_not_made_up_before_an_unheard_member_could_answer() -> None:
    own = one(2, writer="")
    assert choose_writer(own, [], settled=False).writer == ""
    assert choose_writer(own, [], settled=True).writer == "db.2"
    assert choose_writer(own, [one(1), one(3)], settled=False).writer == "db.1"


def look_round(members: dict[str, Seen], chance: Random, reports: list[dict[str, Seen]]) -> dict[str, Seen]:
    """Every agent looks once, in any order; what it knows of each other one is that one's present or an earlier state."""
    now = dict(members)
    for name in chance.sample(sorted(members), len(members)):
        others = [chance.choice([*reports[-2:], now])[other] for other in members if other != name]
        now[name] = replace(now[name], role=choose_writer(now[name], others))
    reports.append(now)
    return now


@pytest.mark.parametrize("claims", list(product(["", *NAMES], repeat=3)), ids=",".join)
def test_agents_that_disagree_come_to_one_writer_whatever_the_order_of_their_looks(claims: tuple[str, str, str]) -> None:
    for seed in range(20):
        chance = Random(seed)
        members = {n: one(slot, writer=claims[slot - 1], term=chance.randint(1, 3)) for slot, n in enumerate(NAMES, 1)}
        reports = [members]
        for _ in range(6):
            members = look_round(members, chance, reports)
        settled = {own.role for own in members.values()}
        assert len(settled) == 1, (seed, members)
        assert settled.pop().writer in NAMES
        assert look_round(members, chance, reports) == members, "and it stays so"


@pytest.mark.parametrize("reached", [{"db.1"}, {"db.2"}, {"db.3"}, {"db.1", "db.3"}], ids=lambda names: "+".join(sorted(names)))
@pytest.mark.parametrize("new", ["db.2", "db.3", ANY_WRITER])
def test_an_appointment_that_reached_any_agent_takes_effect_everywhere(new: str, reached: set[str]) -> None:
    chance = Random(1)
    members = {
        name: one(slot, writer=new if name in reached else "db.1", term=6 if name in reached else 5)
        for slot, name in enumerate(NAMES, 1)
    }
    reports = [members]
    for _ in range(4):
        members = look_round(members, chance, reports)
    assert {own.role for own in members.values()} == {Role(new, 6)}


@pytest.mark.parametrize("dead", [1, 2, 3])
def test_survivors_agree_at_once_whoever_dies(dead: int) -> None:
    view = tuple(name for name in NAMES if name != f"db.{dead}")
    left = [one(slot, view=view, size=2, conf_id=8, writer=f"db.{dead}") for slot in (1, 2, 3) if slot != dead]
    assert {choose_writer(own, [other for other in left if other is not own]) for own in left} == {Role(min(view), 6)}


def test_names_sort_by_slot() -> None:
    assert sorted(["db.10", "db.2", "db.1", "host", "a.3"], key=slot_order) == ["a.3", "db.1", "db.2", "db.10", "host"]
