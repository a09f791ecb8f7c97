from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from galera_operator.agent.flow import KNOWN_AFTER, WINDOW, FlowWindow
from galera_operator.core.wsrep_status import FlowCounters

LOOKS = st.lists(st.tuples(st.floats(0.1, 3), st.floats(0, 1), st.integers(0, 3), st.booleans()), min_size=1, max_size=60)


@given(LOOKS)
def test_whatever_is_counted_what_is_told_is_a_share_of_about_a_window(looks):
    window, now, paused, sent = FlowWindow(), 0.0, 0.0, 0
    for seconds, share, more, synced in looks:
        now, paused, sent = now + seconds, paused + seconds * share, sent + more
        window.take(FlowCounters(round(paused * 1e9), sent, requests=False) if synced else None, now)
        flow = window.told(now)
        assert synced or flow is None
        assert flow is None or (0 <= flow.paused <= 1 and KNOWN_AFTER <= flow.over <= WINDOW + 3 and 0 <= flow.sent <= sent)
