"""How a command ends that cannot do what it was asked for."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer


def fail(reason: object, code: int) -> NoReturn:
    """Say why on standard error and exit."""
    print(f"galera-operator: {reason}", file=sys.stderr)
    raise typer.Exit(code)
