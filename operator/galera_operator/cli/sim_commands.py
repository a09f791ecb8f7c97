"""``galera-operator sim``: the simulator from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from galera_operator.cli.output import AsJson
from galera_operator.sim.actions import BadScript, parse_script
from galera_operator.sim.campaign import Failure, Report, run_in, shrink
from galera_operator.sim.history import History
from galera_operator.sim.world import World

app = typer.Typer(no_args_is_help=True)
BEGIN = 1000.0
"""The simulated clock's reading when a history begins."""


@app.command()
def run(
    histories: Annotated[int, typer.Option(help="How many histories.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="The first history's seed; the next ones count on from it.")] = 1,
    steps: Annotated[int, typer.Option(help="Actions in each history.", min=1)] = 60,
    processes: Annotated[int, typer.Option(help="Processes to run in.", min=1)] = 1,
    script: Annotated[Path, typer.Option(help="Where the script of a broken history goes.")] = Path("broken.sim"),
    *,
    json_: AsJson = False,
) -> None:
    """Play histories of faults on a simulated Swarm and Galera, and check the safety invariants after every action.

    Exit code 1 when an invariant broke; the shortest script found is printed and written to a file.

    Example: galera-operator sim run --histories 10000 --seed 1
    """
    total, begun = Report(), perf_counter()
    for report in run_in(processes, histories, seed, steps):
        total.add(report)
        if total.failures:
            break
    took = perf_counter() - begun
    if json_:
        typer.echo(json.dumps(_as_json(total, took)))
    else:
        _print(total, took)
    if total.failures:
        _tell(total.failures[0], script, quiet=json_)
        raise typer.Exit(1)


@app.command()
def replay(file: Annotated[Path, typer.Argument(help="A script, as `sim run` writes it.", exists=True, dir_okay=False)]) -> None:
    """Play a script again and print, for each action, what the operators decided, and what broke.

    Example: galera-operator sim replay broken.sim
    """
    try:
        script = parse_script(file.read_text())
    except BadScript as error:
        typer.echo(f"galera-operator: {file}: {error}", err=True)
        raise typer.Exit(2) from error
    told: dict[str, str] = {}

    def hear(world: World, who: str, text: str) -> None:
        if who == "action":
            typer.echo(f"{world.now - BEGIN:8.1f}  {text}")
        elif told.get(who) != text:
            typer.echo(f"{'':8}    {who}: {text}")
            told[who] = text

    outcome = History(script, hear=hear).play()
    typer.echo(f"end: {outcome.end}")
    for what in outcome.broken:
        typer.echo(f"BROKEN: {what}")
    if outcome.broken:
        raise typer.Exit(1)


def _as_json(total: Report, seconds: float) -> dict[str, object]:
    """What the campaign came to, for programs. `broken`: one sentence for each broken history."""
    coverage = total.coverage
    return {
        "histories": total.histories,
        "actions": total.actions,
        "turns": total.turns,
        "acknowledged": total.acknowledged,
        "seconds": round(seconds, 3),
        "broken": [failure.broken[0] for failure in total.failures],
        "pages": dict(coverage.pages),
        "conditions": {str(name): count for name, count in coverage.conditions.items()},
        "not_covered": {title: list(names) for title, names in coverage.missing().items()},
    }


def _print(total: Report, seconds: float) -> None:
    each = total.histories / seconds
    typer.echo(
        f"{total.histories} histories of {total.actions // max(1, total.histories)} actions in {seconds:.1f} s: "
        f"{each:.0f} a second; {total.turns} turns of operators, {total.acknowledged} acknowledged writes, "
        f"{len(total.failures)} broken"
    )
    coverage = total.coverage
    for title, counts in (
        ("ends", coverage.ends),
        ("conditions", coverage.conditions),
        ("pages", coverage.pages),
        ("steps", coverage.steps),
        ("actions", coverage.actions),
    ):
        typer.echo(f"{title}: {', '.join(f'{name} {count}' for name, count in sorted(counts.items()))}")
    pairs = ", ".join(f"{one} -> {other} {count}" for (one, other), count in sorted(coverage.transitions.items()))
    typer.echo(f"transitions: {pairs}")
    for title, names in coverage.missing().items():
        if names:
            typer.echo(f"not covered, {title}: {', '.join(names)}")


def _tell(failure: Failure, path: Path, *, quiet: bool) -> None:
    """Write the shortest script found; say so unless only JSON may be printed."""
    short = shrink(failure)
    path.write_text("".join(f"# {what}\n" for what in short.broken) + str(short.script))
    if quiet:
        return
    typer.echo("")
    typer.echo(f"BROKEN: {short.broken[0]}")
    typer.echo(f"the shortest script found, also in {path} (galera-operator sim replay {path}):")
    typer.echo(str(short.script))
