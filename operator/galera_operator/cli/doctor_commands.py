"""``galera-operator doctor``: read what there is, ask the rules, show what they say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from galera_operator.adapters import stack_file, swarm_spec
from galera_operator.adapters.machine import look_at_machine
from galera_operator.adapters.stack_yaml import BadStack
from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_spec import NoSuchService
from galera_operator.adapters.write_rate import measure
from galera_operator.cli.completing import galera_services
from galera_operator.cli.doctor_present import Report, as_json, as_text
from galera_operator.cli.output import AsJson, fail, out
from galera_operator.core.checkup.examine import examine, not_checked
from galera_operator.core.checkup.setup import Machine, Measured, Setup
from galera_operator.ports import Refused, Unreachable
from galera_operator.settings import Settings

FINDINGS = 3
"""Exit code when there is more than notes."""

WIDTH = 110
"""Columns above which sentences become hard to read."""

TRIES = 3
"""Members that are asked for their rate of writes, until one answers."""


def doctor(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STACK-FILE... | SERVICE",
            help="Stack files of one stack, in the order of `docker stack deploy`, or a running service; neither: this Swarm.",
            show_default=False,
            autocompletion=galera_services,
        ),
    ] = None,
    *,
    json_: AsJson = False,
) -> None:
    """Find what would lose data, fail transactions or keep members away, before it does; with the line to change.

    Exit code 0: nothing, or notes only; 3: dangers or warnings; 2: it cannot be read; 1: the engine does not answer.

    Example: galera-operator doctor charts/galera/stack.yml
    Example: galera-operator doctor wordpress_dbcluster --json
    """
    try:
        report = report_on(targets or [])
    except (BadStack, NoSuchService) as error:
        fail(error, 2)
    except (Unreachable, Refused) as error:
        fail(error, 1)
    if json_:
        out.print_json(json.dumps(as_json(report)))
    else:
        out.print(as_text(report, min(out.width, WIDTH)), highlight=False, soft_wrap=True)
    if not report.is_clean:
        raise typer.Exit(FINDINGS)


def report_on(targets: Sequence[str]) -> Report:
    """Examine stack files, a running service, or everything.

    Raises:
        BadStack, NoSuchService: a bad request.
        Unreachable, Refused: there is no engine to ask, or it is not a manager.
    """
    if targets and all(_is_file(target) for target in targets):
        return _of_files([Path(target) for target in targets])
    if len(targets) > 1:
        raise BadStack(f"{' '.join(targets)}: expected the files of one stack, or one service")
    api = EngineApi()
    machine = look_at_machine(api)
    if not targets and not machine.is_manager:
        return _report("this engine", Setup(()), machine, None)
    setup = swarm_spec.load(api, *targets)
    measured = _measure(api, setup.databases[0].name) if setup.databases else None
    return _report(targets[0] if targets else "this Swarm", setup, machine, measured)


def _of_files(files: list[Path]) -> Report:
    """A stack file is read for itself; the engine here counts only if it could deploy it."""
    setup = stack_file.load(files)
    try:
        machine = look_at_machine(EngineApi())
    except (Unreachable, Refused):
        machine = None
    return _report(" ".join(map(str, files)), setup, machine if machine and machine.is_manager else None, None)


def _report(subject: str, setup: Setup, machine: Machine | None, measured: Measured | None) -> Report:
    return Report(subject, examine(setup, machine, measured), not_checked(setup, machine, measured))


def _is_file(target: str) -> bool:
    """A service's name has neither a slash nor such an ending."""
    return target.endswith((".yml", ".yaml")) or "/" in target or Path(target).is_file()


def _measure(api: EngineApi, service: str) -> Measured | None:
    """Watch the first member that lets us in; None where none does: its network is not ours, or nobody is up."""
    clusters = [cluster for cluster in SwarmEngine(api, Settings().token()).clusters() if cluster.service.name == service]
    running = [
        (task, cluster.token) for cluster in clusters for task in cluster.tasks if task.address and task.desired == "running"
    ]
    for task, token in running[:TRIES]:
        try:
            return measure(f"slot {task.slot} ({task.node})", task.address, token)
        except (Unreachable, Refused):
            continue
    return None
