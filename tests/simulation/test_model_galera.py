"""The simulated Galera keeps Galera's rules: FACTS-GALERA, without an operator in between."""

from __future__ import annotations

import pytest

from galera_operator.core.position import ZERO_UUID, Directory
from galera_operator.sim.agent import Start
from galera_operator.sim.component import DONOR, SYNCED
from galera_operator.sim.disk import read
from galera_operator.sim.perform import corrupt, empty, freeze, kill, kill_all, stop, stop_all, thaw
from galera_operator.sim.world import World


def alone(size: int = 3, nodes: int | None = None, seed: int = 1) -> World:
    world = World(seed, size, nodes or size)
    world.operators["A"].end(again_at=None)
    return world


def pass_time(world: World, seconds: float, step: float = 0.5) -> None:
    for _ in range(int(seconds / step)):
        world.tick(step)
        world.truth.check()


def server(world: World, slot: int):
    return world.in_slot(slot).server


def is_primary(world: World, slot: int) -> bool:
    return server(world, slot).component.primary


def test_three_of_which_two_die_leave_one_that_is_not_primary():
    world = alone()
    kill(world, 2)
    kill(world, 3)
    pass_time(world, 2.0)
    assert is_primary(world, 1), "not suspected yet"
    pass_time(world, 3.0)
    assert not is_primary(world, 1)
    assert server(world, 1).wsrep().cluster_status == "non-Primary"
    assert server(world, 1).wsrep().ready is False


def test_three_of_which_two_leave_cleanly_leave_one_that_is_primary():
    world = alone()
    stop(world, 2)
    stop(world, 3)
    pass_time(world, 8.0)
    assert is_primary(world, 1)
    assert server(world, 1).component.names[0] == "db.1"


def test_one_of_two_that_dies_takes_the_quorum_with_it():
    world = alone(2)
    kill(world, 2)
    pass_time(world, 5.0)
    assert not is_primary(world, 1)


@pytest.mark.parametrize(("size", "cut", "stays"), [(3, ["n1"], 2), (4, ["n1", "n2"], 0), (5, ["n1", "n2"], 3)])
def test_a_partition_leaves_the_majority_primary_and_half_is_none(size, cut, stays):
    world = alone(size)
    world.network.part(set(cut), set(world.volumes) - set(cut))
    pass_time(world, 6.0)
    assert sum(container.server.component.primary for container in world.containers) == stays
    world.network.heal()
    pass_time(world, 12.0)
    assert all(container.server.is_synced for container in world.containers)
    assert len({container.server.component for container in world.containers}) == 1


def test_nothing_commits_while_the_group_is_undecided():
    world = alone()
    world.clients.writing = False
    kill(world, 3)
    world.tick(0.5)
    assert not world.galera.commit(server(world, 1), 1)
    pass_time(world, 5.0)
    before = server(world, 1).component.seqno
    assert world.galera.commit(server(world, 1), 1)
    assert server(world, 1).component.seqno == before + 1


def test_a_cut_between_two_of_three_is_relayed_by_the_third():
    world = alone()
    world.network.part({"n1"}, {"n2"})
    pass_time(world, 6.0)
    assert len({container.server.component for container in world.containers}) == 1


def test_a_thawed_member_says_synced_for_seconds_and_its_agent_does_not_believe_it():
    world = alone()
    freeze(world, 2)
    pass_time(world, 6.0)
    thaw(world, 2)
    frozen = world.in_slot(2)
    assert frozen.server.wsrep().is_synced
    assert frozen.route(world.now)[0].code == 503
    world.tick(0.5)
    assert frozen.server.wsrep().is_synced, "still"
    assert frozen.route(world.now)[0].code == 503
    pass_time(world, 12.0)
    assert frozen.server.is_synced
    assert frozen.server.component is server(world, 1).component
    assert frozen.route(world.now)[0].code == 200
    assert world.truth.broken == []


def test_a_clean_stop_of_all_at_once_leaves_nobody_safe_to_bootstrap_and_the_same_seqno():
    world = alone()
    pass_time(world, 3.0)
    world.clients.writing = False
    world.tick(0.5)
    stop_all(world)
    volumes = list(world.volumes.values())
    assert [volume.safe for volume in volumes] == [False] * 3
    assert len({volume.written for volume in volumes}) == 1
    assert volumes[0].written > 100


def test_a_clean_stop_one_after_the_other_leaves_the_last_one_safe():
    world = alone(2)
    last = world.in_slot(1)
    world.swarm.replicas = 1
    world.swarm.written()
    pass_time(world, 60.0)
    stop(world, 1)
    pass_time(world, 60.0)
    assert last.volume.safe
    assert last.volume.written == last.volume.seqno


def test_a_crash_leaves_no_position_in_the_file_and_recovery_finds_it():
    world = alone()
    pass_time(world, 3.0)
    kill_all(world)
    for volume in world.volumes.values():
        assert volume.written == -1
        found = read(volume)
        assert found.directory is Directory.USABLE
        assert found.position.seqno == volume.seqno


def test_what_was_acknowledged_is_on_the_newest_copy_after_a_crash_of_all():
    for seed in range(20):
        world = alone(seed=seed)
        pass_time(world, 5.0)
        kill_all(world)
        newest = max(world.volumes.values(), key=lambda volume: volume.seqno)
        assert world.truth.lacking(newest.branch, newest.seqno) == []
        assert world.clients.acknowledged


def test_a_member_that_was_away_for_a_short_time_gets_ist_and_one_that_was_emptied_gets_sst():
    for spoil, method in ((None, "IST"), (empty, "SST"), (corrupt, "SST")):
        world = alone()
        node = world.in_slot(3).node
        kill(world, 3)
        if spoil:
            spoil(world, node)
        methods = set()
        for _ in range(60):
            world.tick(0.5)
            comer = world.in_slot(3)
            if comer and comer.server and comer.server.moving:
                methods.add(comer.server.moving.method)
        assert methods == {method}
        assert comer.server.is_synced


def test_beyond_the_gcache_there_is_no_ist():
    world = alone()
    pass_time(world, 2.0)
    kill(world, 3)
    server(world, 1).component.history_from = server(world, 1).component.seqno + 1
    seen = set()
    for _ in range(40):
        world.tick(0.5)
        comer = world.in_slot(3)
        if comer and comer.server and comer.server.moving:
            seen.add(comer.server.moving.method)
    assert seen == {"SST"}


def test_the_donor_is_not_the_writer_and_a_directory_in_the_middle_of_an_sst_is_half_copied():
    world = alone()
    node = world.in_slot(3).node
    empty(world, node)
    for _ in range(60):
        world.tick(0.5)
        comer = world.in_slot(3)
        if comer and comer.server and comer.server.moving and comer.server.moving.donor:
            break
    assert comer.server.moving.donor.name == "db.2"
    assert server(world, 2).wsrep().local_state == 2
    comer.exit(137)
    assert read(world.volumes[node]).directory is Directory.HALF_COPIED
    states = []
    for _ in range(20):
        world.tick(0.5)
        states.append(server(world, 2).state)
    assert states[0] == DONOR, "it does not know yet"
    assert SYNCED in states, "it is released"


def test_a_member_started_without_its_position_says_zeros_and_gets_no_traffic():
    world = alone()
    kill(world, 3)
    node = world.in_slot(2).node
    pass_time(world, 0.5)
    world.volumes[node].loose = True
    kill(world, 2)
    pass_time(world, 30.0)
    odd = world.in_slot(2)
    if odd.server is not None and odd.server.zeros:
        assert odd.server.wsrep().state_uuid == ZERO_UUID
        assert odd.route(world.now)[0].code == 503
    assert world.truth.broken == []


def test_two_bootstraps_by_hand_are_two_primaries_that_stay_apart():
    world = alone(2)
    world.truth.by_hand = True
    world.network.part({"n1"}, {"n2"})
    kill(world, 2)
    pass_time(world, 6.0)
    world.galera.form_primary(server(world, 1).component)
    pass_time(world, 1.0)
    assert is_primary(world, 1)
    other = world.in_slot(2)
    other.start = Start((), other.found.position)
    pass_time(world, 3.0)
    world.network.heal()
    pass_time(world, 5.0)
    assert is_primary(world, 1)
    assert is_primary(world, 2)
    assert server(world, 1).component is not server(world, 2).component


def test_the_newer_copy_does_not_join_an_older_group():
    """Reversing history: the group is behind the joiner, so the joiner ends."""
    world = alone(2)
    world.truth.by_hand = True
    ahead = world.in_slot(2)
    world.clients.writing = False
    kill_all(world)
    ahead.volume.branch = ahead.volume.branch.commit(ahead.volume.seqno, 5)
    ahead.volume.seqno += 5
    held = ahead.volume.seqno
    pass_time(world, 6.0)
    first = world.in_slot(1)
    first.start = Start((), first.found.position)
    pass_time(world, 2.0)
    second = world.in_slot(2)
    second.start = Start((first.address,), second.found.position)
    pass_time(world, 3.0)
    assert world.in_slot(2) is not second or not second.alive
    assert first.volume.seqno < held
    assert ahead.volume.seqno == held, "nothing of it was erased"
