"""Put the real parts together."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from loguru import logger

from galera_operator.adapters.members import RealMembers
from galera_operator.adapters.names import DockerNames
from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.adapters.swarm_store import SwarmStore
from galera_operator.runtime.asked import Asked
from galera_operator.runtime.board import Board
from galera_operator.runtime.inbox import Inbox
from galera_operator.runtime.journal import Journal
from galera_operator.runtime.lease import Lease
from galera_operator.runtime.loop import Loop
from galera_operator.runtime.planning import Planning
from galera_operator.runtime.pulse import Pulse
from galera_operator.runtime.runbooks import load
from galera_operator.runtime.schedule import Schedule
from galera_operator.runtime.tick import ClusterTick, World
from galera_operator.settings import Settings

CLUSTERS_AT_ONCE = 16
"""That somebody waits for, and as many that are looked at in the periodic round."""

QUESTIONS_AT_ONCE = 64

COLLECT_AFTER = 20_000
"""Objects more than were let go of before Python's collector looks for cycles. A look makes thousands and keeps none of them:
at 700, Python's own figure, that search takes a twentieth of the operator's processor time."""


def run_operator(settings: Settings, show: Callable[[Board, Pulse, Asked], AbstractContextManager[None]]) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        show: what is open while the operator runs, to show what it does.

    Raises:
        BadRunbook: a file of runbooks is wrong; says which line.
        Unreachable, Refused: the engine does not answer or is not a manager.
    """
    api = EngineApi()
    token = settings.token()
    engine = SwarmEngine(api, token)
    engine.check_manager()
    if not token:
        logger.info("no {}: only services with a root password in their environment can be operated", settings.token_file)
    books = load(settings.runbooks)
    inbox, board, pulse = Inbox(), Board(books), Pulse(settings.look_every)
    asked = Asked(books, token, inbox.put)
    members, stopping = RealMembers(), threading.Event()
    holder = f"{os.uname().nodename}-{secrets.token_hex(4)}"
    with (
        show(board, pulse, asked),
        ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="ask") as pool,
        ThreadPoolExecutor(CLUSTERS_AT_ONCE, thread_name_prefix="round") as rounds,
        ThreadPoolExecutor(CLUSTERS_AT_ONCE, thread_name_prefix="call") as calls,
    ):
        world = World(
            engine,
            members,
            Journal(settings.journal_dir),
            pool,
            names=DockerNames(),
            planning=Planning(books, asked=asked),
            audience=board,
        )
        store = SwarmStore(api)

        def make(name: str) -> ClusterTick:
            return ClusterTick(name, Lease(store, name, holder, settings.lease_ttl), world)

        schedule = Schedule(inbox, settings.look_every)
        loop = Loop(engine, SwarmEngine(EngineApi(), token), make, inbox, schedule, rounds, calls, pulse)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: loop.stop())
        listener = threading.Thread(
            target=members.watch, args=(lambda: inbox.put("a member hung up"), stopping.is_set), name="hang-ups", daemon=True
        )
        listener.start()
        logger.info("operator {} started", holder)
        gc.freeze()  # what is there by now stays for good: no collection needs to go through it again
        gc.set_threshold(COLLECT_AFTER)
        loop.run()
        stopping.set()
        listener.join()
        members.close()
    logger.info("operator {} stopped", holder)
