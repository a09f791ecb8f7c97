"""What every command shares: the console, the common arguments, and how a command fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from galera_operator.cli.lookout import Lookout, NotFound, open_lookout
from galera_operator.ports import Conflict, Refused, Unreachable
from galera_operator.runtime.runbooks import BadRunbook

out = Console()

Service = Annotated[str, typer.Argument(help="The Swarm service of the database, e.g. wordpress_dbcluster.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def fail(reason: object, code: int) -> NoReturn:
    """Say why on standard error and exit."""
    print(f"galera-operator: {reason}", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def looking() -> Iterator[Lookout]:
    """`open_lookout`, with what a person can do something about turned into one line and an exit code."""
    try:
        with open_lookout() as lookout:
            yield lookout
    except (NotFound, BadRunbook) as error:
        fail(error, 2)
    except (Unreachable, Refused, Conflict) as error:
        fail(error, 1)
