"""What a campaign has been through, and what not, by name."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import galera_operator.core
from galera_operator.core.condition import Condition
from galera_operator.core.plan import Act, Page, Plan, Step
from galera_operator.sim.actions import ALPHABET
from galera_operator.sim.operator import Operator

_PAGE = re.compile(r"Page\(\s*\"([a-z-]+)\"")


def page_names() -> tuple[str, ...]:
    """Every page that the core can open, as its source has them. (Those of bad labels come from the adapter, not from here.)"""
    sources = Path(galera_operator.core.__file__).parent.glob("*.py")
    return tuple(sorted({name for source in sources for name in _PAGE.findall(source.read_text())}))


@dataclass(slots=True)
class Coverage:
    """Counts by name."""

    pages: Counter[str] = field(default_factory=Counter)
    conditions: Counter[str] = field(default_factory=Counter)
    transitions: Counter[tuple[str, str]] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)

    def plan(self, operator: Operator, plan: Plan) -> None:
        """An operator took a turn."""
        if isinstance(plan, Page):
            self.pages[plan.name] += 1
        elif isinstance(plan, Act):
            for step in plan.steps:
                self.steps[type(step).__name__] += 1
        condition, before = operator.condition, operator.was
        if condition is not None and condition is not before:
            self.conditions[condition.value] += 1
            if before is not None:
                self.transitions[before.value, condition.value] += 1
            operator.was = condition

    def add(self, other: Coverage) -> None:
        """Take over what another process counted."""
        for name in self.__slots__:
            getattr(self, name).update(getattr(other, name))

    def missing(self) -> dict[str, list[str]]:
        """What has not come up, by kind."""
        names = [condition.value for condition in Condition]
        pairs = [(one, other) for one in names for other in names if one != other]
        return {
            "pages": [name for name in page_names() if name not in self.pages and name != "vetoed"],
            "conditions": [name for name in names if name not in self.conditions],
            "transitions": [f"{one} -> {other}" for one, other in pairs if (one, other) not in self.transitions],
            "steps": [kind.__name__ for kind in get_args(Step) if kind.__name__ not in self.steps],
            "actions": [kind for kind in ALPHABET if kind not in self.actions],
        }
