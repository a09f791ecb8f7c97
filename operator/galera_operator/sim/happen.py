"""The alphabet of actions.py, told to a world: which action does what of perform.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from galera_operator.sim.actions import Action
from galera_operator.sim.perform import (
    big_transaction,
    boot_node,
    bootstrap_by_hand,
    change_wish,
    corrupt,
    deliver,
    empty,
    freeze,
    freeze_all,
    freeze_database,
    jump_member,
    kill,
    kill_all,
    kill_database,
    kill_donor,
    kill_joiner,
    kill_writer,
    loosen,
    lose_node,
    part,
    run_ddl,
    scale,
    set_desync,
    set_slow,
    start_operator,
    stick,
    stop,
    stop_all,
    thaw,
    thaw_all,
    thaw_operator,
    turn,
    unbind,
)
from galera_operator.sim.person import ask_for_restart, ask_for_writer, cancel_restart, oblige
from galera_operator.sim.world import World


def _arm(world: World, one: Action) -> None:
    operator = world.operators[one.values[0] if one.kind != "hold" else one.values[1]]
    operator.armed = True
    match one.kind:
        case "die":
            operator.die_in, operator.dies_before = one.number(2), one.values[1] == "before"
        case "freeze-operator":
            operator.freeze_in = one.number(1)
        case "lose-answers":
            operator.lose_answers = one.number(1)
        case "hold":
            operator.hold_commands = one.number(0)


_Do = Callable[[World, Action], None]

_DO: Mapping[str, _Do] = {
    "pass": lambda world, one: world.step(one.seconds()),
    "wish": lambda world, one: change_wish(world, replace(world.swarm.wish, replicas=one.number())),
    "unwish": lambda world, _: change_wish(world, replace(world.swarm.wish, replicas=None)),
    "parallel": lambda world, one: change_wish(world, replace(world.swarm.wish, join_parallel=one.number())),
    "pause": lambda world, _: change_wish(world, replace(world.swarm.wish, pause=True)),
    "unpause": lambda world, _: change_wish(world, replace(world.swarm.wish, pause=False)),
    "scale": lambda world, one: scale(world, one.number()),
    "deploy": lambda world, one: scale(world, one.number()),
    "restart": lambda world, _: ask_for_restart(world, alone=False),
    "restart-anyway": lambda world, _: ask_for_restart(world, alone=True),
    "cancel-restart": lambda world, _: cancel_restart(world),
    "move-writer": lambda world, one: ask_for_writer(world, one.number()),
    "any-writer": lambda world, _: change_wish(world, replace(world.swarm.wish, any_writer=True)),
    "one-writer": lambda world, _: change_wish(world, replace(world.swarm.wish, any_writer=False)),
    "rollout": lambda world, _: world.swarm.roll_out(),
    "kill": lambda world, one: kill(world, one.number()),
    "kill-database": lambda world, one: kill_database(world, one.number()),
    "kill-all": lambda world, _: kill_all(world),
    "kill-writer": lambda world, _: kill_writer(world),
    "stop": lambda world, one: stop(world, one.number()),
    "stop-all": lambda world, _: stop_all(world),
    "freeze": lambda world, one: freeze(world, one.number()),
    "freeze-database": lambda world, one: freeze_database(world, one.number()),
    "freeze-all": lambda world, _: freeze_all(world),
    "thaw": lambda world, one: thaw(world, one.number()),
    "thaw-all": lambda world, _: thaw_all(world),
    "slow": lambda world, one: set_slow(world, one.number(), slow=True),
    "quick": lambda world, one: set_slow(world, one.number(), slow=False),
    "desync": lambda world, one: set_desync(world, one.number(), desync=True),
    "resync": lambda world, one: set_desync(world, one.number(), desync=False),
    "unbind": lambda world, one: unbind(world, one.number()),
    "jump-member": lambda world, one: jump_member(world, one.number(), one.seconds()),
    "empty": lambda world, one: empty(world, one.values[0]),
    "corrupt": lambda world, one: corrupt(world, one.values[0]),
    "loose": lambda world, one: loosen(world, one.values[0]),
    "big": lambda world, _: big_transaction(world),
    "ddl": lambda world, _: run_ddl(world),
    "stick": lambda world, _: stick(world, stuck=True),
    "unstick": lambda world, _: stick(world, stuck=False),
    "kill-joiner": lambda world, _: kill_joiner(world),
    "kill-donor": lambda world, _: kill_donor(world),
    "lose-node": lambda world, one: lose_node(world, one.values[0]),
    "boot-node": lambda world, one: boot_node(world, one.values[0]),
    "part": lambda world, one: part(world, one.values[0], managers=True),
    "part-members": lambda world, one: part(world, one.values[0], managers=False),
    "one-way": lambda world, one: world.network.cut(one.values[0], one.values[1]),
    "heal": lambda world, _: world.network.heal(),
    "turn": lambda world, one: turn(world, one.values[0]),
    "die": _arm,
    "freeze-operator": _arm,
    "thaw-operator": lambda world, one: thaw_operator(world, one.values[0]),
    "start-operator": lambda world, one: start_operator(world, one.values[0]),
    "stop-operator": lambda world, one: world.operators[one.values[0]].stop_in_order(),
    "lose-answers": _arm,
    "hold": _arm,
    "deliver": lambda world, _: deliver(world),
    "jump-operator": lambda world, one: world.operators[one.values[0]].jump(one.seconds()),
    "engine-away": lambda world, _: setattr(world, "engine_away", True),
    "engine-back": lambda world, _: setattr(world, "engine_away", False),
    "lose-events": lambda world, _: setattr(world, "events_lost", True),
    "wait": lambda world, one: world.step(one.seconds(), 10.0),
    "by-hand": lambda world, one: bootstrap_by_hand(world, one.number()),
    "lock-out": lambda world, one: world.locked_out.add(one.number()),
    "let-in": lambda world, _: world.locked_out.clear(),
    "person": lambda world, _: _ask_a_person(world),
}


def _ask_a_person(world: World) -> None:
    oblige(world)


def perform(world: World, one: Action) -> None:
    """Let it happen."""
    _DO[one.kind](world, one)
