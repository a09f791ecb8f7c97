"""What the agent's commands presuppose: each refusal is one sentence and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from builders import A, B, C, status, wsrep

from galera_operator.agent.commands import Refused, obey
from galera_operator.agent.disk import Disk
from galera_operator.agent.member import Member
from galera_operator.agent.peers import Heard, Peers
from galera_operator.agent.settings import read_settings
from galera_operator.core.agent_api import Admission, Admit, Command, Drain, Fence, FormPrimary, Grant, Stage
from galera_operator.core.position import ZERO_UUID, Directory, Position

SYNCED = wsrep(cluster_size=1, members=("db.1",))
LOST = replace(SYNCED, cluster_status="non-Primary", ready=False, local_state=0, conf_id=2**64 - 1)
"""What a member says that lost its majority: the state UUID and what it committed stay."""
COPY = Position(A, 100)


class Told(Peers):
    """Peers of whom the test says what they said."""

    def __init__(self) -> None:
        super().__init__("other", (), ())
        self.said: list[Heard] = []

    def heard(self, max_age: float) -> list[Heard]:
        return [one for one in self.said if one.age <= max_age]


@pytest.fixture
def member(tmp_path: Path) -> Member:
    (tmp_path / "token").write_text("token")
    settings = read_settings({"GALERA_TOKEN_FILE": str(tmp_path / "token"), "GALERA_SERVICE": "db", "GALERA_SLOT": "1"}, [])
    return Member(settings, Told())


def say(member: Member, slot: int, age: float = 0.1, stage: Stage = Stage.RUNNING, **changes: Any) -> None:
    assert isinstance(member.peers, Told)
    member.peers.said.append(Heard(f"10.0.0.{slot}", replace(status(slot, stage=stage), wsrep=wsrep(**changes)), age))


def wait_with(member: Member, disk: Disk | None = None) -> None:
    member.found_disk(disk or Disk(Directory.USABLE, COPY, cluster_uuid=A))
    member.enter(Stage.WAITING, "waiting")


def live_without_primary(member: Member, **changes: Any) -> None:
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(replace(LOST, **changes))


def send(member: Member, kind: type[Command], epoch: int = 5, **values: Any) -> None:
    obey(member, kind(epoch, member.settings.incarnation, **values))


def grant(member: Member, epoch: int = 5, **values: Any) -> None:
    send(member, Grant, epoch, **({"address": "10.0.0.1", "position": COPY, "peers": ()} | values))


# The fence ------------------------------------------------------------------------------------------------------------


def test_a_waiting_member_promises_and_keeps_it(member: Member) -> None:
    wait_with(member)
    send(member, Fence, epoch=7)
    assert member.status().epoch == 7
    with pytest.raises(Refused, match="epoch 6 is over"):
        grant(member, epoch=6)
    assert member.wishes.start is None
    send(member, Fence, epoch=7)
    grant(member, epoch=7)


def test_a_member_outside_any_primary_component_promises_too(member: Member) -> None:
    live_without_primary(member)
    send(member, Fence, epoch=7)
    with pytest.raises(Refused, match="epoch 6 is over"):
        send(member, FormPrimary, epoch=6, position=COPY)
    assert not member.wishes.form_primary


def in_a_primary_component(member: Member) -> None:
    live_without_primary(member, cluster_status="Primary")


def not_answering(member: Member) -> None:
    member.enter(Stage.RUNNING, "Synced")


def granted(member: Member) -> None:
    wait_with(member)
    grant(member)


def forming_a_primary_component(member: Member) -> None:
    live_without_primary(member)
    send(member, FormPrimary, position=COPY)


def formed_one_just_now(member: Member) -> None:
    live_without_primary(member)
    member.wishes.forming = True


def starting(member: Member) -> None:
    member.enter(Stage.STARTING, "reading the disk")


def joining(member: Member) -> None:
    live_without_primary(member)
    member.enter(Stage.JOINING, "joining")


def bootstrapping(member: Member) -> None:
    member.enter(Stage.BOOTSTRAPPING, "bootstrapping")


CANNOT_PROMISE = [
    in_a_primary_component,
    not_answering,
    granted,
    forming_a_primary_component,
    formed_one_just_now,
    starting,
    joining,
    bootstrapping,
]


@pytest.mark.parametrize("circumstance", CANNOT_PROMISE, ids=lambda made: made.__name__)
def test_who_may_be_or_become_primary_promises_nothing(member: Member, circumstance) -> None:
    circumstance(member)
    before = member.status().epoch
    with pytest.raises(Refused):
        send(member, Fence, epoch=9)
    assert member.status().epoch == before


# pc.bootstrap ---------------------------------------------------------------------------------------------------------


def test_a_member_without_a_primary_component_is_asked_to_form_it(member: Member) -> None:
    live_without_primary(member)
    say(member, 2, cluster_status="non-Primary")
    say(member, 3, age=2.5)
    send(member, FormPrimary, position=COPY)
    assert member.wishes.form_primary, "what was Primary 2.5 s ago is nobody's word for now"


REFUSED_TO_FORM = {
    "it is in one": ({"cluster_status": "Primary"}, COPY, "expected a member that is not"),
    "it has left its group": ({"cluster_status": "Disconnected", "connected": False}, COPY, "has left its group"),
    "it committed less": ({"last_committed": 99}, COPY, "has committed"),
    "it committed more": ({"last_committed": 101}, COPY, "has committed"),
    "it is of another history": ({"state_uuid": B}, COPY, "has committed"),
    "it does not know its history": ({"state_uuid": ZERO_UUID}, Position(ZERO_UUID, 100), "has committed"),
}


@pytest.mark.parametrize(("says", "position", "sentence"), REFUSED_TO_FORM.values(), ids=REFUSED_TO_FORM.keys())
def test_forming_a_primary_component_is_refused_where(member: Member, says, position, sentence) -> None:
    live_without_primary(member, **says)
    with pytest.raises(Refused, match=sentence):
        send(member, FormPrimary, position=position)
    assert not member.wishes.form_primary
    assert member.status().epoch == 0


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.WAITING, Stage.JOINING, Stage.BOOTSTRAPPING, Stage.STOPPING])
def test_only_a_running_member_forms_a_primary_component(member: Member, stage: Stage) -> None:
    live_without_primary(member)
    member.enter(stage, "elsewhere")
    with pytest.raises(Refused, match="only a running member"):
        send(member, FormPrimary, position=COPY)


def test_a_leaving_or_silent_member_forms_nothing(member: Member) -> None:
    member.enter(Stage.RUNNING, "Synced")
    with pytest.raises(Refused, match="does not answer"):
        send(member, FormPrimary, position=COPY)
    live_without_primary(member)
    member.request_stop("SIGTERM")
    with pytest.raises(Refused, match=r"asked to stop \(SIGTERM\)"):
        send(member, FormPrimary, position=COPY)


@pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.DRAINED, Stage.BOOTSTRAPPING])
def test_no_second_primary_component_is_formed_or_bootstrapped(member: Member, stage: Stage) -> None:
    say(member, 2, stage=stage)
    live_without_primary(member)
    with pytest.raises(Refused, match="would split the cluster"):
        send(member, FormPrimary, position=COPY)
    wait_with(member)
    with pytest.raises(Refused, match="would split the cluster"):
        grant(member)


# A new history, and a copy that is given up ---------------------------------------------------------------------------


def test_a_bootstrap_may_begin_a_new_history(member: Member) -> None:
    wait_with(member)
    grant(member, history=B)
    start = member.wishes.start
    assert start is not None
    assert (start.is_bootstrap, start.position, start.history) == (True, COPY, B)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"history": "B"}, "8-4-4-4-12"),
        ({"history": B.upper()}, "8-4-4-4-12"),
        ({"history": A}, "neither zeros nor the copy's own"),
        ({"history": ZERO_UUID}, "neither zeros nor the copy's own"),
        ({"history": B, "peers": ("10.0.0.2",)}, "only a bootstrap begins one"),
        ({"history": B, "peers": ("10.0.0.2",), "replaces": True}, "only a bootstrap begins one"),
        ({"replaces": True}, "none is named"),
        ({"replaces": True, "peers": ("10.0.0.2",), "position": Position(A, 99)}, "the grant is for position"),
        ({"replaces": True, "peers": ("10.0.0.2",), "position": None}, "the grant is for position none"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_grant_about_histories_is_refused_where_it_does_not_fit(member: Member, values: dict[str, Any], sentence: str) -> None:
    wait_with(member)
    with pytest.raises(Refused, match=sentence):
        grant(member, **values)
    assert member.wishes.start is None
    assert not member.wishes.replaced_by
    assert not member.peers.addresses()


def test_a_copy_killed_in_the_middle_of_ddl_is_gone_on_from_only_under_a_new_history(member: Member) -> None:
    wait_with(member, Disk(Directory.MID_DDL, COPY, note="it was killed while it ran DDL"))
    with pytest.raises(Refused, match="only under a new history, by a person's decision: it was killed while it ran DDL"):
        grant(member)
    assert member.wishes.start is None
    grant(member, history=B)
    start = member.wishes.start
    assert start is not None
    assert (start.position, start.history, start.mid_ddl) == (COPY, B, True)


def test_an_empty_directory_begins_no_named_history(member: Member) -> None:
    wait_with(member, Disk(Directory.EMPTY))
    with pytest.raises(Refused, match="this directory is empty"):
        grant(member, position=None, history=B)


def test_a_copy_is_given_up_only_by_a_grant_that_says_so(member: Member) -> None:
    wait_with(member, Disk(Directory.USABLE, Position(C, 7), cluster_uuid=C))
    say(member, 2)
    grant(member, position=Position(C, 7), peers=("10.0.0.2",))
    assert isinstance(member.component(), str)
    grant(member, position=Position(C, 7), peers=("10.0.0.2",), replaces=True)
    found = member.component()
    assert not isinstance(found, str)
    assert (found.state_uuid, found.replaces) == (A, True)


def test_an_incomplete_directory_is_given_up_without_a_position(member: Member) -> None:
    wait_with(member, Disk(Directory.INCOMPLETE, cluster_uuid=C))
    grant(member, position=None, peers=("10.0.0.2",), replaces=True)
    assert member.wishes.replaced_by == {"10.0.0.2"}


# Leaving --------------------------------------------------------------------------------------------------------------


def test_a_member_that_was_asked_to_stop_says_so_and_is_not_taken_back(member: Member) -> None:
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(SYNCED)
    send(member, Admit, drain_seconds=5.0, allow_donor=False)
    assert not member.status().leaving
    member.request_stop("SIGTERM")
    assert member.status().leaving
    for stage in (Stage.RUNNING, Stage.DRAINING, Stage.DRAINED):
        member.enter(stage, "on its way out")
        with pytest.raises(Refused, match=r"asked to stop \(SIGTERM\)"):
            send(member, Admit, drain_seconds=5.0, allow_donor=False)
    assert not member.wishes.cancel_drain


def test_a_drain_that_the_operator_asked_for_is_not_a_leave(member: Member) -> None:
    member.enter(Stage.RUNNING, "Synced")
    member.saw_wsrep(SYNCED)
    send(member, Drain, seconds=5.0)
    assert not member.status().leaving


def test_a_member_that_was_asked_to_stop_does_not_admit_itself(tmp_path: Path) -> None:
    settings = read_settings({"GALERA_SERVICE": "db", "GALERA_SLOT": "1", "GALERA_OPERATOR_AWAY": "0"}, [])
    members = [Member(settings, Told()) for _ in range(2)]
    for member in members:
        member.enter(Stage.RUNNING, "Synced")
        member.saw_wsrep(SYNCED)
    members[0].request_stop("SIGTERM")
    assert [member.admit_self() for member in members] == [False, True]
    assert members[0].status().admission is Admission.NONE


def test_a_waiting_member_that_was_asked_to_stop_takes_no_grant(member: Member) -> None:
    wait_with(member)
    member.request_stop("SIGTERM")
    with pytest.raises(Refused, match="asked to stop"):
        grant(member)
