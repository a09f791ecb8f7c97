"""``galera-operator runbook``: read runbooks, ask for a run, follow it, answer it, end it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from galera_operator.cli.consent_commands import NotAllowed, person, write_over
from galera_operator.cli.looking import looking
from galera_operator.cli.lookout import Lookout
from galera_operator.cli.output import AsJson, Service, fail, out
from galera_operator.core.conditions import CONDITIONS
from galera_operator.core.decide import decide
from galera_operator.core.plan import Plan
from galera_operator.core.planned import Planned, Run, RunState
from galera_operator.core.remembered import Memory
from galera_operator.core.report import run_json
from galera_operator.core.runbook import Runbook
from galera_operator.core.running import NotRequested, abort, advance, answer, request
from galera_operator.core.verbs import VERBS
from galera_operator.runtime.runbooks import BadRunbook, load, read
from galera_operator.runtime.schedule import next_time, why_closed
from galera_operator.settings import Settings

app = typer.Typer(no_args_is_help=True)

POLL = 1.0
"""Seconds between two looks at the record while following a run."""

EXIT_OF = {RunState.DONE: 0, RunState.FAILED: 1, RunState.ASKING: 4, RunState.ABORTED: 5}
"""Exit codes of a run that is followed; 3 for one that failed and calls a person."""

Name = Annotated[str, typer.Argument(help="The runbook's name; `runbook list` tells them.")]
Settings_ = Annotated[list[str] | None, typer.Option("--set", help="A parameter as name=value; give it once for each.")]


@app.command(name="list")
def list_(*, json_: AsJson = False) -> None:
    """List the runbooks: what each is for, and the pages that it answers.

    Example: galera-operator runbook list
    """
    books = _books()
    if json_:
        out.print_json(json.dumps([_summary(book) for book in books.values()]))
        return
    width = max(map(len, books), default=0)
    for book in books.values():
        answers = f"  (pages: {', '.join(book.answers)})" if book.answers else ""
        out.print(f"{book.name:{width}}  {book.purpose}{answers}", highlight=False, soft_wrap=True)


@app.command()
def show(name: Name, *, json_: AsJson = False) -> None:
    """Show a runbook: its parameters and its stages, in words.

    Example: galera-operator runbook show node-maintenance
    """
    book = _book(_books(), name)
    if json_:
        out.print_json(json.dumps(asdict(book)))
        return
    for line in _in_words(book):
        out.print(line, highlight=False, soft_wrap=True)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A YAML file.")], *, json_: AsJson = False) -> None:
    """Check a runbook's file: every fault with its line. Exit code 2 when there is one.

    Example: galera-operator runbook check runbooks/scale.yaml
    """
    try:
        book = read(file)
    except BadRunbook as error:
        fail(error, 2)
    if json_:
        out.print_json(json.dumps({"file": str(file), **_summary(book)}))
    else:
        out.print(f"{file}: runbook {book.name}, {len(book.stages)} stages", highlight=False)


@app.command()
def run(
    name: Name,
    service: Service,
    *,
    set_: Settings_ = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done first; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Yes to every question that the runbook asks.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it until it is over or asks.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to follow it at most; it goes on without.")] = 86400.0,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Ask the operator to run a runbook; it goes through the same decisions and vetoes as everything that the operator does.

    Exit codes: 0 asked for (with --wait: done), 1 failed or not over in time, 2 bad request and nothing changed, 3 failed and
    calls a person, 4 it asks (galera-operator runbook answer), 5 aborted.

    Example: galera-operator runbook run scale wordpress_dbcluster --set replicas=3 --wait --json
    """
    with looking() as lookout:
        book = _book(lookout.books, name)
        values, faults = book.arguments(_pairs(set_))
        if faults:
            fail("; ".join(faults), 2)
        view = lookout.view(service)
        asked = Run(str(uuid.uuid4()), book.name, book.digest, values, person(), time.time(), RunState.WAITING, answers_all=yes)
        if dry_run:
            for line in prospect(lookout, service, book, asked):
                out.print(line, highlight=False, soft_wrap=True)
            return
        _write(lookout, view.seen.service.name, lambda memory: request(memory, asked))
        if wait:
            raise typer.Exit(follow(lookout, service, asked, timeout, _say_json if json_ else _say))
        (_say_json if json_ else _say)(run_json(service, book, asked))


@app.command()
def status(service: Service, *, json_: AsJson = False) -> None:
    """Show the run on its way or the last one, those that wait, and when each schedule comes next.

    Example: galera-operator runbook status wordpress_dbcluster
    """
    with looking() as lookout:
        view = lookout.view(service)
        planned, settings, now = view.memory.planned, view.seen.settings, time.time()
        runs = [run for run in (planned.run, *planned.requests) if run]
        told = [run_json(service, lookout.books.get(run.runbook), run) for run in runs]
        coming = [
            {"schedule": one.name, "text": one.text, "next": _at(next_time(one.cron, settings.timezone, now))}
            for one in settings.schedules
        ]
        shut = why_closed(settings.maintenance, settings.timezone, now)
        if json_:
            kept = {"away": list(planned.away), "excluded": list(planned.excluded), "window": shut or "open"}
            out.print_json(json.dumps({"service": service, "runs": told, "schedules": coming, **kept}))
            return
        for line in told:
            _say(line)
        for schedule in coming:
            out.print(f"schedule {schedule['schedule']}: {schedule['text']}; next {schedule['next']}", highlight=False)
        if shut:
            out.print(f"planned work {shut}", highlight=False)
        if not told and not coming:
            out.print(f"{service}: no runbook was run, nothing is scheduled", highlight=False)


@app.command(name="answer")
def answer_(
    service: Service, word: Annotated[str, typer.Argument(metavar="yes|no", help="The answer.")], *, set_: Settings_ = None
) -> None:
    """Answer what the run on its way asks. A parameter that only turns out now can be given with it.

    Example: galera-operator runbook answer wordpress_dbcluster yes --set from_slot=2 --set accept_loss_of=3
    """
    if word not in {"yes", "no"}:
        fail(f"the answer is {word!r}; it takes yes or no", 2)
    with looking() as lookout:
        active = lookout.view(service).memory.planned.active
        book = lookout.books.get(active.runbook) if active else None
        more = _pairs(set_)
        if active and book:
            _, faults = book.arguments({**active.arguments, **more})
            if faults:
                fail("; ".join(faults), 2)
        _write(lookout, service, lambda memory: answer(memory, word, more))
        out.print(f"{service}: answered {word}", highlight=False)


@app.command(name="abort")
def abort_(service: Service) -> None:
    """End the run on its way where it stands, and take those that wait off the queue. A node that it kept empty is used again.

    Example: galera-operator runbook abort wordpress_dbcluster
    """
    with looking() as lookout:
        planned = lookout.view(service).memory.planned
        if planned.active is None and not planned.requests and not (planned.run and planned.run.pages):
            fail(f"{service}: no runbook is on its way", 2)
        _write(lookout, service, lambda memory: abort(memory, person()))
        out.print(f"{service}: aborted", highlight=False)


def prospect(lookout: Lookout, service: str, book: Runbook, asked: Run) -> list[str]:
    """What a run would do now, one line each: every stage as things are, and the operator's next step."""
    view, now = lookout.view(service), time.time()
    lines = [f"runbook {book.name} on {service}: {book.purpose}"]
    for number, stage in enumerate(book.stages, 1):
        told = stage.told(asked.arguments)
        does = f"{stage.do} {_listed(told)}".strip() if stage.do else "waits"
        lines.append(f"  {number}. {stage.name}: {does}")
        for word, condition in (("left out if", stage.unless), ("until", stage.until)):
            if condition:
                why_not = CONDITIONS[condition].why_not(view.seen, view.memory, told)
                lines.append(f"     {word} {CONDITIONS[condition].about}: {f'not now: {why_not}' if why_not else 'so it is now'}")
    settings = view.seen.settings
    shut = why_closed(settings.maintenance, settings.timezone, now)
    memory, plan = first_step(view.seen, view.memory, asked, lookout.books, shut if book.planned else "")
    run = memory.planned.run if memory.planned.run and memory.planned.run.id == asked.id else memory.planned.requests[-1]
    lines.append(f"now: {run.state}: {run.note}")
    lines.append(f"the operator would then: {type(plan).__name__.lower()}: {plan.why}")
    return lines


def first_step(seen: Any, memory: Memory, asked: Run, books: Mapping[str, Runbook], shut: str) -> tuple[Memory, Plan]:
    """The memory and the plan of the first turn after this run was asked for."""
    try:
        after = advance(seen, request(memory, asked), books, asked.begun, shut)
    except NotRequested as error:
        fail(error, 2)
    return after, decide(seen, after)


def follow(lookout: Lookout, service: str, asked: Run, within: float, say: Callable[[dict[str, Any]], None]) -> int:
    """Tell each change of a run until it is over or asks; returns the exit code."""
    until, last = time.monotonic() + within, None
    while True:
        if time.monotonic() > until:
            fail(f"not over within {within:.0f} s; it goes on: galera-operator runbook status {service}", 1)
        record = lookout.store.load(service)
        found = found_in(record.memory.planned if record else Planned(), asked.id)
        if found is None:
            fail(f"the run is not in the record of {service} any more: a newer one has taken its place", 1)
        book = lookout.books.get(found.runbook)
        told = run_json(service, book, found)
        if told != last:
            last = told
            say(told)
        if found.state in EXIT_OF:
            return 3 if found.pages else EXIT_OF[found.state]
        time.sleep(POLL)


def found_in(planned: Planned, run_id: str) -> Run | None:
    """The run of this id, waiting, on its way or over."""
    return next((run for run in (planned.run, *planned.requests) if run and run.id == run_id), None)


def _say(told: dict[str, Any]) -> None:
    stage = f", stage {told['stage']} of {told['stages']} ({told['stage_name']})" if told["stage_name"] else ""
    out.print(f"{told['runbook']}: {told['state']}{stage}: {told['note']}", highlight=False, soft_wrap=True)
    if told["state"] == RunState.ASKING:
        out.print(f"  galera-operator runbook answer {told['service']} yes|no", highlight=False, soft_wrap=True)


def _say_json(told: dict[str, Any]) -> None:
    print(json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **told}), flush=True)


def _summary(book: Runbook) -> dict[str, Any]:
    return {
        "name": book.name,
        "purpose": book.purpose,
        "planned": book.planned,
        "answers": list(book.answers),
        "conditions": list(book.conditions),
        "parameters": [asdict(parameter) for parameter in book.parameters],
    }


def _in_words(book: Runbook) -> list[str]:
    lines = [f"{book.name}: {book.purpose}"]
    if book.answers:
        lines.append(f"answers the pages {', '.join(book.answers)}")
    lines.append("waits for the maintenance window" if book.planned else "does not wait for a maintenance window")
    for parameter in book.parameters:
        default = "" if parameter.default is None else f" (default {parameter.default or 'none'})"
        lines.append(f"  --set {parameter.name}=...  {parameter.about}; {parameter.expected}{default}")
    for number, stage in enumerate(book.stages, 1):
        does = VERBS[stage.do].about if stage.do else "wait"
        lines.append(f"  {number}. {stage.name}: {does} {_listed(dict(stage.arguments))}".rstrip())
        if stage.unless:
            lines.append(f"     left out if {CONDITIONS[stage.unless].about}")
        ends = f"until {CONDITIONS[stage.until].about}, " if stage.until else ""
        lines.append(f"     {ends}within {stage.within:.0f} s; else {stage.on_failure}")
    return lines


def _listed(told: Mapping[str, str]) -> str:
    return ", ".join(f"{name}: {text}" for name, text in told.items())


def _at(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _pairs(given: Sequence[str] | None) -> dict[str, str]:
    for pair in given or ():
        if "=" not in pair:
            fail(f"--set takes name=value, not {pair!r}", 2)
    return dict(pair.partition("=")[::2] for pair in given or ())


def _books() -> dict[str, Runbook]:
    try:
        return load(Settings().runbooks)
    except BadRunbook as error:
        fail(error, 2)


def _book(books: Mapping[str, Runbook], name: str) -> Runbook:
    if name not in books:
        fail(f"there is no runbook {name}; there are {', '.join(sorted(books))}", 2)
    return books[name]


def _write(lookout: Lookout, service: str, change: Callable[[Memory], Memory]) -> None:
    try:
        write_over(lookout, service, change)
    except (NotRequested, NotAllowed) as error:
        fail(error, 2)
