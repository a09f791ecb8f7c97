"""The status page as HTML, and its state as JSON: both of what was posted, nothing else."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from galera_operator import __version__
from galera_operator.core.condition import Condition
from galera_operator.core.phase import Phase
from galera_operator.core.report import as_json
from galera_operator.runtime.board import Board, Posted

_COMMAND = re.compile(r"((?:galera-operator|docker (?:service|config|stack)) [a-z-]+ .+?)(?= [;.]|; |, |\.?$)")

TONES = {
    "good": {Phase.ADMITTED, Condition.SERVING},
    "busy": {
        Phase.STARTING,
        Phase.BOOTSTRAPPING,
        Phase.JOINING,
        Phase.JOINED,
        Phase.SYNCED,
        Phase.DONOR,
        Phase.DRAINING,
        Phase.DRAINED,
        Phase.LEAVING,
        Condition.FIRST_START,
    },
    "odd": {Phase.ABSENT, Phase.WAITING, Phase.DESYNCED, Condition.NO_TASKS, Condition.DEGRADED},
    "bad": {
        Phase.INCOMPLETE,
        Phase.NON_PRIMARY,
        Phase.STUCK,
        Phase.UNSEEN,
        Condition.NO_PRIMARY,
        Condition.ALL_STOPPED,
        Condition.UNCERTAIN,
        Condition.SPLIT,
        Condition.DIVERGED,
        Condition.DATA_GONE,
    },
}
_TONE_OF = {str(word): tone for tone, words in TONES.items() for word in words} | {"page open": "bad", "no lease": "odd"}


def status(posted: tuple[Posted, ...]) -> dict[str, Any]:
    """``/api/status``: the clusters as ``galera-operator status --json`` tells them, and those that nobody here has looked at."""
    views = [(one, one.view) for one in posted]
    return {
        "clusters": [as_json(view) for _, view in views if view],
        "waiting": [{"service": one.moment.cluster, "why": one.moment.plan.why} for one, view in views if not view],
    }


class Pages:
    """Renders; templates are read once."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._templates = Environment(
            loader=PackageLoader("galera_operator.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "clock": _clock,
            "size": _size,
            "tone": lambda word: _TONE_OF[word],
            "commands": split_commands,
        }
        self._version = -1
        self._parts: dict[str, str] = {}

    def parts(self) -> dict[str, str]:
        """The parts of the page that change, by the id of their element. Made once for each state of the board."""
        version = self._board.version
        if version != self._version:
            posted = self._board.posted()
            clusters = [_cluster(one) for one in posted]
            looked = max((one.looked.at for one in posted if one.looked), default=None)
            self._parts = {
                "clusters": self._templates.get_template("clusters.html").render(clusters=clusters),
                "looked": _clock(looked) if looked else "not yet",
                "title": title(posted),
            }
            self._version = version
        return self._parts

    def whole(self) -> str:
        """The page as a browser without JavaScript shows it, too."""
        return self._templates.get_template("page.html").render(version=__version__, **self.parts())


def title(posted: tuple[Posted, ...]) -> str:
    """For the browser's tab: the worst first."""
    pages = sum(type(one.moment.plan).__name__ == "Page" for one in posted)
    if pages:
        return f"{pages} page{'s' if pages > 1 else ''} open - galera-operator"
    calm = sum(view.condition is Condition.SERVING for one in posted if (view := one.view))
    return f"{calm} of {len(posted)} serving - galera-operator"


def split_commands(remedy: str) -> list[tuple[str, bool]]:
    """The remedy's sentence in pieces; True for those that are commands to run."""
    pieces = _COMMAND.split(remedy)
    return [(piece, at % 2 == 1) for at, piece in enumerate(pieces) if piece]


def _cluster(one: Posted) -> dict[str, Any]:
    view = one.view
    return {
        "service": one.moment.cluster,
        "leads": one.leads,
        "plan_why": one.moment.plan.why,
        "status": as_json(view) if view else None,
        "events": list(reversed(one.events)),
    }


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S")


def _size(count: float) -> str:
    """Bytes as people read them: ``12 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit in {"B", "kB"} or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
