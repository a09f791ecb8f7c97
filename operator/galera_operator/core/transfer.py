"""State transfers: how far one is, when it will be done, and when it has stopped moving. Time alone is never a reason."""

from __future__ import annotations

from galera_operator.core.agent_api import Transfer
from galera_operator.core.model import Seat, Snapshot
from galera_operator.core.plan import Page

STUCK_AFTER = 120.0
"""Seconds in which no byte moved, no process of the transfer computed and no stage changed. A slow disk still moves."""


def is_stuck(seat: Seat) -> bool:
    """True when this member is in a state transfer that does not move any more."""
    return _standing_still(seat) is not None


def _standing_still(seat: Seat) -> Transfer | None:
    transfer = seat.agent.transfer if seat.agent else None
    return transfer if transfer and transfer.idle > STUCK_AFTER else None


def seconds_left(transfer: Transfer) -> float | None:
    """The estimated seconds until everything has moved; None where it cannot be told."""
    if transfer.rate <= 0 or transfer.total <= transfer.moved:
        return None
    return (transfer.total - transfer.moved) / transfer.rate


def in_words(transfer: Transfer) -> str:
    """``receiving by mariabackup, 120 of 500 MB, 12.0 MB/s, about 32 s left``."""
    words = f"{transfer.stage} by {transfer.method}"
    if transfer.moved:
        of_total = f" of {transfer.total / 1e6:.0f}" if transfer.total else ""
        words += f", {transfer.moved / 1e6:.0f}{of_total} MB"
    if transfer.rate:
        words += f", {transfer.rate / 1e6:.1f} MB/s"
    left = seconds_left(transfer)
    if left is not None:
        words += f", about {left:.0f} s left"
    if transfer.idle > STUCK_AFTER / 2:
        words += f", nothing has moved for {transfer.idle:.0f} s"
    return words


def stuck_transfer(seen: Snapshot) -> Page | None:
    """Page when a state transfer stands still. It is never ended by the operator: that would cost all that has moved."""
    for seat in seen.seats:
        transfer = _standing_still(seat)
        if transfer:
            return Page(
                "transfer-stuck",
                f"{seat.title} is in a state transfer as {transfer.role} that does not move: {in_words(transfer)}",
                f"Look at both sides, and at disk and network of {seat.task.node or 'its node'}: docker service logs "
                f"{seen.service.name} . To begin it again: docker kill of the joiner's container, never the donor's.",
            )
    return None
