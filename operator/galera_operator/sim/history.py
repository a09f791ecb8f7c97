"""Plays a history: its actions one after the other, the invariants after each, and a good end or a page at last."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from galera_operator.core.plan import Plan
from galera_operator.sim.actions import Action, Script
from galera_operator.sim.chooser import Chooser
from galera_operator.sim.happen import perform
from galera_operator.sim.operator import Operator
from galera_operator.sim.perform import deliver, thaw_all
from galera_operator.sim.person import oblige, open_page
from galera_operator.sim.truth import final_faults, is_whole
from galera_operator.sim.world import World

REST_STEP = 6.0
REST_TURNS = 130
"""How many turns it may take to come to rest, from the start and from each time that a person did what a page says."""
PATIENCE = 4
"""In how many turns of twice as many a page has to be open before it counts as the end, or before a person obliges."""
OBLIGED = 6

Source = Callable[[World], Action | None]
Listener = Callable[[World, str, str], None]
"""Told of each action and each plan: the world, what kind of news, its text."""


class Over(BaseException):
    """An invariant broke: nothing of the history goes on, also not an operator that is in the middle of a turn."""


@dataclass(slots=True)
class Outcome:
    """How a history ended. `end`: ``whole``, ``page NAME``, or ``broken``."""

    script: Script
    broken: list[str]
    end: str
    world: World = field(repr=False)


class History:
    """One world and what happens in it. `hear` gets every action and plan as it happens."""

    def __init__(self, script: Script, source: Source | None = None, hear: Listener | None = None) -> None:
        """Args: `source`: where actions come from; the script's own without it."""
        self.script = script
        self.world = World(script.seed, script.size, script.nodes, script.wish)
        self.done: list[Action] = []
        self._hear = hear
        given = iter(script.actions)
        self._source: Source = source or (lambda _: next(given, None))
        for operator in self.world.operators.values():
            operator.while_frozen = self._go_on_without
            if hear is not None:
                operator.said = self._said

    def play(self) -> Outcome:
        """Until the source ends or something breaks; then everything is repaired and has to come to rest."""
        end = "broken"
        try:
            while (one := self._source(self.world)) is not None:
                self.act(one)
            end = self.rest()
        except Over:
            pass
        script = Script(
            self.script.seed, self.script.size, self.script.nodes, self.script.wish, tuple(self.done), self.script.obliging
        )
        return Outcome(script, self.world.truth.broken, end, self.world)

    def act(self, one: Action) -> None:
        """Let one thing happen.

        Raises:
            Over: an invariant broke.
        """
        self.done.append(one)
        if self._hear is not None:
            self._hear(self.world, "action", str(one))
        perform(self.world, one)
        if self.world.truth.check():
            raise Over

    def _go_on_without(self, frozen: Operator) -> None:
        while frozen.frozen and (one := self._source(self.world)) is not None:
            self.act(one)

    def _said(self, operator: Operator, plan: Plan) -> None:
        if self._hear is not None:
            self._hear(self.world, f"operator {operator.name}", f"{type(plan).__name__}: {plan.why}")

    # The end ----------------------------------------------------------------------------------------------------------

    def rest(self) -> str:
        """Repair everything, let the operator work, and say how it ended.

        Raises:
            Over: an invariant broke, or it did not come to rest.
        """
        world = self.world
        repair(world)
        obliged, turns = 0, REST_TURNS
        paged: deque[bool] = deque(maxlen=2 * PATIENCE)
        while turns:
            turns -= 1
            world.step(REST_STEP, REST_STEP)
            if world.truth.check():
                raise Over
            page = open_page(world)
            paged.append(page is not None)
            if page is None and not is_whole(world) and not world.galera.lagging:
                return self._whole()
            if page is not None and sum(paged) >= PATIENCE:
                if not self.script.obliging or obliged >= OBLIGED or not oblige(world):
                    return f"page {page.name}"
                obliged, turns = obliged + 1, REST_TURNS
                paged.clear()
                if self._hear is not None:
                    self._hear(world, "action", f"(a person does what the page {page.name} says)")
        plans = "; ".join(f"{one.name}: {one.plan.why}" for one in world.operators.values() if one.running)
        world.truth.broke(f"after everything was repaired, neither whole nor a page: {is_whole(world)}; operators say: {plans}")
        raise Over

    def _whole(self) -> str:
        world = self.world
        world.clients.writing = False
        world.tick(0.5)
        world.tick(0.5)
        for fault in final_faults(world):
            if not world.truth.by_hand:
                world.truth.broke(fault)
        if world.truth.broken:
            raise Over
        return "whole"


def repair(world: World) -> None:
    """End every fault, except what is destroyed."""
    world.network.heal()
    for node in sorted(world.network.down):
        world.network.bring_back(node)
    world.engine_away = world.events_lost = False
    world.locked_out.clear()
    thaw_all(world)
    for server in world.galera.servers:
        server.slow = False
        if server.desync:
            server.desync, server.state = False, 4
        if server.moving is not None:
            server.moving.stuck = False
    world.galera.touch()
    world.galera.lagging = True
    if world.swarm.wish.pause or (world.swarm.wish.replicas is None and world.swarm.replicas == 0):
        perform(world, Action("unpause"))
    if world.swarm.wish.replicas is None and not 0 < world.swarm.replicas <= len(world.swarm.nodes):
        perform(world, Action("wish", ("1",)))  # what nobody can fulfil is no wish
    if world.swarm.wish.replicas is not None and world.swarm.wish.replicas > len(world.swarm.nodes):
        perform(world, Action("wish", (str(len(world.swarm.nodes)),)))
    for operator in world.operators.values():
        operator.disarm()
    deliver(world)
    first, second = world.operators.values()
    if not first.running:
        first.next_at = min(first.next_at, world.now)
    second.stop_in_order()


def random_history(seed: int, steps: int, hear: Listener | None = None, tastes: Sequence[str] = ()) -> History:
    """A history of so many actions, made up from one seed while it is played. `tastes`: only these kinds of faults."""
    chooser = Chooser(seed, tastes)
    script = Script(seed, chooser.size, chooser.nodes, chooser.wish, (), obliging=chooser.random.randrange(2) == 0)
    left = [steps]

    def source(world: World) -> Action | None:
        if not left[0]:
            return None
        left[0] -= 1
        return chooser.next(world)

    return History(script, source, hear)
