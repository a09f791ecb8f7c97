"""Read runbooks from YAML. What is wrong with one is said with its file, its line, and what was probably meant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from galera_operator.adapters.labels import Seconds
from galera_operator.core.condition import Condition
from galera_operator.core.conditions import CONDITIONS
from galera_operator.core.runbook import Kind, OnFailure, Parameter, Runbook, Stage, placeholders
from galera_operator.core.verbs import VERBS

Path_ = tuple[int | str, ...]
"""Where in the file: keys and indices, as pydantic gives them."""


class BadRunbook(Exception):
    """A file that is no runbook; each fault with file and line, one a line."""


def _text(value: Any) -> Any:
    """A number written where a text is wanted is that text; YAML has no other way to write one without quotes."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Parameter(_Strict):
    about: str
    kind: Kind = Kind.TEXT
    default: Text | None = None
    least: int | None = None
    most: int | None = None


class _Stage(_Strict):
    name: str
    do: str = ""
    told: dict[str, Text] = Field(default_factory=dict, alias="with")
    unless: str = ""
    until: str = ""
    within: Seconds = Field(600.0, gt=0)
    on_failure: OnFailure = OnFailure.STOP


class _File(_Strict):
    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    purpose: str
    planned: bool
    answers: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    parameters: dict[str, _Parameter] = Field(default_factory=dict)
    stages: tuple[_Stage, ...] = Field(min_length=1)


def load(*directories: Path | None) -> dict[str, Runbook]:
    """All runbooks: the shipped ones, then those of each directory; a later one of the same name takes the earlier one's place.

    Raises:
        BadRunbook: for all files together.
    """
    found: dict[str, Runbook] = {}
    faults = []
    for directory in (shipped(), *directories):
        for path in sorted(directory.glob("*.yaml")) if directory else []:
            try:
                book = read(path)
            except BadRunbook as error:
                faults.append(str(error))
                continue
            found[book.name] = book
    if faults:
        raise BadRunbook("\n".join(faults))
    return found


def shipped() -> Path:
    """The directory of the runbooks that come with the package; in a source tree it lies beside it."""
    packaged = Path(str(files("galera_operator"))) / "shipped_runbooks"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "runbooks"


def read(path: Path) -> Runbook:
    """Read one file. Raises `BadRunbook`."""
    try:
        text = path.read_text()
        tree, raw = yaml.compose(text), yaml.safe_load(text)
    except OSError as error:
        raise BadRunbook(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise BadRunbook(f"{path}{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    try:
        parsed = _File.model_validate(raw)
    except ValidationError as error:
        faults = [(tuple(fault["loc"]), _in_words(fault)) for fault in error.errors()]
        raise BadRunbook(_listed(path, tree, faults)) from error
    book = _runbook(parsed)
    faults = list(_faults(parsed, book))
    if parsed.name != path.stem:
        faults.append((("name",), f"the file is {path.name}, so the name has to be {path.stem}"))
    if faults:
        raise BadRunbook(_listed(path, tree, faults))
    return book


def _runbook(parsed: _File) -> Runbook:
    parameters = tuple(
        Parameter(name, one.kind, one.about, one.default, one.least, one.most) for name, one in parsed.parameters.items()
    )
    stages = tuple(Stage(one.name, one.do, one.told, one.unless, one.until, one.within, one.on_failure) for one in parsed.stages)
    digest = hashlib.sha256(parsed.model_dump_json().encode()).hexdigest()[:16]
    conditions = tuple(str(condition) for condition in parsed.conditions)
    return Runbook(parsed.name, parsed.purpose, parsed.planned, parsed.answers, conditions, parameters, stages, digest)


def _faults(parsed: _File, book: Runbook) -> Iterable[tuple[Path_, str]]:
    """What the schema cannot see: names that have to exist, and arguments that have to fit them."""
    for parameter in book.parameters:
        fault = replace(parameter, default=None).fault_in(parameter.default) if parameter.default else None
        if fault:
            yield ("parameters", parameter.name, "default"), fault
    for number, stage in enumerate(parsed.stages):
        here = ("stages", number)
        if not stage.do and not stage.until:
            yield here, f"stage {stage.name} has neither do nor until"
        if stage.do and stage.do not in VERBS:
            yield (*here, "do"), f"there is no step {stage.do}{_hint(stage.do, VERBS)}"
        for key, condition in (("unless", stage.unless), ("until", stage.until)):
            if condition and condition not in CONDITIONS:
                yield (*here, key), f"there is no condition {condition}{_hint(condition, CONDITIONS)}"
        yield from _faults_in_arguments(stage, here, [parameter.name for parameter in book.parameters])


def _faults_in_arguments(stage: _Stage, here: Path_, parameters: list[str]) -> Iterable[tuple[Path_, str]]:
    needed = list(VERBS[stage.do].takes) if stage.do in VERBS else []
    for condition in (stage.unless, stage.until):
        needed += CONDITIONS[condition].takes if condition in CONDITIONS else ()
    for name in needed:
        if name not in stage.told:
            yield here, f"stage {stage.name} has to say with: {name}"
    for name, text in stage.told.items():
        if name not in needed and stage.do in VERBS:
            yield (*here, "with", name), f"nothing in stage {stage.name} takes {name}{_hint(name, needed)}"
        try:
            unknown = [one for one in placeholders(text) if one not in parameters]
        except ValueError as error:
            yield (*here, "with", name), f"{text!r}: {error}; a brace that is meant is written twice"
            continue
        for one in unknown:
            yield (*here, "with", name), f"there is no parameter {one}{_hint(one, parameters)}"


def _in_words(fault: ErrorDetails) -> str:
    key = fault["loc"][-1] if fault["loc"] else "the whole"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {key}{_hint(str(key), _keys_at(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{key} is missing"
    if fault["type"] == "enum":
        return f"{key} is {fault['input']!r}; expected {fault['ctx']['expected']}" if "ctx" in fault else fault["msg"]
    return f"{key} is {fault['input']!r}: {fault['msg']}"


def _keys_at(loc: Path_) -> list[str]:
    """The keys that a file may have there."""
    models: dict[str, type[BaseModel]] = {"parameters": _Parameter, "stages": _Stage}
    model = models.get(str(loc[0]), _File) if len(loc) > 1 else _File
    return [field.alias or name for name, field in model.model_fields.items()]


def _hint(word: str, known: Mapping[str, Any] | Iterable[str]) -> str:
    names = sorted(known)
    close = get_close_matches(word, names, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(names)}" if names else "; it takes none"


def _listed(path: Path, tree: yaml.Node | None, faults: Iterable[tuple[Path_, str]]) -> str:
    return "\n".join(f"{path}:{_line(tree, loc)}: {words}" for loc, words in faults)


def _line(tree: yaml.Node | None, loc: Path_) -> int:
    """The line that says it, or that should: as deep along the path as the file goes."""
    line, node = 1, tree
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            key, value = next(((key, value) for key, value in node.value if key.value == str(step)), (None, None))
            if key is None:
                break
            line, node = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            break
    return line
