from __future__ import annotations

import pytest
from builders import wsrep

from galera_operator.agent.view import View

ONE, TWO = wsrep(conf_id=7, cluster_size=3), wsrep(conf_id=8, cluster_size=2)


def seen(*answers: tuple[object, float]) -> View:
    view = View()
    for answer, at in answers:
        view.take(answer, at)  # type: ignore[arg-type]
    return view


def test_a_view_ages_from_its_first_sight() -> None:
    view = seen((ONE, 10.0), (ONE, 11.0), (ONE, 12.5))
    assert view.age(13.0) == 3.0


def test_another_number_size_component_or_being_primary_is_another_view() -> None:
    for other in (TWO, wsrep(conf_id=7, cluster_size=2), wsrep(conf_id=7, cluster_size=3, cluster_status="non-Primary")):
        assert seen((ONE, 10.0), (other, 12.0)).age(12.5) == 0.5
    assert seen((ONE, 10.0), (wsrep(conf_id=7, cluster_size=3, last_committed=999, queue=5), 12.0)).age(12.5) == 2.5


def test_members_that_are_told_before_the_number_of_their_view_are_no_old_view() -> None:
    left = wsrep(conf_id=7, cluster_size=3, members=("db.2", "db.3"))
    assert seen((ONE, 10.0), (left, 12.0)).age(12.5) == 0.5
    assert seen((ONE, 10.0), (left, 12.0), (TWO, 12.2)).age(12.5) == pytest.approx(0.3)


def test_a_member_that_tells_of_no_view_has_none_that_could_age() -> None:
    assert View().age(99.0) == 0.0
    silent = seen((ONE, 10.0), (None, 12.5))
    assert silent.last is None
    assert silent.age(12.5) == 0.0
    down = seen((ONE, 10.0))
    down.forget()
    assert down.age(10.5) == 0.0


def test_a_thawed_member_tells_of_its_old_view_as_of_a_new_one() -> None:
    thawed = seen((ONE, 10.0), (None, 14.0), (ONE, 20.0), (ONE, 20.5))
    assert thawed.age(21.0) == 1.0
    assert thawed.thawed_at == 20.0


def test_a_short_silence_is_neither_a_thaw_nor_a_change() -> None:
    view = seen((ONE, 10.0), (None, 11.0), (ONE, 11.9))
    assert (view.age(12.0), view.fresh(12.0)) == (2.0, ONE)
