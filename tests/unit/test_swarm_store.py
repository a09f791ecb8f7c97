from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import A, B, decided, position, remembered

from galera_operator.adapters.swarm_store import DAMAGED, LABEL, SwarmStore
from galera_operator.core.planned import Fired, Planned, Run, RunState, Wanted
from galera_operator.core.remembered import Fork, Memory, Restart, Shrink, WriterMove
from galera_operator.ports import Conflict, Damaged, Record, Refused


class FakeConfigs:
    """The config objects of one swarm: labels change only over the version that was read, names are unique."""

    def __init__(self):
        self.configs = {}
        self.index = 10

    def get(self, path, **params):
        if path.startswith("/configs/"):
            config = self.configs.get(path.removeprefix("/configs/"))
            if config is None:
                raise Refused("404 config not found")
            return json.loads(json.dumps(config))
        prefixes = json.loads(params["filters"])["name"]
        return [config for config in self.configs.values() if any(config["Spec"]["Name"].startswith(p) for p in prefixes)]

    def post(self, path, body, **params):
        self.index += 1
        if path == "/configs/create":
            if any(config["Spec"]["Name"] == body["Name"] for config in self.configs.values()):
                raise Conflict("config name conflicts with an existing object")
            self.configs[f"id{self.index}"] = {"ID": f"id{self.index}", "Version": {"Index": self.index}, "Spec": body}
            return
        config = self.configs.get(path.split("/")[2])
        if config is None:
            raise Refused("404 config not found")
        if int(params["version"]) != config["Version"]["Index"]:
            raise Conflict("update out of sequence")
        config |= {"Spec": body, "Version": {"Index": self.index}}


FULL = Record(0, "first", 3, remembered(ledger={1: 100, 2: -1}, shrink=Shrink(2, 3, "task3")))


@pytest.fixture
def api():
    return FakeConfigs()


@pytest.fixture
def store(api):
    return SwarmStore(api)


def label_of(api):
    (config,) = api.configs.values()
    return config["Spec"]["Labels"]


def test_there_is_no_record_before_the_first(store):
    assert store.load("shop_db") is None


RUN = Run(
    "dddddddd-0000-4000-8000-000000000004",
    "node-maintenance",
    "d1",
    {"node": "n3"},
    "ann@desk",
    1767254400.5,
    RunState.ASKING,
    stage=1,
    since=1767254401.5,
    did=True,
    answer="yes",
    answers_all=True,
    note="n3 is empty",
    pages=True,
)
PLANNED = Planned(
    run=RUN,
    requests=(replace(RUN, runbook="scale", state=RunState.WAITING),),
    wanted=Wanted(3, "member:2", "--x=1", True, 2, "SELECT 1", 2, "1", "no"),
    fired={"day": Fired("0 8 * * * -> 5", 1767254400.0)},
    away=("n3",),
    excluded=("n3", "n4"),
)
BUSY = Record(0, "first", 3, replace(remembered(), planned=PLANNED))


@pytest.mark.parametrize("record", [FULL, BUSY, Record(0, "first", 1, Memory())], ids=["full", "with planned work", "empty"])
def test_a_record_reads_back_what_it_wrote(store, record):
    made = store.create("shop_db", record)
    assert (made.holder, made.epoch, made.memory) == (record.holder, record.epoch, record.memory)
    assert store.load("shop_db") == made


def test_the_words_of_a_run_are_stored_too_although_they_are_not_compared(store):
    assert store.create("shop_db", BUSY).memory.planned.run.note == "n3 is empty"
    assert replace(RUN, note="other words") == RUN


def test_a_record_without_planned_work_says_nothing_of_it(store, api):
    store.create("shop_db", FULL)
    assert "planned" not in label_of(api)[LABEL]


def test_a_damaged_run_is_not_believed(store, api):
    store.create("shop_db", BUSY)
    label_of(api)[LABEL] = label_of(api)[LABEL].replace('"asking"', '"dreaming"')
    with pytest.raises(Refused, match=r"planned\.run\.state"):
        store.load("shop_db")


def test_another_process_reads_the_same(store, api):
    assert store.create("shop_db", FULL) == SwarmStore(api).load("shop_db")


def test_each_save_names_the_version_before_it(store):
    made = store.create("shop_db", FULL)
    saved = store.save("shop_db", made)
    assert saved.version > made.version
    assert store.save("shop_db", saved).version > saved.version


def test_a_save_over_an_old_version_is_a_conflict_and_changes_nothing(store):
    made = store.create("shop_db", FULL)
    store.save("shop_db", made)
    before = store.load("shop_db")
    with pytest.raises(Conflict):
        store.save("shop_db", Record(made.version, "second", 9, Memory()))
    assert store.load("shop_db") == before


def test_two_beats_of_the_same_memory_differ_so_that_swarm_keeps_each(store, api):
    made = store.create("shop_db", FULL)
    first = label_of(api)[LABEL]
    store.save("shop_db", made)
    assert label_of(api)[LABEL] != first


def test_of_two_operators_that_create_at_once_one_gets_a_conflict(store, api):
    SwarmStore(api).create("shop_db", FULL)
    with pytest.raises(Conflict):
        store.create("shop_db", Record(0, "second", 1, Memory()))


def test_a_save_over_the_version_that_was_read_last_reads_no_more_than_what_became_of_it(store, api):
    saved = store.create("db", FULL)
    asked, get = [], api.get

    def counted(path, **params):
        asked.append(path)
        return get(path, **params)

    api.get = counted
    saved = store.save("db", saved)
    assert len(asked) == 1
    assert store.save("db", saved).version == saved.version + 1


def test_a_refused_save_is_told_as_it_is_where_the_config_is_still_there(store, api):
    saved = store.create("db", FULL)

    def refuse(path, body, **params):
        raise Refused("POST: 503 no leader")

    post, api.post = api.post, refuse
    with pytest.raises(Refused, match="no leader"):
        store.save("db", saved)
    api.post = post
    assert store.save("db", saved).version > saved.version


def test_saving_into_a_config_that_was_removed_is_a_conflict(store, api):
    made = store.create("shop_db", FULL)
    api.configs.clear()
    with pytest.raises(Conflict, match="removed"):
        store.save("shop_db", made)
    assert store.load("shop_db") is None


def test_a_config_that_was_removed_and_made_anew_is_found_by_its_name(store, api):
    store.create("shop_db", FULL)
    api.configs.clear()
    anew = SwarmStore(api).create("shop_db", Record(0, "second", 1, Memory()))
    assert store.load("shop_db") == anew


def test_a_cluster_whose_name_begins_alike_is_another(store):
    store.create("shop_db2", FULL)
    assert store.load("shop_db") is None
    store.create("shop_db", Record(0, "second", 1, Memory()))
    assert store.load("shop_db2").holder == "first"


def test_other_labels_on_the_config_stay(store, api):
    made = store.create("shop_db", FULL)
    label_of(api)["team"] = "shop"
    store.save("shop_db", made)
    assert label_of(api)["team"] == "shop"


def good():
    return {
        "schema_version": 1,
        "holder": "first",
        "epoch": 3,
        "beat": 5,
        "uuid": A,
        "ledger": {"1": {"node_id": "n", "seqno": 5}},
        "shrink": None,
    }


def without(key):
    return {name: value for name, value in good().items() if name != key}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("[]", "the whole"),
        ("null", "the whole"),
        *[(json.dumps(without(key)), f"{key}: Field required") for key in good()],
        (json.dumps(good() | {"extra": 1}), "extra"),
        (json.dumps(good() | {"uuid": "banana"}), "uuid"),
        (json.dumps(good() | {"uuid": A.upper()}), "uuid"),
        (json.dumps(good() | {"epoch": -1}), "epoch"),
        (json.dumps(good() | {"epoch": 1.5}), "epoch"),
        (json.dumps(good() | {"schema_version": 2}), "schema_version"),
        (json.dumps(good() | {"ledger": {"1": {"node_id": "n", "seqno": -2}}}), "ledger.1.seqno"),
        (json.dumps(good() | {"ledger": {"one": {"node_id": "n", "seqno": 5}}}), "ledger.one"),
        (json.dumps(good() | {"ledger": {"1": {"node_id": "n"}}}), "ledger.1.seqno"),
        (json.dumps(good() | {"shrink": {"to": 0, "slot": 3, "task_id": "t"}}), "shrink.to"),
        (json.dumps(good() | {"shrink": {"to": 1, "slot": 3}}), "shrink.task_id"),
    ],
)
def test_a_damaged_state_is_refused_with_the_names_of_the_config_the_label_and_the_fault(store, api, text, told):
    store.create("shop_db", FULL)
    label_of(api)[LABEL] = text
    with pytest.raises(Refused) as refused:
        store.load("shop_db")
    assert "config galera-operator.shop_db, label galera.state" in str(refused.value)
    assert told in str(refused.value)


def test_what_was_damaged_stays_beside_the_record_that_was_made_anew(store, api):
    store.create("shop_db", FULL)
    label_of(api)["team"] = "shop"
    label_of(api)[LABEL] = "half of"
    with pytest.raises(Damaged) as damage:
        store.load("shop_db")
    anew = store.renew("shop_db", Record(damage.value.version, "", 7, remembered()), damage.value.text)
    assert (anew.holder, anew.epoch, anew.memory) == ("", 7, remembered())
    assert store.load("shop_db") == anew
    assert (label_of(api)[DAMAGED], label_of(api)["team"]) == ("half of", "shop")
    store.save("shop_db", anew)
    assert label_of(api)[DAMAGED] == "half of"


def test_a_damaged_record_that_was_written_since_is_not_written_over(store, api):
    made = store.create("shop_db", FULL)
    store.save("shop_db", made)
    with pytest.raises(Conflict):
        store.renew("shop_db", made, "half of")
    assert store.load("shop_db").memory == FULL.memory
    assert DAMAGED not in label_of(api)


def test_a_config_without_its_label_is_damaged_too(store, api):
    store.create("shop_db", FULL)
    label_of(api).clear()
    with pytest.raises(Refused, match="damaged"):
        store.load("shop_db")


def test_the_good_text_of_these_tests_is_good(store, api):
    store.create("shop_db", FULL)
    label_of(api)[LABEL] = json.dumps(good())
    assert store.load("shop_db").memory == remembered().__class__(A, {1: store.load("shop_db").memory.ledger[1]})


DECIDED = remembered(
    ledger={1: 5},
    kept={"node": 7},
    consent=decided(1, position(5), 2, 3),
    fork=Fork(position(9, B), (4,)),
    given_up={3: B},
    rebound={2: "task2"},
    move=WriterMove(2, "life1", "ann@desk", "2026-01-02T03:04:05+00:00"),
    restart=Restart({1: "life1", 3: "life3"}, "ann@desk", "2026-01-02T03:04:05+00:00", alone=True),
)


def test_a_persons_decision_reads_back_as_it_was_written(store, api):
    store.create("shop_db", Record(0, "first", 1, DECIDED))
    assert SwarmStore(api).load("shop_db").memory == DECIDED


def test_what_is_empty_is_left_out_so_that_an_older_operator_reads_the_rest(store, api):
    store.create("shop_db", Record(0, "first", 1, remembered()))
    later = {"kept", "consent", "fork", "given_up", "rebound", "move", "restart"}
    assert not later & json.loads(label_of(api)[LABEL]).keys()
    assert json.loads(label_of(api)[LABEL]).keys() == good().keys()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"consent": {"position": "A:5"}}, "state UUID is 'a'"),
        ({"consent": {"history": ""}}, "consent.history"),
        ({"consent": {"history": "banana"}}, "consent.history"),
        ({"consent": {"slot": 0}}, "consent.slot"),
        ({"consent": {"accepted": ["two"]}}, "consent.accepted"),
        ({"consent": {"extra": 1}}, "consent.extra"),
        ({"fork": {"origin": f"{A}:x"}}, "is not a position"),
        ({"fork": {"accepted": None}}, "fork.accepted"),
        ({"move": {"slot": 0}}, "move.slot"),
        ({"restart": {"members": {}}}, "restart.members"),
        ({"restart": {"members": {"0": "x"}}}, "restart.members"),
        ({"restart": {"alone": "yes"}}, "restart.alone"),
        ({"move": {"by": None}}, "move.by"),
        ({"given_up": {"3": "banana"}}, "given_up.3"),
    ],
    ids=str,
)
def test_a_damaged_decision_is_refused_like_any_other_damage(store, api, change, told):
    store.create("shop_db", Record(0, "first", 1, DECIDED))
    raw = json.loads(label_of(api)[LABEL])
    ((part, values),) = change.items()
    raw[part] = raw[part] | values
    label_of(api)[LABEL] = json.dumps(raw)
    with pytest.raises(Refused, match="is damaged") as refused:
        store.load("shop_db")
    assert told in str(refused.value)
