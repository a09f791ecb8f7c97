"""Whatever a look finds: its line in the journal holds all of it, so the present code decides it again as it did."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from strategies import memories, snapshots

from galera_operator.core.memory import remember
from galera_operator.core.moment import Moment
from galera_operator.core.verdict import decides_otherwise, verdict

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


@given(snapshots(), memories())
def test_a_moment_comes_back_from_its_line_and_is_decided_alike(seen, memory):
    memory = remember(memory, seen)
    moment = Moment(NOW, "shop_db", "first", 1, 1, seen, memory, verdict(seen, memory))
    again = Moment.from_json(moment.to_json())
    assert again == moment
    assert decides_otherwise(again) is None
