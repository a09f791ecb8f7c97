from __future__ import annotations

import pytest

from galera_operator.core.spec import STOP_MARGIN, Wish


@pytest.mark.parametrize(
    ("limit", "grace", "seconds"),
    [(50.0, 120.0, 50.0), (50.0, 30.0, 30.0 - STOP_MARGIN), (50.0, 55.0, 50.0), (50.0, STOP_MARGIN, 1.0), (50.0, 0.0, 1.0)],
    ids=["the label's", "cut to the grace period", "just enough", "no room", "no grace period"],
)
def test_a_drain_lasts_as_long_as_the_label_says_and_the_stop_grace_period_allows(limit, grace, seconds):
    assert Wish(drain_timeout=limit).drain_seconds(grace) == seconds
