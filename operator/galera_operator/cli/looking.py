"""A look for one command: what a person can do something about is one line and an exit code, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from galera_operator.cli.lookout import Lookout, NotFound, open_lookout
from galera_operator.cli.output import fail
from galera_operator.ports import Conflict, Refused, Unreachable


@contextmanager
def looking() -> Iterator[Lookout]:
    """`open_lookout`, with what a person can do something about turned into one line and an exit code."""
    try:
        with open_lookout() as lookout:
            yield lookout
    except NotFound as error:
        fail(error, 2)
    except (Unreachable, Refused, Conflict) as error:
        fail(error, 1)
