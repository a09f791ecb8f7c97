"""The clockwork: APScheduler puts words into the inbox, at fixed intervals and at asked-for moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from galera_operator.runtime.inbox import Inbox


class Schedule:
    def __init__(self, inbox: Inbox, every: float) -> None:
        """Args: `every`: seconds between two periodic looks; events are best effort, this is the truth."""
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

    def look_again(self, cluster: str, seconds: float) -> None:
        """Wake the loop for this cluster after so many seconds; a later call replaces an earlier one."""
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        reason = f"recheck of {cluster}"
        self._scheduler.add_job(self._inbox.put, "date", run_date=at, args=[reason], id=reason, replace_existing=True)
