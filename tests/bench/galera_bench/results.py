"""The results as files and as Markdown: build/bench/<system>.json, results.md, a plot per scenario."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from galera_bench.outcome import Point
from galera_bench.scenes import SCENARIOS, WITHIN, Measured
from galera_bench.svg import plot
from galera_bench.systems import SYSTEMS
from galera_bench.tables import HEAD, NOTE, row, table


class Results:
    """All that was measured, by system and scenario; kept in files so that parts can be measured in several turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, measured: Measured) -> None:
        self.put("scenarios", f"{measured.system} {measured.scenario}", asdict(measured))

    def put(self, kind: str, key: str, body: Any) -> None:
        """Keep a figure, in place of an earlier one of the same key."""
        file = self._folder / f"{kind}.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(known | {key: body}, indent=1) + "\n")

    def get(self, kind: str) -> dict[str, Any]:
        file = self._folder / f"{kind}.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def write(self) -> str:
        """Write results.md and the plots; returns the Markdown."""
        measured = self.get("scenarios")
        rows = [
            row(scenario.title, system.title, found, WITHIN)
            for scenario in SCENARIOS
            for system in SYSTEMS
            if (found := measured.get(f"{system.key} {scenario.key}"))
        ]
        text = "\n".join([table(HEAD, rows), "", NOTE, ""])
        further = self.get("figures")
        if further:
            text += (
                "\n"
                + table(("further figures", "", "promised"), [tuple(line) for part in further.values() for line in part])
                + "\n"
            )
        (self._folder / "results.md").write_text(text)
        for scenario in SCENARIOS:
            panels = [
                (system.title.replace("`", ""), [Point(**point) for point in found["points"]], found["deed_at"])
                for system in SYSTEMS
                if (found := measured.get(f"{system.key} {scenario.key}"))
            ]
            if panels:
                (self._folder / f"{scenario.key}.svg").write_text(plot(scenario.title, panels, 40.0))
        return text
