"""``galera-operator why``, ``history`` and ``replay``: read the journal back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from galera_operator.cli.output import AsJson, Service, fail
from galera_operator.core.moment import Moment
from galera_operator.core.plan import Act, Page, Plan
from galera_operator.core.story import Event, Kind, events_of, last_episode, phases
from galera_operator.core.strict_json import BadMessage
from galera_operator.core.value_json import to_plain
from galera_operator.core.verdict import decides_otherwise
from galera_operator.runtime.journal import NoJournal, Unreadable, read_cluster, read_file
from galera_operator.settings import Settings

Directory = Annotated[Path | None, typer.Option("--journal", help="The journal's directory; by default the operator's own.")]


def why(
    service: Service,
    slot: Annotated[int | None, typer.Argument(help="One slot; the whole cluster without it.")] = None,
    *,
    journal: Directory = None,
    json_: AsJson = False,
) -> None:
    """Tell why the cluster, or one member, is as it is: what was seen, what was decided, and what it waited for.

    From the last calm moment on. Repeats are told once, with how often and until when.

    Examples: galera-operator why wordpress_dbcluster; galera-operator why wordpress_dbcluster 3
    """
    episode = last_episode(_moments(service, journal))
    now = episode[-1]
    events = [event for event in events_of(episode) if slot is None or slot in event.slots]
    if slot is not None and not events and (now.seen is None or slot not in phases(now.seen)):
        fail(f"{service} has no slot {slot}, and nothing was recorded about one since {_time(episode[0].at)}", 2)
    if json_:
        typer.echo(json.dumps({"service": service, "slot": slot} | _now(now) | {"events": [_event(one) for one in events]}))
        return
    typer.echo(f"{service}: {_kind(now.plan)}: {now.plan.why}")
    if isinstance(now.plan, Page):
        typer.echo(f"  to do: {now.plan.remedy}")
    if slot is not None and now.seen and slot in phases(now.seen):
        typer.echo(f"slot {slot} is {phases(now.seen)[slot]}")
    typer.echo("how it came to that (UTC):")
    _print(events)


def history(
    service: Service,
    *,
    last: Annotated[int, typer.Option(help="How many events, the newest ones.", min=1)] = 100,
    journal: Directory = None,
    json_: AsJson = False,
) -> None:
    """Tell what happened to a cluster, as far back as its journal goes on this manager.

    Example: galera-operator history wordpress_dbcluster --last 20
    """
    events = events_of(_moments(service, journal))[-last:]
    if json_:
        typer.echo(json.dumps({"service": service, "events": [_event(one) for one in events]}))
        return
    _print(events)


def replay(
    file: Annotated[Path, typer.Argument(help="A journal, e.g. wordpress_dbcluster.jsonl.", exists=True, dir_okay=False)],
    *,
    json_: AsJson = False,
) -> None:
    """Decide every recorded moment again with this version, and tell where the decision is another one.

    Exit code 1 when one is; 2 when the file is not a journal that this version reads.

    Example: galera-operator replay /var/lib/galera-operator/wordpress_dbcluster.jsonl
    """
    decided = idle = 0
    others: list[tuple[Moment, Plan]] = []
    for moment in _readable(_strictly(read_file(file))):
        decided, idle = (decided + 1, idle) if moment.seen else (decided, idle + 1)
        now = decides_otherwise(moment)
        if now is not None:
            others.append((moment, now))
    if not decided and not idle:
        fail(f"{file} holds no moment", 2)
    if json_:
        differences = [_difference(moment, now) for moment, now in others]
        typer.echo(json.dumps({"decided": decided, "without_a_look": idle, "differences": differences}))
    else:
        for moment, now in others:
            typer.echo(f"{_time(moment.at)} tick {moment.tick} of {moment.operator}")
            typer.echo(f"  then: {_whole(moment.plan)}\n  now:  {_whole(now)}")
        without = f", {idle} without a look" if idle else ""
        typer.echo(f"{decided} moments decided again{without}: {len(others)} differ")
    if others:
        raise typer.Exit(1)


def _moments(service: str, directory: Path | None) -> Sequence[Moment]:
    """All moments of a cluster; at least one."""
    try:
        found = list(_readable(_strictly(read_cluster(directory or Settings().journal_dir, service))))
    except NoJournal as error:
        fail(error, 1)
    if not found:
        fail(f"the journal of {service} holds no moment yet", 1)
    return found


def _strictly(lines: Iterable[Moment | Unreadable]) -> Iterable[Moment | Unreadable]:
    try:
        yield from lines
    except BadMessage as error:
        fail(error, 2)


def _readable(lines: Iterable[Moment | Unreadable]) -> Iterable[Moment]:
    for line in lines:
        if isinstance(line, Moment):
            yield line
        else:
            print(f"galera-operator: {line.where} was cut short and is left out: {line.fault}", file=sys.stderr)


def _print(events: Sequence[Event]) -> None:
    for event in events:
        again = f"  ({event.times} times, until {_time(event.until)})" if event.times > 1 else ""
        mark = "->" if event.kind in {Kind.DONE, Kind.REFUSED} else "  "
        typer.echo(f"  {_time(event.at)}  {event.kind:<8} {mark} {event.text}{again}")


def _now(moment: Moment) -> dict[str, Any]:
    return {"at": moment.at.isoformat(), "plan": to_plain(moment.plan)}


def _event(event: Event) -> dict[str, Any]:
    plain = to_plain(event)
    return {name: value for name, value in plain.items() if name != "is"}


def _difference(moment: Moment, now: Plan) -> dict[str, Any]:
    return {
        "at": moment.at.isoformat(),
        "operator": moment.operator,
        "tick": moment.tick,
        "then": to_plain(moment.plan),
        "now": to_plain(now),
    }


def _whole(plan: Plan) -> str:
    steps = "; ".join(map(str, plan.steps)) if isinstance(plan, Act) else ""
    return f"{_kind(plan)}: {plan.why}{f' [{steps}]' if steps else ''}"


def _kind(plan: Plan) -> str:
    return f"page {plan.name}" if isinstance(plan, Page) else type(plan).__name__.lower()


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.") + f"{at.microsecond // 100_000}"
