"""``galera-operator scale``: write the label as a user would, then watch the operator fulfil it."""

from __future__ import annotations

import time
from collections.abc import Callable

from galera_operator.adapters.labels import PREFIX, read_labels
from galera_operator.cli.lookout import Lookout
from galera_operator.core.conditions import unsettled
from galera_operator.core.plan import Page
from galera_operator.core.report import View
from galera_operator.core.spec import BadWish

POLL = 1.0
"""Seconds between two looks while waiting."""


class BadRequest(Exception):
    """The wish cannot be obeyed; nothing was changed."""


class NotReached(Exception):
    """The wish was written but not fulfilled in time; says what stood in the way."""


def write_wish(lookout: Lookout, service: str, replicas: str) -> View:
    """Set the label ``galera.replicas``.

    Raises:
        BadRequest: not a number of members that a cluster may have.
        NotFound, Conflict, Unreachable: nothing was changed.
    """
    checked = read_labels(service, {f"{PREFIX}replicas": replicas})
    if isinstance(checked, BadWish):
        raise BadRequest(checked.why)
    view = lookout.view(service)
    if isinstance(view.seen.wish, BadWish) and view.seen.wish.fatal:
        raise BadRequest(f"{view.seen.wish.why}. {view.seen.wish.remedy}")
    lookout.engine.set_label(view.seen.service.id, view.seen.service.version, f"{PREFIX}replicas", replicas)
    return view


def wait_for(lookout: Lookout, service: str, replicas: int, within: float, say: Callable[[str], None]) -> None:
    """Watch until the cluster has that many members, all in calm service and nobody leaving. Raises like `watch_until`."""
    watch_until(lookout, service, lambda view: is_reached(view, replicas), within, say)


def watch_until(
    lookout: Lookout, service: str, reached: Callable[[View], bool], within: float, say: Callable[[str], None]
) -> None:
    """Watch until that is so.

    Args:
        within: seconds.
        say: is told each new sentence of the operator's plan.

    Raises:
        NotReached: time is up, or the operator pages.
    """
    until = time.monotonic() + within
    last = ""
    while time.monotonic() < until:
        view = lookout.view(service)
        if view.plan.why != last:
            last = view.plan.why
            say(last)
        if isinstance(view.plan, Page):
            raise NotReached(f"page {view.plan.name}: {view.plan.why}. {view.plan.remedy}")
        if reached(view):
            return
        time.sleep(POLL)
    raise NotReached(f"not reached within {within:.0f} s; the operator says: {last}")


def is_reached(view: View, replicas: int) -> bool:
    """True when exactly that many members are there, each in calm service, one view, nobody on the way out."""
    return view.seen.wanted == replicas and unsettled(view.seen) is None
