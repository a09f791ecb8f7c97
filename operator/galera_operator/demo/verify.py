"""Is every acknowledged write in the database that survives? By primary key, both directions. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from galera_operator.demo.tally import Result

Row = tuple[int, int]
"""Worker and sequence number."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`missing`: acknowledged, not found. `stray`: found though the client had been told that it failed.

    A write whose outcome the client could not know is neither, found or not.
    """

    acknowledged: int
    found: int
    missing: tuple[Row, ...]
    stray: tuple[Row, ...]


def query(run: int) -> str:
    """The SQL that lists what a load wrote in whole: a row that is only inserted is half a transaction, and not found."""
    return f"SELECT worker, seq FROM demo.writes WHERE run = {run:d} AND half = 2"  # noqa: S608 - a number


def rows_from(text: str) -> set[Row]:
    """Read what ``mariadb --batch --skip-column-names`` printed for `query`."""
    found = set()
    for line in text.splitlines():
        worker, seq = line.split("\t")
        found.add((int(worker), int(seq)))
    return found


def verify(seen: Result, found: set[Row]) -> Verdict:
    """Compare what was acknowledged with what was found."""
    acknowledged = seen.rows()
    return Verdict(
        acknowledged=len(acknowledged),
        found=len(acknowledged & found),
        missing=tuple(sorted(acknowledged - found)),
        stray=tuple(sorted(found - acknowledged - seen.unclear_rows())),
    )
