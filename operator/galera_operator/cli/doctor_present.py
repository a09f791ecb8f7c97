"""Show findings to a person (paragraphs, worst first) or to a program (JSON)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import indent, wrap
from typing import Any

from rich.text import Text

from galera_operator.core.checkup.finding import Finding, Severity

_STYLES = {Severity.DANGER: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was examined, what was found, and what could not be looked at."""

    subject: str
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Nothing but notes."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs. Stable keys; the ids and severities are stable as well."""
    return {
        "subject": report.subject,
        "clean": report.is_clean,
        "findings": [
            {
                "id": finding.id,
                "severity": str(finding.severity),
                "about": finding.about,
                "found": finding.found,
                "why": finding.why,
                "change": finding.change,
                "places": [{"file": place.file, "line": place.line} for place in finding.places],
            }
            for finding in report.findings
        ],
        "not_checked": list(report.not_checked),
    }


def as_text(report: Report, width: int) -> Text:
    """The report for people: what, why, and the lines to write, one paragraph for each finding.

    To be printed with `soft_wrap`: sentences are broken to `width` columns here, lines to copy never are.
    """
    text = Text()
    for finding in report.findings:
        places = ", ".join(map(str, finding.places)) or finding.about
        text.append(str(finding.severity), _STYLES[finding.severity]).append(f"  {finding.id}", "bold")
        text.append(f"  {places}\n", "dim")
        _sentence(text, finding.found, width)
        _sentence(text, finding.why, width, "dim")
        text.append(indent(finding.change, "    ") + "\n\n", "green")
    if report.not_checked:
        text.append("not checked\n", "bold")
        for sentence in report.not_checked:
            _sentence(text, sentence, width, "dim")
        text.append("\n")
    return text.append(f"{report.subject}: {summary(report)}", "bold")


def summary(report: Report) -> str:
    """``2 dangers, 1 note``."""
    counts = Counter(finding.severity for finding in report.findings)
    told = [f"{counts[one]} {one}{'s' if counts[one] > 1 else ''}" for one in Severity if counts[one]]
    return ", ".join(told) or "nothing found"


def _sentence(text: Text, sentence: str, width: int, style: str = "") -> None:
    lines = wrap(sentence, width, initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    text.append("\n".join(lines) + "\n", style)
