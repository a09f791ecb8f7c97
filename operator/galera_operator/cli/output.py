"""What every command shares: the console, the common arguments, and how a command fails."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from galera_operator.cli.completing import galera_services

out = Console()

Service = Annotated[
    str, typer.Argument(help="The Swarm service of the database, e.g. wordpress_dbcluster.", autocompletion=galera_services)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(reason: object, code: int) -> NoReturn:
    """Say why on standard error and exit."""
    print(f"galera-operator: {reason}", file=sys.stderr)
    raise typer.Exit(code)
