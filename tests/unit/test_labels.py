from __future__ import annotations

import pytest

from galera_operator.adapters.labels import Labels, read_labels, wish_from
from galera_operator.core.spec import BadWish, Wish


def read(**labels):
    return read_labels("shop_db", {f"galera.{key.replace('_', '.')}": value for key, value in labels.items()})


def fault(**labels) -> str:
    found = read(**labels)
    assert isinstance(found, BadWish)
    assert found.name == "bad-label"
    assert not found.fatal
    return found.why


def test_without_labels_the_defaults_hold():
    assert wish_from(read()) == Wish()


@pytest.mark.parametrize("number", range(1, 10))
def test_one_to_nine_members_may_be_wished(number):
    assert read(replicas=str(number)).replicas == number


@pytest.mark.parametrize("value", ["banana", "-1", "0", "10", "200", "", "1.5", "3,", "0x3", "true", "99999999999999999999"])
def test_any_other_number_of_members_is_refused_with_what_stood_there_and_what_is_taken(value):
    assert fault(replicas=value) == (
        f"galera.replicas is {value!r}; expected a whole number from 1 to 9; to stop the database, remove the stack"
    )


def test_an_unknown_label_is_refused_and_the_known_ones_are_named():
    assert fault(replica="3") == (
        "there is no label galera.replica; known are galera.donor.serves, galera.drain.timeout, galera.enable, "
        "galera.join.parallel, galera.maintenance, galera.network, galera.pause, galera.reads, galera.replicas, "
        "galera.schedule.NAME, galera.timezone, galera.writer"
    )


def test_one_member_takes_the_writes_unless_the_label_says_any():
    assert not wish_from(read(writer="one")).any_writer
    assert wish_from(read(writer="any")).any_writer
    assert fault(writer="all") == "galera.writer is 'all'; expected one or any"


def test_every_fault_is_told():
    why = fault(replicas="banana", pause="perhaps")
    assert "galera.replicas is 'banana'" in why
    assert "galera.pause is 'perhaps'; expected true or false" in why


def test_labels_of_others_are_not_looked_at():
    assert read_labels("shop_db", {"traefik.enable": "banana", "galeras.replicas": "x", "com.docker.stack.namespace": "shop"})


@pytest.mark.parametrize(
    ("text", "seconds"), [("50", 50), ("50s", 50), (" 50s ", 50), ("1.5m", 90), ("5000ms", 5), ("1h", 3600), ("1s", 1)]
)
def test_a_duration_is_read_in_any_unit(text, seconds):
    assert read(drain_timeout=text).drain_timeout == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5 s", "5x", "s", "1e3", "nan", "inf"])
def test_an_odd_duration_is_refused(text):
    assert fault(drain_timeout=text) == f"galera.drain.timeout is {text!r}; expected a duration from 1s to 1h, such as 50s"


@pytest.mark.parametrize("text", ["0", "999ms", "61m", "2h"])
def test_a_duration_beyond_the_limits_is_refused(text):
    assert "expected a duration from 1s to 1h" in fault(drain_timeout=text)


def test_a_duration_beyond_the_limits_is_told_as_it_stood_there():
    assert "galera.drain.timeout is '2h'" in fault(drain_timeout="2h")


@pytest.mark.parametrize("text", ["0", "5", "two"])
def test_odd_joiners_at_once_are_refused(text):
    assert "expected a whole number from 1 to 4" in fault(join_parallel=text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("1", True), ("0", False), ("TRUE", True)])
def test_truth_values_are_read(text, value):
    assert read(pause=text).pause is value
    assert read(donor_serves=text).donor_serves is value


def test_the_labels_become_the_wish():
    labels = read(replicas="3", drain_timeout="2m", join_parallel="2", donor_serves="true", reads="causal", pause="true")
    assert wish_from(labels) == Wish(3, 120.0, 2, allow_donor=True, causal_reads=True, pause=True)


def test_reads_are_fast_unless_the_label_says_causal():
    assert not wish_from(read()).causal_reads
    assert not wish_from(read(reads="fast")).causal_reads
    assert fault(reads="slow") == "galera.reads is 'slow'; expected fast or causal"


def test_the_remedy_for_a_bad_value_names_the_label_and_the_service():
    assert read(replicas="banana").remedy == "docker service update --label-add galera.replicas=... shop_db"


def test_the_remedy_for_an_unknown_label_is_to_remove_it():
    assert read(replica="3").remedy == "docker service update --label-rm galera.replica shop_db"


def test_each_label_has_a_description_for_the_readme():
    assert all(field.description for field in Labels.model_fields.values())


@pytest.mark.parametrize(
    ("limit", "grace", "seconds"),
    [(50.0, 120.0, 50.0), (50.0, 30.0, 25.0), (50.0, 10.0, 5.0), (50.0, 3.0, 1.0), (2.0, 120.0, 2.0)],
)
def test_the_drain_limit_leaves_the_database_time_to_stop_within_the_grace_period(limit, grace, seconds):
    assert Wish(drain_timeout=limit).drain_seconds(grace) == seconds


# Schedules and windows


def test_each_schedule_is_a_label_under_a_name_of_the_user_s_choice():
    labels = read_labels("db", {"galera.schedule.day": "0 8 * * 1-5 -> 5", "galera.schedule.night": "0 20 * * * -> 3"})
    assert isinstance(labels, Labels)
    wish = wish_from(labels)
    assert [(one.name, one.runbook, one.arguments) for one in wish.schedules] == [
        ("day", "scale", {"replicas": "5"}),
        ("night", "scale", {"replicas": "3"}),
    ]


def test_a_schedule_that_cannot_be_read_is_refused_with_what_stood_there_and_an_example():
    bad = read_labels("db", {"galera.schedule.day": "0 8 * * -> 5", "galera.schedule.night": "never"})
    assert isinstance(bad, BadWish)
    assert "galera.schedule.day is '0 8 * * -> 5': '0 8 * *' has 4 fields" in bad.why
    assert "galera.schedule.night is 'never': expected" in bad.why
    assert bad.remedy.startswith("docker service update --label-add galera.schedule.day=... db, such as '0 8 * * 1-5 -> 5'")


def test_a_schedule_has_a_name():
    assert isinstance(read_labels("db", {"galera.schedule.": "0 8 * * * -> 5"}), BadWish)


def test_windows_and_their_zone_are_read():
    labels = read_labels("db", {"galera.maintenance": "Sun 02:00-04:00", "galera.timezone": "Europe/Berlin"})
    assert isinstance(labels, Labels)
    assert [window.text for window in wish_from(labels).maintenance] == ["Sun 02:00-04:00"]
    assert wish_from(labels).timezone == "Europe/Berlin"


@pytest.mark.parametrize("zone", ["Berlin", "Europe", "", "../etc/passwd", "/etc/localtime"])
def test_what_is_no_time_zone_is_refused(zone):
    bad = read_labels("db", {"galera.timezone": zone})
    assert isinstance(bad, BadWish)
    assert f"galera.timezone is {zone!r}; expected a name of the IANA data base, such as Europe/Berlin" in bad.why


def test_what_is_no_window_is_refused_with_an_example():
    bad = read_labels("db", {"galera.maintenance": "sunday night"})
    assert isinstance(bad, BadWish)
    assert "expected windows such as 'Sun 02:00-04:00" in bad.why
