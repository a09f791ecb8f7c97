"""The README's tables say what the code says."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from galera_operator.adapters.labels import PREFIX, Labels
from galera_operator.settings import Settings

README = (Path(__file__).parents[2] / "README.md").read_text()


def row(name: str, field: FieldInfo) -> str:
    default = field.default
    shown = "" if default is None or default == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    return f"| `{name}` | {shown} | {field.description} |"


def rows(model: type[BaseModel], prefix: str, *, upper: bool = False) -> list[str]:
    names = {key: prefix + (field.alias or key) for key, field in model.model_fields.items()}
    return [row(name.upper() if upper else name, model.model_fields[key]) for key, name in names.items()]


def test_the_readme_lists_every_label_with_its_default_and_meaning() -> None:
    for line in rows(Labels, PREFIX):
        assert line in README, line


def test_the_readme_lists_every_setting_of_the_operator() -> None:
    for line in rows(Settings, "GALERA_OPERATOR_", upper=True):
        assert line in README, line


def test_the_readme_knows_no_label_that_the_code_does_not_know() -> None:
    known = {PREFIX + (field.alias or name) for name, field in Labels.model_fields.items()}
    told = {line.split("`")[1] for line in README.splitlines() if line.startswith(f"| `{PREFIX}")}
    assert told == known
