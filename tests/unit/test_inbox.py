from __future__ import annotations

import threading
import time

from galera_operator.runtime.inbox import Inbox


def test_reasons_that_came_together_are_taken_together_and_once():
    inbox = Inbox()
    for reason in ("event", "periodic look", "event"):
        inbox.put(reason)
    assert inbox.take(within=0) == {"event", "periodic look"}
    assert inbox.take(within=0) == frozenset()


def test_waiting_ends_with_the_first_reason():
    inbox = Inbox()
    taken = []
    waiter = threading.Thread(target=lambda: taken.append(inbox.take(within=30)))
    waiter.start()
    begun = time.monotonic()
    inbox.put("event")
    waiter.join(timeout=10)
    assert taken == [{"event"}]
    assert time.monotonic() - begun < 10


def test_waiting_ends_without_a_reason_when_the_time_is_over():
    assert Inbox().take(within=0.01) == frozenset()


def test_a_reason_for_later_comes_when_it_is_due_and_not_before():
    inbox = Inbox()
    inbox.put_later("recheck of a", 0.05)
    assert inbox.take(within=0) == frozenset()
    assert inbox.take(within=10) == {"recheck of a"}
    assert inbox.take(within=0) == frozenset()


def test_a_later_recheck_replaces_an_earlier_one():
    inbox = Inbox()
    inbox.put_later("recheck of a", 3600)
    inbox.put_later("recheck of a", 0.01)
    assert inbox.take(within=10) == {"recheck of a"}
    assert inbox.take(within=0.02) == frozenset()
