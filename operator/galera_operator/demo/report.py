"""What the demo found, as a table and as a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from galera_operator.demo.pages import PagesResult
from galera_operator.demo.tally import Result
from galera_operator.demo.timeline import Timeline
from galera_operator.demo.verify import Verdict

MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """All results of one demo. `restarted`: tasks of the database that nobody wished for."""

    load: Result
    pages: PagesResult
    verdict: Verdict
    restarted: int = 0


def faults(outcome: Outcome) -> list[str]:
    """Why the demo failed, a sentence each; empty when it went as promised."""
    load, pages, verdict = outcome.load, outcome.pages, outcome.verdict
    found = []
    if load.failed:
        found.append(f"{load.failed} of {load.transactions} transactions failed")
    if load.unconnected:
        found.append(f"{load.unconnected} transactions got no connection")
    if not load.acknowledged:
        found.append("not one write was acknowledged")
    if verdict.missing:
        found.append(f"{len(verdict.missing)} of {verdict.acknowledged} acknowledged writes are missing")
    if pages.failed:
        found.append(f"{pages.failed} of {pages.fetched} pages failed")
    if not pages.fetched:
        found.append("not one page was fetched")
    return found


def details(outcome: Outcome, timeline: Timeline) -> list[str]:
    """The failures one by one, the first few of each sort."""
    load, pages, verdict = outcome.load, outcome.pages, outcome.verdict
    lines = [f"{timeline.where(load.begun + failure.at)}: {failure}" for failure in load.failures[:MOST_SHOWN]]
    lines += [f"{timeline.where(failure.at)}: {failure.url}: {failure.why}" for failure in pages.failures[:MOST_SHOWN]]
    lines += [f"missing: connection {worker}, write {seq}" for worker, seq in verdict.missing[:MOST_SHOWN]]
    return lines


def steps_table(timeline: Timeline) -> Table:
    """Each step and how long it took; below it what happened inside, as seconds since the step's begin."""
    table = Table(title="Steps", title_justify="left")
    table.add_column("step")
    table.add_column("after", justify="right")
    table.add_column("took", justify="right")
    for span in timeline.spans:
        took = "-" if span.ended is None else f"{span.ended - span.begun:.1f} s"
        table.add_row(Text(span.name, style="bold"), "", took)
        for mark in timeline.marks_in(span):
            table.add_row(Text(f"  {mark.what}"), f"{mark.at - span.begun:.1f} s", "")
    return table


def results_table(outcome: Outcome, timeline: Timeline) -> Table:
    """What the clients saw."""
    load, pages, verdict = outcome.load, outcome.pages, outcome.verdict
    p50, p95, p99, _ = load.latency
    stall = f"{load.stall.seconds:.2f} s"
    rows = [
        ("transactions", str(load.transactions), f"in {load.seconds:.0f} s"),
        ("failed transactions", str(load.failed), ""),
        ("connections not made", str(load.unconnected), ""),
        ("connections renewed by the pool", str(load.reconnects), "its ping found them closed; no failure"),
        ("longest stall", stall, timeline.where(load.begun + load.stall.at)),
        ("transaction time", f"{p50 * 1000:.0f} ms", f"half of them; 95 %: {p95 * 1000:.0f} ms, 99 %: {p99 * 1000:.0f} ms"),
        ("writes acknowledged", str(verdict.acknowledged), ""),
        ("writes found", str(verdict.found), f"missing: {len(verdict.missing)}"),
        ("pages fetched", str(pages.fetched), f"slowest {pages.slowest:.1f} s"),
        ("pages failed", str(pages.failed), ""),
        ("members restarted", str(outcome.restarted), ""),
    ]
    if verdict.stray:
        rows.append(("writes found that had failed", str(len(verdict.stray)), ""))
    table = Table(title="What the clients saw", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.add_column("")
    for row in rows:
        table.add_row(*row)
    return table


def report(outcome: Outcome, timeline: Timeline) -> RenderableType:
    """The whole report."""
    bad = faults(outcome)
    good = Text("Nothing failed, nothing is missing.", style="green")
    verdict = Text(f"FAILED: {'; '.join(bad)}", style="red") if bad else good
    return Group(steps_table(timeline), results_table(outcome, timeline), *map(Text, details(outcome, timeline)), verdict)
