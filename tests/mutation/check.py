"""Remove each safety condition in turn and see that a test fails. ``python tests/mutation/check.py [--only NAME] [--jobs N]``.

Exit code 1 when a mutant survives that ``accepted.toml`` gives no reason for, when a reason there is for no survivor any more, or
when tests fail without any mutant.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = ROOT / "operator" / "galera_operator"
ACCEPTED = HERE / "accepted.toml"

FILES = [
    *(f"core/{name}.py" for name in ("decide", "doubt", "election", "quorum", "accounting", "consent", "condition", "scaling")),
    *(f"core/{name}.py" for name in ("veto", "veto_leaving", "veto_planned", "traffic", "memory", "transfer", "spec")),
    *(f"core/{name}.py" for name in ("position", "wsrep_status", "flow", "terms", "binding", "renewal")),
    *(f"core/{name}.py" for name in ("draining", "restart", "writer", "errand")),
    *(f"agent/{name}.py" for name in ("commands", "peers", "routing", "flow", "disk", "forming", "bootstrap_mark")),
    "runtime/lease.py",
]
"""Where the data's safety is decided: who may form a Primary component, join, serve, leave, and which operator may act."""

OUTSIDE = {
    "agent/peers.py": {"Peers", "_get_status", "own_address_towards"},
    "agent/disk.py": {"give_to_mysql"},
}
"""Not rules but sockets, threads and time, whose tests are slow; and what only root can test."""

ELSEWHERE = (
    *("demo", "sandbox", "charts", "readme", "layout", "labels", "swarm.", "loop", "pages", "inbox", "settings", "observe"),
    *("commands", "agent_connections", "agent_settings", "agent_server", "agent_progress"),
)
"""Tests of other parts, or with a clock in them, which fail on a busy machine without any mutant: not even collected."""

LONG = ("interrupted", "damaged", "tick", "swarm_store", "consent_commands")
"""Tests of many turns, or of what is around the rules: the fast form does without."""

PATIENCE = 120
"""Seconds of computing for all tests of one mutant; one that takes longer has made something endless."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="NAME", help="only mutants whose name contains this, e.g. core/veto.py or _leaving")
    parser.add_argument("--fast", action="store_true", help="only unit tests that are done in no time: what `make test` runs")
    parser.add_argument("--thorough", action="store_true", help="the slow ways to kill also for what is accepted with a reason")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--histories", type=int, default=0, metavar="N", help="simulated histories for each survivor")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    chosen = parser.parse_args(arguments)
    os.environ.setdefault("HYPOTHESIS_PROFILE", "mutants")
    os.chdir(ROOT)
    sys.path[:0] = [str(HERE), str(ROOT / "operator")]
    from mutants import mutants_of

    found = [mutant for file in FILES for mutant in mutants_of(SOURCE / file, file, OUTSIDE.get(file, ()))]
    found = [mutant for mutant in found if chosen.only is None or chosen.only in mutant.name]
    if chosen.list:
        print("\n".join(f"{mutant.file}:{mutant.line} {mutant.name}" for mutant in found))
        return 0
    return _check(found, chosen)


def _check(found: list, chosen: argparse.Namespace) -> int:
    import pytest
    from harness import Harness
    from simulated import last_resort

    started = time.monotonic()
    resort = last_resort(chosen.histories) if chosen.histories else None
    expected = frozenset() if chosen.thorough else frozenset(_accepted())
    harness = Harness(found, chosen.jobs, PATIENCE, _say, expected, resort)
    tests = [ROOT / "tests" / "unit", *([] if chosen.fast else [ROOT / "tests" / "property"])]
    ignored = [f"--ignore-glob=*/test_{name}*" for name in (*ELSEWHERE, *(LONG if chosen.fast else ()))]
    # What an earlier test left to the garbage collector must not fail a later one: that would look like a killed mutant.
    quiet = ["-q", "-s", "--no-header", "--no-summary", "-p", "no:unraisableexception", "-p", "no:threadexception"]
    pytest.main([*map(str, tests), *ignored, *quiet], plugins=[harness])
    return _report(harness, chosen, time.monotonic() - started)


def _report(harness, chosen: argparse.Namespace, seconds: float) -> int:
    accepted = _accepted()
    from harness import THE_TOOL

    survivors = [fate for fate in harness.fates if not fate.by or fate.by.startswith(THE_TOOL)]
    total, alive = Counter(fate.mutant.file for fate in harness.fates), Counter(fate.mutant.file for fate in survivors)
    _say("")
    for file in total:
        _say(f"{file:24} {total[file] - alive[file]:4} killed {alive[file]:4} survived")
    unexplained = [fate for fate in survivors if fate.mutant.name not in accepted]
    for fate in unexplained:
        mutant = fate.mutant
        _say(f"\nSURVIVED operator/galera_operator/{mutant.file}:{mutant.line}\n  {mutant.name}\n  is now: {mutant.source}")
        if fate.by:
            _say(f"  {fate.by}")
    checked = {fate.mutant.name for fate in harness.fates}
    alive_names = {fate.mutant.name for fate in survivors}
    whole = chosen.only is None
    stale = [name for name in accepted if name not in alive_names and (whole or name in checked)]
    if not chosen.fast:  # the fast form leaves tests out, so it cannot tell
        for name in stale:
            _say(f"\nSTALE in {ACCEPTED.name}, it does not survive or does not exist any more:\n  {name}")
    for nodeid in harness.measured.failed:
        _say(f"\nFAILS without any mutant, and is left out: {nodeid}")
    _say(
        f"\n{len(checked)} mutants: {len(checked) - len(survivors)} killed, {len(survivors) - len(unexplained)} accepted with a "
        f"reason, {len(unexplained)} unexplained; {seconds:.0f} s, {_computed():.0f} s of computing"
    )
    bad = unexplained or harness.measured.failed or (stale and not chosen.fast) or not harness.fates
    return 1 if bad else 0


def _accepted() -> dict[str, str]:
    """Names of mutants that may survive, each with the reason why nothing that can be observed is different."""
    return tomllib.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}


def _computed() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
