"""`make bench`, or `make bench ONLY="operator kill-writer"`: systems, scenarios and figures by their keys."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deployment import ROOT

from galera_bench.cluster import Bench
from galera_bench.figures import FIGURES
from galera_bench.results import Results
from galera_bench.scenes import SCENARIOS, Scenario, measure
from galera_bench.systems import SYSTEMS, System
from galera_operator.sandbox.api import Sandbox
from galera_operator.sandbox.errors import SandboxError
from galera_operator.sandbox.waiting import NotInTime

FOLDER = ROOT / "build" / "bench"
NODES = 5
BEGUN = time.monotonic()


def main(words: Sequence[str]) -> int:
    """Measure what was asked for. Exit code 2: there is no system, scenario or figure of such a name."""
    known = [one.key for one in (*SYSTEMS, *SCENARIOS)] + list(FIGURES)
    unknown = [word for word in words if word not in known]
    if unknown:
        say(f"no such system, scenario or figure: {', '.join(unknown)}; expected of: {', '.join(known)}")
        return 2
    systems = [one for one in SYSTEMS if one.key in words] or list(SYSTEMS)
    scenarios = [one for one in SCENARIOS if one.key in words]
    figures = [name for name in FIGURES if name in words]
    if not scenarios and not figures:
        scenarios, figures = list(SCENARIOS), list(FIGURES)
    results = Results(FOLDER)
    Sandbox.prepare_images(ROOT, say, only=["galera-operator/operator:dev", "galera-operator/member:dev", "haproxy:3.0"])
    sandbox = Sandbox.up(NODES, say=say)
    try:
        for system in systems:
            _one(sandbox, system, scenarios, figures if system.has_operator else [], results)
    finally:
        print(results.write())
        if not os.environ.get("KEEP"):
            sandbox.down()
    say("done")
    return 0


def _one(sandbox: Sandbox, system: System, scenarios: Sequence[Scenario], figures: Sequence[str], results: Results) -> None:
    """All scenarios on one system. One that leaves it broken costs a new deployment, not the next scenario."""
    bench, size = Bench(sandbox, system), 0
    say(f"== {system.title}")
    try:
        for scenario in scenarios:
            if scenario.only_operator and not system.has_operator:
                continue
            size = _bring_to(bench, size, scenario.before)
            measured = measure(bench, scenario, Path(FOLDER, f"attempts-{system.key}-{scenario.key}.jsonl"))
            results.add(measured)
            felt = measured.felt
            say(
                f"{scenario.title}: {felt.failed + felt.unserved} of {felt.due} failed, longest stall {felt.stall:.2f} s, outage "
                f"{felt.outage:.2f} s, whole after {measured.whole_after or 0:.1f} s, lost {measured.missing}, "
                f"misrouted {measured.misrouted or 0} of {measured.accepted} {measured.note} {measured.failures[:3]}"
            )
            size = scenario.after if measured.whole_after is not None else 0
        for name in figures:
            size = _bring_to(bench, size, FIGURES[name].before)
            lines = FIGURES[name].measure(bench)
            results.put("figures", name, lines)
            say(f"{name}: {lines}")
            size = FIGURES[name].after
    finally:
        if not os.environ.get("KEEP"):
            bench.remove()


def _bring_to(bench: Bench, size: int, members: int) -> int:
    """From a system of a size (0: none, or a broken one) to one of another."""
    if size and size != members:
        bench.scale(members)
    if size:
        try:
            bench.wait_whole(members, 90)
        except NotInTime as late:
            say(f"made anew: {str(late).splitlines()[0]}")
            size = 0
    if not size:
        bench.remove()
        bench.deploy(members)
    return members


def say(line: str) -> None:
    print(f"{time.monotonic() - BEGUN:7.1f}  {line}", flush=True)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except SandboxError as error:
        say(str(error))
        raise SystemExit(2) from None
