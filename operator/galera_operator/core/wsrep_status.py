"""Read MariaDB's wsrep status rows into a `Wsrep`. Used by the operator's SQL adapter and by the member agent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from galera_operator.core.agent_api import Wsrep
from galera_operator.core.position import ZERO_UUID, Position

STATUS_NAMES = (
    "wsrep_ready",
    "wsrep_connected",
    "wsrep_cluster_status",
    "wsrep_local_state",
    "wsrep_local_state_comment",
    "wsrep_cluster_state_uuid",
    "wsrep_local_state_uuid",
    "wsrep_cluster_conf_id",
    "wsrep_cluster_size",
    "wsrep_last_committed",
    "wsrep_local_recv_queue",
    "wsrep_flow_control_paused",
    "wsrep_desync_count",
)
"""What `wsrep_from_status` reads of MariaDB's global status."""

_OF_THE_GROUP = {"wsrep_desync_count"}
"""What a server that has left its group does not tell: it comes from the layer below, which is closed then."""

FLOW_NAMES = ("wsrep_flow_control_paused_ns", "wsrep_flow_control_sent", "wsrep_flow_control_requested")
"""What `flow_from_status` reads."""


@dataclass(frozen=True, slots=True)
class FlowCounters:
    """Flow control as a member counts it from its start on; FLUSH STATUS may begin the counting anew."""

    paused_ns: int
    sent: int
    requests: bool
    """It asks the others to pause at this moment."""


class StatusUnreadable(ValueError):
    """The rows are not those of a server with Galera; the message names what is missing or odd."""


def wsrep_from_status(rows: Mapping[str, str], members: Iterable[str]) -> Wsrep:
    """Turn status rows into a value.

    Args:
        rows: variable name to value, as ``SHOW GLOBAL STATUS`` gives them.
        members: the wsrep node names of the component, in any order; empty where unknown.

    A Synced member whose own state UUID differs from its component's gets the UUID of zeros: it cannot be trusted to hold
    that component's data, and zeros are what every rule here treats as an alarm.

    A server that has left its group by itself (an inconsistency, an eviction) tells less: that is no fault of the rows.

    Raises:
        StatusUnreadable: a row is missing (no Galera in this server) or is not a number where one is expected.
    """
    has_left = rows.get("wsrep_connected") == "OFF"
    missing = [name for name in STATUS_NAMES if name not in rows and not (has_left and name in _OF_THE_GROUP)]
    if missing:
        raise StatusUnreadable(f"the server has no status {missing[0]}; is wsrep_on set and the Galera provider loaded?")
    try:
        local_state = int(rows["wsrep_local_state"])
        cluster_uuid, local_uuid = _uuid(rows["wsrep_cluster_state_uuid"]), _uuid(rows["wsrep_local_state_uuid"])
        return Wsrep(
            ready=rows["wsrep_ready"] == "ON",
            connected=rows["wsrep_connected"] == "ON",
            cluster_status=rows["wsrep_cluster_status"],
            local_state=local_state,
            local_state_comment=rows["wsrep_local_state_comment"],
            state_uuid=cluster_uuid if cluster_uuid == local_uuid else ZERO_UUID,
            conf_id=int(rows["wsrep_cluster_conf_id"]),
            cluster_size=int(rows["wsrep_cluster_size"]),
            last_committed=int(rows["wsrep_last_committed"]),
            queue=int(rows["wsrep_local_recv_queue"]),
            flow_control_paused=float(rows["wsrep_flow_control_paused"]),
            desync_count=int(rows.get("wsrep_desync_count", "0")),
            members=tuple(sorted(members)),
        )
    except ValueError as error:
        raise StatusUnreadable(f"a wsrep status value is not a number or not a UUID where one is expected: {error}") from error


def _uuid(text: str) -> str:
    """A state UUID; nothing stands for zeros. Raises `ValueError` for what has no UUID's shape."""
    return Position(text or ZERO_UUID, 0).uuid


def flow_from_status(rows: Mapping[str, str]) -> FlowCounters | None:
    """The counters of flow control; None where this server does not tell all of them."""
    try:
        paused, sent, requests = (rows[name] for name in FLOW_NAMES)
        return FlowCounters(int(paused), int(sent), requests == "true")
    except (KeyError, ValueError):
        return None
