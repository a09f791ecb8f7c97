"""The clockwork: APScheduler puts words into the inbox at fixed intervals."""

from __future__ import annotations

from datetime import UTC

from apscheduler.schedulers.background import BackgroundScheduler

from galera_operator.runtime.inbox import Inbox


class Schedule:
    def __init__(self, inbox: Inbox, every: float) -> None:
        """Args: `every`: seconds between two periodic looks; events are best effort, this is the truth."""
        self.every = every
        self._inbox = inbox
        # A look that comes late is still wanted, and several late ones are one: the default grace of 1 s would drop them.
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._scheduler.add_job(inbox.put, "interval", seconds=every, args=["periodic look"], id="periodic look")

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)
