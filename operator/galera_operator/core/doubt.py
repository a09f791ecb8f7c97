"""What the operator must not decide: each of these questions answers with a page, or with None when there is no such doubt."""

from __future__ import annotations

from galera_operator.core.agent_api import Stage
from galera_operator.core.consent import COPIES, may_replace, replace_command
from galera_operator.core.model import LiveSeat, Silence, Snapshot, Unseen
from galera_operator.core.plan import Page
from galera_operator.core.position import ZERO_UUID
from galera_operator.core.remembered import Memory
from galera_operator.core.renewal import renew_command

VIEW_PATIENCE = 2.0
"""Seconds that two members' different views have to last: a change of view reaches all of them within far less."""

ONE_WAY_PATIENCE = 10.0
"""The same where the views overlap: a member that was frozen goes on telling its old view for up to 6 s."""


def data_in_doubt(seen: Snapshot, memory: Memory) -> Page | None:
    """Page when members that serve disagree about which data is the cluster's."""
    serving = [(seat, seat.wsrep) for seat in seen.primaries if seat.wsrep.answers_queries]
    for seat, wsrep in serving:
        if wsrep.state_uuid == ZERO_UUID:
            return Page(
                "state-uuid-zeros",
                f"{seat.title} says {wsrep.local_state_comment} with a state UUID of zeros: it was started without its position, "
                "its rows may differ",
                "Take it out of service, compare its tables with the others', and let it join again from an empty directory.",
            )
    histories = {wsrep.state_uuid: seat for seat, wsrep in serving}
    if len(histories) > 1:
        told = " and ".join(f"{seat.title} in {uuid}" for uuid, seat in sorted(histories.items()))
        return Page(
            "split-brain",
            f"two Primary components are alive: {told}; writes go to both",
            "Stop the applications, decide which history to keep, stop the members of the other and let them join it.",
        )
    apart = split_views(seen)
    if apart:
        first, second = apart
        return Page(
            "split-brain",
            f"two Primary components of one history are alive: {_view(first)}, and {_view(second)}; writes go to both",
            "Stop the applications and decide which component to keep. Empty the data directories of the other's members before "
            "they join it: their rows differ under the same state UUID.",
        )
    for uuid, seat in histories.items():
        if memory.uuid and uuid != memory.uuid:
            return Page(
                "foreign-history",
                f"{seat.title} serves state UUID {uuid}, recorded for {seen.service.name} is {memory.uuid}",
                f"If the new data is the right one: docker config rm galera-operator.{seen.service.name}; "
                "else bring back the recorded data.",
            )
    return None


def split_views(seen: Snapshot) -> tuple[LiveSeat, LiveSeat] | None:
    """Two members that serve in Primary components of which neither has the other in it, and have done so for a while."""
    lasting = _with_lasting_view(seen, VIEW_PATIENCE)
    for index, one in enumerate(lasting):
        for other in lasting[index + 1 :]:
            if not set(one.wsrep.members) & set(other.wsrep.members):
                return one, other
    return None


def one_way(seen: Snapshot) -> Page | None:
    """Page when members of one Primary component go on disagreeing about who is in it: packets pass in one direction only."""
    lasting = _with_lasting_view(seen, ONE_WAY_PATIENCE)
    for one in lasting:
        for other in lasting:
            if set(one.wsrep.members) - set(other.wsrep.members):
                return Page(
                    "views-differ",
                    f"members of one Primary component disagree about who is in it: {_view(one)}, but {_view(other)}; "
                    "packets may pass in one direction only",
                    f"Look at the network between {one.task.node or one.title} and {other.task.node or other.title}, in both "
                    "directions: UDP 4789 of the overlay, TCP 4567 inside it.",
                )
    return None


def _with_lasting_view(seen: Snapshot, seconds: float) -> list[LiveSeat]:
    primaries = [seat for seat in seen.primaries if seat.wsrep.members]
    return [seat for seat in primaries if seat.agent.view_age > seconds]


def _view(seat: LiveSeat) -> str:
    return f"{seat.title} sees {', '.join(seat.wsrep.members)}"


def unwelcome_copy(seen: Snapshot, memory: Memory) -> Page | None:
    """Page when a member that waits to join holds data that joining would erase: another history, or newer write-sets."""
    serving = [seat.wsrep for seat in seen.primaries if seat.wsrep.answers_queries]
    for seat in seen.stopped:
        agent = seat.agent
        if not serving or agent.stage is not Stage.WAITING:
            continue
        if agent.directory not in COPIES or agent.position is None or may_replace(seat, memory):
            continue
        if agent.position.uuid not in {wsrep.state_uuid for wsrep in serving}:
            return Page(
                "foreign-history",
                f"{seat.title} holds {agent.position}, another history than the Primary component's; joining would erase it",
                f"Decide which to keep; to give up this copy: {replace_command(seen.service.name, seat.slot)}",
            )
        newest = max(wsrep.last_committed for wsrep in serving)
        if agent.position.seqno > newest:
            return Page(
                "copy-ahead",
                f"{seat.title} holds {agent.position}, but the Primary component is only at {newest}: it was started from an "
                "older copy, and acknowledged writes are only in the waiting one",
                "Stop the applications, save that data directory, and decide which of the two goes on; to give up the waiting "
                f"copy: {replace_command(seen.service.name, seat.slot)}",
            )
    return None


def record_damaged(service: str, fault: str) -> Page:
    """Page because what was recorded about a cluster cannot be read any more."""
    return Page(
        "record-damaged",
        f"{fault}; nothing is done without it",
        f"If a newer version of the operator wrote it, run that one. Else make it anew from what every member says: "
        f"{renew_command(service)}",
    )


def locked_out(seen: Snapshot) -> Page | None:
    """Page when a database refuses the operator's account: the secrets differ."""
    for seat in seen.unseen:
        if seat.member.kind is Silence.NO_LOGIN:
            return Page(
                "wrong-secret",
                f"{seat.title} was not seen: {seat.member.cause}",
                "Give the operator's service the secret galera_token that the database's service has.",
            )
    return None


def not_galera(seen: Snapshot) -> Page | None:
    """Page when every task runs and none has an agent: the labels are on a service that this operator cannot operate."""
    if all(isinstance(s.member, Unseen) and s.member.kind is Silence.NO_AGENT and s.task.is_running for s in seen.seats):
        return Page(
            "not-galera",
            f"every task of {seen.service.name} runs, but nothing listens on the member agent's port: not a Galera member image",
            f"Use the member image, or remove the labels: docker service update --label-rm galera.replicas {seen.service.name}",
        )
    return None
