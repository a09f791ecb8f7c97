"""The agent's rules at their edges: each condition alone decides once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import A, B, status, wsrep

from galera_operator.agent.commands import Refused, obey
from galera_operator.agent.disk import Disk
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Component, Heard, Peers, find_component, first_in_line, live_members
from galera_operator.agent.routing import STALE_SECONDS, Role, Seen, choose_writer, readiness
from galera_operator.agent.settings import read_settings
from galera_operator.core.agent_api import ANY_WRITER, API_LEVEL, Admit, AppointWriter, Drain, Grant, Stage, Stop
from galera_operator.core.position import ZERO_UUID, Directory, Position

BOTH = ("db.1", "db.2")


def one(slot: int, **changes: Any) -> Seen:
    """A member of two in calm service that knows no writer, but for what is named."""
    ours = {key: changes.pop(key) for key in ("admitted", "draining", "is_doubtful", "role") if key in changes}
    calm = {"admitted": True, "draining": False}
    return Seen(f"db.{slot}", wsrep=wsrep(**({"cluster_size": 2, "members": BOTH} | changes)), **(calm | ours))


def code(own: Seen, *others: Seen, age: float = 0.1) -> int:
    return readiness(own, age, others, allow_donor=False).code


# Whether clients are sent here


@pytest.mark.parametrize(("age", "sent"), [(STALE_SECONDS, 200), (STALE_SECONDS + 0.1, 503)])
def test_a_status_is_believed_until_it_is_stale(age, sent):
    assert code(one(1), one(2), age=age) == sent


LARGER = {"cluster_size": 3, "state_uuid": B}
NEWER = {"conf_id": 8, "members": ("db.2",)}


@pytest.mark.parametrize(
    ("other", "sent"),
    [
        (one(2, **LARGER), 503),
        (one(2, **LARGER, cluster_status="non-Primary"), 200),
        (one(2, cluster_size=3, state_uuid=ZERO_UUID), 200),
        (one(2, cluster_size=2, state_uuid=B), 200),
        (one(2, cluster_size=3), 200),
        (replace(one(2), wsrep=None), 200),
        (one(2, **NEWER), 503),
        (one(2, **NEWER, cluster_status="non-Primary"), 200),
        (one(2, **NEWER, state_uuid=B, cluster_size=1), 200),
        (one(2, conf_id=7, members=("db.2",)), 200),
        (one(2, conf_id=8, members=BOTH), 200),
        (one(2, conf_id=8, members=()), 200),
    ],
    ids=[
        "larger, another history",
        "larger, but not Primary",
        "larger, but zeros",
        "as large, another history",
        "larger, the same history",
        "down",
        "gone on",
        "gone on, but not Primary",
        "gone on, another history",
        "not gone on, names differ",
        "gone on with it",
        "gone on, tells no names",
    ],
)
def test_only_a_primary_component_that_is_larger_or_has_gone_on_keeps_clients_away(other, sent):
    assert code(one(1), other) == sent


@pytest.mark.parametrize(
    ("other", "sent"),
    [(one(2), 200), (one(2, members=("db.2",)), 503), (replace(one(2), wsrep=None), 503), (one(2, state_uuid=B), 503)],
    ids=["confirms", "names it no more", "down", "another history"],
)
def test_a_thawed_member_serves_again_once_another_names_it_in_the_same_view(other, sent):
    assert code(one(1, is_doubtful=True), other) == sent


# Who is the writer


def chosen(own: Seen, *others: Seen) -> str:
    return choose_writer(own, others).writer


def test_who_holds_a_state_uuid_of_zeros_has_no_say():
    assert chosen(one(1, state_uuid=ZERO_UUID), one(2)) == ""


@pytest.mark.parametrize(
    "unfit",
    [
        one(1, ready=False),
        one(1, local_state=1),
        one(1, admitted=False),
        one(1, draining=True),
        one(1, cluster_status="non-Primary"),
        replace(one(1), wsrep=None),
    ],
    ids=["not ready", "joining", "not admitted", "draining", "not Primary", "down"],
)
def test_who_cannot_serve_does_not_become_the_writer(unfit):
    assert chosen(one(2), unfit) == "db.2"


@pytest.mark.parametrize("state", [2, 3])
def test_who_donates_becomes_the_writer_only_where_nobody_is_synced(state):
    assert chosen(one(2), one(1, local_state=state)) == "db.2"
    assert chosen(one(2, ready=False), one(1, local_state=state)) == "db.1"


@pytest.mark.parametrize(
    ("other", "writer"),
    [
        (one(1, members=BOTH), "db.1"),
        (one(1, state_uuid=B), "db.2"),
        (replace(one(1), name="db.0"), "db.2"),
    ],
    ids=["of the component", "of another history", "of no name in the component"],
)
def test_only_members_of_the_component_count(other, writer):
    assert chosen(one(2), other) == writer


def test_where_the_component_tells_no_names_everybody_of_the_history_counts():
    assert chosen(one(2, members=()), one(1)) == "db.1"


def test_a_member_of_the_component_without_a_name_is_not_taken_for_the_writer():
    assert chosen(one(2, members=(*BOTH, ""))) == "db.2"


def test_a_choice_of_nobody_is_no_choice():
    nobody = Role("", 9)
    assert choose_writer(one(2, role=nobody), [one(1, role=nobody)]) == Role("db.1", 10)


# What can be joined


def heard(slot: int, **changes: Any) -> Heard:
    ours = {key: changes.pop(key) for key in ("stage", "writer", "leaving", "name") if key in changes}
    return Heard(f"10.0.0.{slot}", replace(status(slot, **ours), wsrep=wsrep(**changes)), 0.1)


def test_a_component_of_zeros_is_none():
    assert live_members([heard(1, state_uuid=ZERO_UUID)]) == []
    assert isinstance(find_component(Position(ZERO_UUID, -1), [heard(1, state_uuid=ZERO_UUID)]), str)


@pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.DRAINING, Stage.DRAINED])
def test_who_is_being_drained_is_still_alive(stage):
    assert len(live_members([heard(1, stage=stage)])) == 1


def test_a_member_without_a_status_of_its_database_is_not_alive():
    assert live_members([Heard("10.0.0.1", status(1), 0.1)]) == []


def test_data_without_a_position_of_another_component_is_not_ahead_of_this_one():
    found = find_component(Position(ZERO_UUID, 500), [heard(1)])
    assert isinstance(found, Component)


def test_a_member_that_is_being_drained_is_no_donor():
    both = [heard(1, writer="db.3"), heard(2, stage=Stage.DRAINING, writer="db.3")]
    found = find_component(Position(A, 1), both)
    assert isinstance(found, Component)
    assert found.donors == ("db.1",)


def test_the_writer_that_somebody_knows_is_not_the_donor_although_others_know_none():
    found = find_component(Position(A, 1), [heard(1, writer=""), heard(2, writer="db.1")])
    assert isinstance(found, Component)
    assert found.donors == ("db.2",)


def test_nobody_stands_in_line_before_itself():
    line = [Heard("10.0.0.1", status(1, stage=Stage.WAITING), 0.1), Heard("10.0.0.2", status(2, stage=Stage.WAITING), 0.1)]
    assert first_in_line("db.1", line) == ""
    assert first_in_line("db.2", line) == "db.1"


# What a member refuses


@pytest.fixture
def member(tmp_path: Path) -> Member:
    (tmp_path / "token").write_text("token")
    settings = read_settings({"GALERA_TOKEN_FILE": str(tmp_path / "token"), "GALERA_SERVICE": "db", "GALERA_SLOT": "1"}, [])
    return Member(settings, Peers("other", (), ()))


def bootstrap(member: Member, at: Position | None) -> None:
    obey(member, Grant(5, member.settings.incarnation, "10.0.0.1", at, ()))


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.WAITING])
def test_a_grant_is_for_a_waiting_member_only(member, stage):
    member.found_disk(Disk(Directory.USABLE, Position(A, 100), cluster_uuid=A))
    member.enter(stage, "busy")
    with pytest.raises(Refused, match="a grant is for a waiting member"):
        bootstrap(member, Position(A, 100))
    assert member.wishes.start is None


@pytest.mark.parametrize("directory", [Directory.INCOMPLETE, Directory.HALF_COPIED])
def test_a_directory_without_a_usable_position_never_seeds(member, directory):
    member.found_disk(Disk(directory))
    member.enter(Stage.WAITING, "waiting")
    with pytest.raises(Refused, match="may never seed"):
        bootstrap(member, None)
    assert member.wishes.start is None


@pytest.mark.parametrize(("fixed", "address"), [({}, "10.0.0.1"), ({"GALERA_BIND_ADDRESS": "10.0.0.9"}, "10.0.0.9")], ids=str)
def test_a_granted_member_binds_to_the_address_it_was_given_unless_told_otherwise(tmp_path, fixed, address):
    (tmp_path / "token").write_text("token")
    told = {"GALERA_TOKEN_FILE": str(tmp_path / "token"), "GALERA_SERVICE": "db", "GALERA_SLOT": "1"} | fixed
    member = Member(read_settings(told, []), Peers("other", (), ()))
    member.found_disk(Disk(Directory.EMPTY))
    member.enter(Stage.WAITING, "waiting")
    bootstrap(member, None)
    assert member.wishes.start is not None
    assert member.wishes.start.address == address


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.WAITING, Stage.JOINING, Stage.BOOTSTRAPPING, Stage.STOPPING])
def test_only_a_running_member_is_admitted_whatever_its_database_says(member, stage):
    member.enter(stage, "busy")
    member.saw_wsrep(wsrep(cluster_size=1, members=("db.1",)))
    with pytest.raises(Refused, match="only a running member can be admitted"):
        obey(member, Admit(5, member.settings.incarnation, 50.0, allow_donor=False))
    assert not member.is_admitted


def appoint(member: Member, writer: str) -> None:
    obey(member, AppointWriter(5, member.settings.incarnation, writer))


def test_nobody_is_appointed_by_an_empty_name(member):
    with pytest.raises(Refused, match="the writer's name is empty"):
        appoint(member, "")


def test_a_writer_outside_the_component_is_refused_where_the_component_tells_its_names(member):
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(wsrep(cluster_size=1, members=("db.1",)))
    with pytest.raises(Refused, match=r"db\.9 is not in this member's component: db\.1"):
        appoint(member, "db.9")


@pytest.mark.parametrize("says", [None, wsrep(cluster_size=1, members=())], ids=["down", "tells no names"])
def test_otherwise_the_operators_word_is_taken(member, says):
    member.enter(Stage.RUNNING, "Synced")
    if says:
        member.saw_wsrep(says)
    appoint(member, "db.9")
    assert member.epoch == 5


def test_every_member_may_be_appointed_at_once(member):
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(wsrep(cluster_size=1, members=("db.1",)))
    obey(member, Admit(5, member.settings.incarnation, 50.0, allow_donor=False))
    appoint(member, ANY_WRITER)
    assert member.status().writer == ANY_WRITER
    assert member.status().api_level == API_LEVEL
    assert member.is_writer
    assert member.may_write().code == 200


@pytest.mark.parametrize("stage", list(Stage))
def test_a_stop_that_is_meant_for_a_drained_member_is_refused_by_every_other_one(member, stage):
    member.enter(stage, "busy")
    stop = Stop(5, member.settings.incarnation, only_drained=True)
    if stage in {Stage.DRAINING, Stage.DRAINED}:
        obey(member, stop)
    else:
        with pytest.raises(Refused, match="only a drained member was to be stopped"):
            obey(member, stop)
    assert bool(member.wishes.stop) is (stage in {Stage.DRAINING, Stage.DRAINED})


def test_any_other_stop_is_for_a_member_in_every_stage(member):
    member.enter(Stage.RUNNING, "Synced")
    obey(member, Stop(5, member.settings.incarnation))
    assert member.wishes.stop


def test_a_writer_that_has_to_join_again_is_replaced():
    role = Role("db.1", 5)
    assert choose_writer(one(2, role=role), [one(1, role=role)]).writer == "db.1"
    assert choose_writer(one(2, role=role), [one(1, role=role, local_state=1)]).writer == "db.2"


def test_a_command_for_another_life_changes_nothing(member):
    with pytest.raises(Refused, match="meant for incarnation another"):
        obey(member, AppointWriter(5, "another", "db.1"))
    assert member.epoch == 0


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}])
def test_only_a_member_that_serves_can_be_drained(member, stage):
    member.enter(stage, "busy")
    with pytest.raises(Refused, match="there is nothing to drain"):
        obey(member, Drain(5, member.settings.incarnation, 50.0))
    assert member.stage is stage


def test_a_member_that_serves_begins_to_drain_at_once(member):
    member.enter(Stage.RUNNING, "Synced")
    obey(member, Drain(5, member.settings.incarnation, 50.0))
    assert member.stage is Stage.DRAINING
    assert member.wishes.drain == 50.0


@pytest.mark.parametrize("stage", [Stage.DRAINING, Stage.DRAINED])
def test_a_drain_under_way_is_not_begun_again(member, stage):
    member.enter(stage, "on its way")
    obey(member, Drain(5, member.settings.incarnation, 50.0))
    assert member.stage is stage
    assert member.wishes.drain is None


def test_a_grant_that_was_taken_is_not_taken_twice(member):
    member.found_disk(Disk(Directory.EMPTY))
    member.enter(Stage.WAITING, "waiting")
    bootstrap(member, None)
    with pytest.raises(Refused, match="a grant is for a waiting member"):
        bootstrap(member, None)


@pytest.mark.parametrize("address", ["", "db.1", "10.0.0", "10.0.0.1; rm"])
def test_a_grant_names_addresses_and_nothing_else(member, address):
    member.found_disk(Disk(Directory.EMPTY))
    member.enter(Stage.WAITING, "waiting")
    with pytest.raises(Refused, match="is not an IPv4 address"):
        obey(member, Grant(5, member.settings.incarnation, address, None, ()))
    with pytest.raises(Refused, match="is not an IPv4 address"):
        obey(member, Grant(5, member.settings.incarnation, "10.0.0.1", None, (address,)))


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (wsrep(cluster_size=1, local_state=2), "not Synced in a Primary component"),
        (wsrep(cluster_size=1, ready=False), "not Synced in a Primary component"),
        (wsrep(cluster_size=1, state_uuid=ZERO_UUID), "the state UUID is zeros"),
        (None, "not Synced in a Primary component"),
    ],
    ids=["donor", "not ready", "zeros", "down"],
)
def test_a_member_that_is_not_synced_in_a_known_history_is_not_admitted(member, says, told):
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(says)
    with pytest.raises(Refused, match=told):
        obey(member, Admit(5, member.settings.incarnation, 50.0, allow_donor=False))
    assert not member.is_admitted


def test_a_writer_of_the_component_is_taken(member):
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(wsrep(cluster_size=2, members=BOTH))
    appoint(member, "db.2")
    assert member.epoch == 5


def unsettled(own: Seen, *others: Seen) -> str:
    return choose_writer(own, others, settled=False).writer


def test_right_after_a_change_no_writer_is_made_up_before_everybody_in_the_component_was_heard():
    assert unsettled(one(1), one(2)) == "db.1"
    assert unsettled(one(1)) == ""
    assert chosen(one(1)) == "db.1"
    assert unsettled(one(1, members=("db.1",)), one(2)) == "db.1"
    assert unsettled(one(1, members=())) == "db.1"
