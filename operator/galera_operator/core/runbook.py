"""A runbook's definition as a value: what it is for, what it asks for, and its stages. `runtime.runbooks` reads the files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter

from galera_operator.core.plan import Page, Plan

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class Kind(StrEnum):
    """What a parameter takes. All are handed over as text; `fault_in` checks them."""

    TEXT = "text"
    INTEGER = "integer"
    SLOT = "slot"
    SLOTS = "slots"
    """Slot numbers with commas between them; empty for none."""
    NODE = "node"


class OnFailure(StrEnum):
    """What becomes of a run whose stage cannot be done or is not done in time."""

    STOP = "stop"
    """It ends, and the log and `runbook status` say why."""
    PAGE = "page"
    """It ends, and a person is called: the cluster is as it should not be left."""
    CONTINUE = "continue"
    """The next stage comes: this one was worth a try."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that a run has to be told. `default`: None where there is none, so it has to be given."""

    name: str
    kind: Kind
    about: str
    default: str | None = None
    least: int | None = None
    most: int | None = None

    def fault_in(self, value: str) -> str | None:
        """Say what is wrong with this value, or None."""
        if value == self.default:
            return None
        numbers = value.split(",") if self.kind is Kind.SLOTS else [value]
        match self.kind:
            case Kind.INTEGER | Kind.SLOT | Kind.SLOTS:
                least = self.least if self.kind is Kind.INTEGER else 1
                good = all(_is_number(number, least, self.most) for number in numbers)
            case Kind.NODE:
                good = _NODE.fullmatch(value) is not None
            case Kind.TEXT:
                good = True
        return None if good else f"{self.name} is {value!r}; expected {self.expected}"

    @property
    def expected(self) -> str:
        """In words, what it takes."""
        match self.kind:
            case Kind.SLOT:
                return "a slot's number"
            case Kind.SLOTS:
                return "slot numbers with commas between them"
            case Kind.NODE:
                return "a node's host name, as docker node ls shows it"
            case Kind.INTEGER:
                least = "" if self.least is None else f" from {self.least}"
                most = "" if self.most is None else f" to {self.most}"
                return f"a whole number{least}{most}"
            case _:
                return "text"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: do something, then wait for a condition.

    Attributes:
        do: the verb (`core.verbs`); empty: only wait.
        arguments: what the verb and the conditions are told; ``{name}`` stands for a parameter.
        unless: a condition (`core.conditions`) under which the stage is left out; empty: never.
        until: the condition that ends it; empty: it ends with what it does.
        within: seconds for the whole stage.
    """

    name: str
    do: str = ""
    arguments: Mapping[str, str] = ()  # type: ignore[assignment]
    unless: str = ""
    until: str = ""
    within: float = 600.0
    on_failure: OnFailure = OnFailure.STOP

    def told(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """The arguments with the parameters filled in. Raises `KeyError` for one that is not there; the reader has checked it."""
        return {name: text.format_map(parameters) for name, text in dict(self.arguments).items()}


@dataclass(frozen=True, slots=True)
class Runbook:
    """A runbook.

    Attributes:
        planned: True for work that waits for the maintenance window; what ends an outage never waits.
        answers: the pages that this is the answer to.
        conditions: the cluster's conditions (`core.condition`) in which it is of use.
        digest: of the definition; a run goes on only under the definition that it began with.
    """

    name: str
    purpose: str
    planned: bool
    answers: tuple[str, ...]
    conditions: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    stages: tuple[Stage, ...]
    digest: str = ""

    def arguments(self, given: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
        """All parameters with their values, and what is wrong with those that were given."""
        known = {parameter.name: parameter for parameter in self.parameters}
        faults = [
            f"{self.name} has no parameter {name}; it has {', '.join(known) or 'none'}" for name in given if name not in known
        ]
        values: dict[str, str] = {}
        for name, parameter in known.items():
            value = given.get(name, parameter.default)
            if value is None:
                faults.append(f"{name} is missing: {parameter.about} (--set {name}=...; {parameter.expected})")
                continue
            fault = parameter.fault_in(value)
            if fault:
                faults.append(fault)
            values[name] = value
        return values, tuple(faults)


def placeholders(text: str) -> tuple[str, ...]:
    """The parameters that a text names. Raises `ValueError` for an unclosed brace."""
    return tuple(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def runbook_for(plan: Plan, books: Mapping[str, Runbook]) -> str:
    """The name of the runbook that answers this page; empty where the plan is none, or none answers it."""
    page = plan.name if isinstance(plan, Page) else ""
    return next((book.name for book in books.values() if page in book.answers), "")


def _is_number(text: str, least: int | None, most: int | None) -> bool:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        return False
    return (least is None or int(text) >= least) and (most is None or int(text) <= most)
