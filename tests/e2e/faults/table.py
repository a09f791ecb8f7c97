"""The figures of all faults, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).parents[3] / "build" / "faults.md"
HEAD = ("fault", "detected after", "traffic back after", "failed transactions", "members back after")
NOTE = (
    "Seconds after the fault. Detected: the operator or a member says that something has changed. Traffic: a new connection's "
    "write, tried every 50 ms; 0 where there was one in every second, `+` a later interruption, by its own length. Failed: of 32 "
    "a second over 8 connections."
)


@dataclass(frozen=True)
class Row:
    """One fault's figures. Seconds; None: there was none to measure."""

    fault: str
    detected: float | None
    interruptions: tuple[float, ...]
    """One that came with the fault from there to its end, later ones by their own length."""
    failed: int
    transactions: int
    members_back: float
    back_after_end: float | None = None
    """Since the fault was over, where it lasts."""

    @property
    def cells(self) -> tuple[str, ...]:
        back = " + ".join(f"{lasted:.1f} s" for lasted in self.interruptions) or "0"
        whole = _in_words(self.members_back)
        if self.back_after_end is not None:
            whole += f", {self.back_after_end:.1f} s after its end"
        return (self.fault, _in_words(self.detected), back, f"{self.failed} of {self.transactions}", whole)


@dataclass
class Table:
    """Rows in the order of the tests, and lines to stand below them."""

    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        lines = [HEAD, tuple("---" for _ in HEAD), *(row.cells for row in self.rows)]
        table = [f"| {' | '.join(cells)} |" for cells in lines]
        return "\n".join([*table, "", NOTE, *(f"\n{remark}" for remark in self.remarks)])

    def write(self) -> None:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(self.markdown() + "\n")


TABLE = Table()
"""Of this run of the tests; tests/e2e/conftest.py prints it at the end."""


def _in_words(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"
