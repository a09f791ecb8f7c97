from __future__ import annotations

from builders import task
from fakes import literal_victims
from hypothesis import given
from hypothesis import strategies as st

from galera_operator.core.scaling import predicted_victims

TASKS = st.lists(
    st.tuples(
        st.integers(1, 6), st.sampled_from(["n1", "n2", "n3", ""]), st.sampled_from(["running", "starting", "failed", "pending"])
    ),
    max_size=8,
).map(
    lambda rows: [task(slot, id=f"t{number}", node_id=node, state=state) for number, (slot, node, state) in enumerate(rows)],
)
REMAINING = st.integers(0, 7)


@given(TASKS, REMAINING)
def test_the_prediction_is_swarms_own_rule_word_by_word(tasks, remaining):
    assert sorted({found.slot for found in predicted_victims(tasks, remaining)}) == literal_victims(tasks, remaining)


@given(TASKS, REMAINING)
def test_as_many_slots_go_as_are_too_many_and_each_goes_whole(tasks, remaining):
    victims = predicted_victims(tasks, remaining)
    slots = {found.slot for found in victims}
    assert len(slots) == max(0, len({found.slot for found in tasks}) - remaining)
    assert {found.id for found in victims} == {found.id for found in tasks if found.slot in slots}


@given(TASKS, REMAINING, st.randoms(use_true_random=False))
def test_the_order_in_which_swarm_lists_the_tasks_does_not_matter(tasks, remaining, random):
    shuffled = random.sample(tasks, len(tasks))
    assert {found.id for found in predicted_victims(tasks, remaining)} == {
        found.id for found in predicted_victims(shuffled, remaining)
    }


@given(TASKS, st.integers(1, 6))
def test_who_goes_first_also_goes_when_more_go(tasks, remaining):
    fewer = {found.id for found in predicted_victims(tasks, remaining)}
    assert fewer <= {found.id for found in predicted_victims(tasks, remaining - 1)}
