"""Swarm loses the binding of members, in a simulated world: each is found again by a restart, and nobody is restarted in vain."""

from __future__ import annotations

import pytest

from galera_operator.core.plan import Act, Page, RestartMember
from galera_operator.sim.actions import parse_script
from galera_operator.sim.history import History

BEGIN = "begin with seed 7, 3 members serving on 3 nodes, 3 wished\npass 4 s\n"


def played(*lines: str, begin: str = BEGIN) -> tuple[History, list[int], list[str]]:
    """The history, which slots were restarted (while nobody was frozen, else 0), and which pages were open."""
    history, restarted, pages = History(parse_script(begin + "\n".join(lines))), [], []

    def hear(operator, plan):
        calm = not any(container.frozen for container in operator.world.containers)
        if isinstance(plan, Act):
            restarted.extend(step.slot if calm else 0 for step in plan.steps if isinstance(step, RestartMember))
        if isinstance(plan, Page):
            pages.append(plan.name)

    for operator in history.world.operators.values():
        operator.said = hear
    assert history.play().broken == []
    return history, restarted, pages


def unlisted(history: History) -> list[int]:
    return sorted(task.slot for task in history.world.swarm.tasks if task.unbound and task.kept)


@pytest.mark.parametrize("slot", [1, 2, 3])
def test_a_member_that_is_lost_is_restarted_and_listed_again_also_the_writer(slot):
    history, restarted, pages = played(f"Swarm loses the binding of slot {slot}", "nothing happens for 130 s")
    assert (restarted, pages, unlisted(history)) == ([slot], [], [])


def test_two_that_are_lost_are_restarted_one_after_the_other():
    lost = ("Swarm loses the binding of slot 2", "Swarm loses the binding of slot 3", "nothing happens for 130 s")
    history, restarted, pages = played(*lost, "nothing happens for 130 s")
    assert (sorted(restarted), pages, unlisted(history)) == ([2, 3], [], [])


def test_while_another_member_is_away_nobody_is_restarted():
    _, restarted, _ = played("freeze slot 2", "Swarm loses the binding of slot 3", *["pass 4 s"] * 12)
    assert restarted == [3], "once the frozen one is back, and not before"


def test_where_all_are_lost_a_person_is_called_and_nobody_is_restarted():
    lost = [f"Swarm loses the binding of slot {slot}" for slot in (1, 2, 3)]
    history, restarted, pages = played(*lost, "nothing happens for 130 s")
    assert (restarted, set(pages), unlisted(history)) == ([], {"binding-lost"}, [1, 2, 3])


def test_an_operator_that_dies_on_the_way_leaves_a_successor_that_finishes_it():
    lines = ("Swarm loses the binding of slot 3", "nothing happens for 40 s", "operator A dies before its call number 3")
    history, restarted, _ = played(*lines, "nothing happens for 130 s")
    assert (set(restarted), unlisted(history)) == ({3}, [])
