"""Before mariadbd starts: the position that a crash left only in InnoDB, and what a start needs written on the disk."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

from galera_operator.agent import disk, options
from galera_operator.agent.options import Start
from galera_operator.agent.process import run
from galera_operator.agent.settings import Settings
from galera_operator.core.position import Directory, Position, PositionNotFound, recovered_position

log = logging.getLogger(__name__)

RECOVER_SECONDS = 3600.0


def recover(settings: Settings, defaults: Path, found: disk.Disk, stop: threading.Event) -> disk.Disk:
    """Ask InnoDB for the position with ``mariadbd --wsrep-recover``; repeatable, changes nothing that replicates.

    Raises:
        InterruptedError: the agent is to stop.
    """
    first, last = options.common_arguments(settings, defaults, settings.data_dir)
    started = time.monotonic()
    try:
        code, output = run(
            ["mariadbd", *first, *options.recover_arguments(), *last],
            RECOVER_SECONDS, options.server_environment(os.environ), stop,
        )  # fmt: skip
        position = recovered_position(output)
    except (TimeoutError, PositionNotFound) as error:
        return disk.Disk(Directory.INCOMPLETE, note=f"the position could not be recovered: {error}")
    if code != 0:
        return disk.Disk(Directory.INCOMPLETE, note=f"mariadbd --wsrep-recover ended with {code}")
    log.info("recovered position %s in %.1f s", position, time.monotonic() - started)
    after = disk.after_recovery(found, position)
    if after.only_marked:
        log.warning("a bootstrap from here was cut short before its first view: the data is where it began, %s", after.position)
    return after


def make_ready(data_dir: Path, start: Start) -> Start:
    """Write to the disk what this start needs, and return it as mariadbd is to be told."""
    position = start.position
    if start.is_bootstrap:
        if position is None:
            return start
        begins = Position(start.history or position.uuid, position.seqno)
        disk.begin_bootstrap(data_dir, position, begins, mid_ddl=start.mid_ddl)
        return replace(start, position=begins)
    disk.begin_join(data_dir, position)
    if start.copies_all or position is None:
        # With a position Galera would take a part only, or abort ('Reversing history'); without one it copies everything.
        disk.forget_position(data_dir)
        return replace(start, position=None)
    return start
