"""Stack files with one thing changed: what is planted, and what the doctor then says about the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from galera_operator.adapters.stack_file import load
from galera_operator.core.checkup.examine import examine
from galera_operator.core.checkup.finding import Finding
from galera_operator.core.checkup.setup import Machine, Node, Setup

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
GALERA, WORDPRESS, ARTICLE = (CHARTS / name / "stack.yml" for name in ("galera", "wordpress", "article"))
ARTICLE_OF_2017 = Path(__file__).with_name("data") / "article-2017.yml"

ENGINE = "28.3.3"
CALM = Machine(
    ip_vs=True,
    is_manager=True,
    nodes=tuple(Node(f"n{number}", f"10.0.0.{number}", ENGINE, is_manager=True) for number in (1, 2, 3)),
)
"""Three managers with an engine that no fault is known of."""


@dataclass(frozen=True)
class Planted:
    """The shipped chart with one thing changed, and what is to be found.

    `line`: what stands in the line that the finding names. `change`: what the line to write contains.
    """

    id: str
    severity: str
    edits: tuple[tuple[str, str], ...]
    line: str
    change: str

    def __str__(self) -> str:
        return self.id


def edited(*edits: tuple[str, str], file: Path = GALERA) -> str:
    """The file's text with each pattern replaced wherever it stands; every pattern has to be there."""
    text = file.read_text()
    for pattern, new in edits:
        text, times = re.subn(pattern, lambda _: new, text, flags=re.MULTILINE)  # noqa: B023 - used before the next turn
        assert times, f"{file}: nothing matches {pattern}"
    return text


def examined(*files: Path, machine: Machine | None = None) -> tuple[Finding, ...]:
    return examine(load(files, {}), machine)


def ids(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.id for finding in findings]


def setup_of(*edits: tuple[str, str], folder: Path) -> Setup:
    """The shipped chart, changed, as the doctor's value."""
    file = folder / "stack.yml"
    file.write_text(edited(*edits))
    return load([file], {})
