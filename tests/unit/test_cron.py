"""Five fields, read as crontab means them."""

from __future__ import annotations

import pytest

from galera_operator.core.cron import BadCron, read_cron

EVERY_DAY, EVERY_WEEKDAY = tuple(range(1, 32)), tuple(range(7))


def test_each_field_stands_where_crontab_has_it():
    cron = read_cron("5 4 3 2 *")
    assert (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays) == ((5,), (4,), (3,), (2,), EVERY_WEEKDAY)
    assert read_cron("5 4 * * 1").days == EVERY_DAY


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", (0,)),
        ("7", (0,)),
        ("sun", (0,)),
        ("SUN", (0,)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("mon-fri", (1, 2, 3, 4, 5)),
        ("5-7", (0, 5, 6)),
        ("sat,sun", (0, 6)),
        ("0-2", (0, 1, 2)),
        ("*/2", (0, 2, 4, 6)),
    ],
)
def test_weekdays_are_numbered_as_in_crontab(field, days):
    assert read_cron(f"0 8 * * {field}").weekdays == days


@pytest.mark.parametrize(
    ("field", "minutes"),
    [("*", tuple(range(60))), ("*/20", (0, 20, 40)), ("5-50/15", (5, 20, 35, 50)), ("1,2,59", (1, 2, 59)), ("50/5", (50, 55))],
)
def test_ranges_steps_and_lists(field, minutes):
    assert read_cron(f"{field} * * * *").minutes == minutes


def test_months_have_names():
    assert read_cron("0 0 1 jan-mar,dec *").months == (1, 2, 3, 12)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 8 * *", "has 4 fields"),
        ("0 8 * * * *", "has 6 fields"),
        ("", "has 0 fields"),
        ("60 * * * *", "the minute has '60'; it takes 0 to 59"),
        ("0 24 * * *", "the hour has '24'; it takes 0 to 23"),
        ("0 0 0 * *", "the day has '0'; it takes 1 to 31"),
        ("0 0 * 13 *", "the month has '13'"),
        ("0 0 * * 8", "the weekday has '8'"),
        ("0 0 * * mo", "the weekday has 'mo'"),
        ("0 8-6 * * *", "a range goes up"),
        ("*/0 * * * *", "a step is at least 1"),
        ("*-5 * * * *", "the minute is '*-5'"),
        ("1;2 * * * *", "the minute is '1;2'"),
        ("-1 * * * *", "the minute is '-1'"),
        ("0 0 1 * mon", "name only one of them"),
        ("@daily", "has 1 fields"),
    ],
)
def test_what_is_no_cron_is_refused_with_what_is_expected(text, said):
    with pytest.raises(BadCron) as error:
        read_cron(text)
    assert said in str(error.value)
