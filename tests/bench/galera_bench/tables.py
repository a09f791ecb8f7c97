"""The results as rows of Markdown tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

HEAD = ("scenario", "system", "failed", "of", "longest stall", "outage", "p99", "took", "lost writes", "not Synced")
NOTE = (
    "16 clients, 40 transactions a second in an open loop, half of them writes; half of the clients open a connection per "
    "transaction, half are a pool's that pings before use. Failed: a statement or COMMIT got an error, its outcome is unknown, "
    "there was no connection, or it was due and its client still hung. Longest stall: of one client; outage: no client at all "
    "got a transaction; p99 from when a transaction was due. Took: until every member was in service again. Lost writes: "
    "acknowledged, and missing on the member that lacks most. Last column: client connections that a member took while it was "
    "not Synced or not Primary, by its own logs."
)


def row(scenario: str, system: str, found: dict[str, Any], within: float) -> tuple[str, ...]:
    felt = found["felt"]
    wrong = ", ".join(f"{count} {state}" for state, count in found["misrouted"].items())
    return (
        scenario,
        system,
        str(felt["failed"] + felt["unserved"]),
        str(felt["due"]),
        f"{felt['stall']:.2f} s",
        f"{felt['outage']:.2f} s",
        f"{felt['latency'][2] * 1000:.0f} ms",
        f"not within {within:.0f} s" if found["whole_after"] is None else f"{found['whole_after']:.1f} s",
        lost(found["missing"]),
        f"{wrong or 0} of {found['accepted']}",
    )


def lost(missing: dict[str, int | None]) -> str:
    """The most that any member lacks; and how many members do not answer."""
    known = [count for count in missing.values() if count is not None]
    silent = len(missing) - len(known)
    if not known:
        return "no member answers"
    return str(max(known)) + (f", {silent} of {len(missing)} members do not answer" if silent else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
