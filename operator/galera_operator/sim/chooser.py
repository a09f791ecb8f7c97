"""Makes up histories: what happens next, drawn from one seed and from what is there to happen to.

Each history has its own taste (a few kinds of faults, drawn at its beginning): all kinds at once would hide what two of them do
to each other over a longer time.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from galera_operator.sim.actions import Action, action
from galera_operator.sim.swarm import MANAGER
from galera_operator.sim.world import World

PAUSES = (0.3, 0.5, 0.5, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 4.0)
TASTES = (
    *(
        "size",
        "size",
        "hand",
        "deploy",
        "rollout",
        "parallel",
        "pause",
        "person",
        "person",
        "wait",
        "by-hand",
        "lock-out",
        "turn",
    ),
    *("kill", "kill", "kill-all", "stop", "stop-all", "freeze", "freeze-database", "slow", "backup", "member-clock", "unbind"),
    *("empty", "corrupt", "loose", "big", "transfer", "transfer", "stuck", "node", "part", "part", "one-way"),
    *("die", "die", "freeze-operator", "freeze-operator", "two", "two", "lose", "hold", "operator-clock", "engine", "events"),
)
PLANNED = (("restart",), ("restart", "writer"), ("restart", "rollout"), ("writer", "any"), ("ddl", "ddl"))
"""What people do in order, beside the faults of every fourth history; drawn apart, so that the others stay as they are."""
BEGINNINGS = (
    (0, 1),
    (0, 3),
    (1, 1),
    (1, 2),
    (1, 3),
    (2, 2),
    (2, 1),
    (2, 3),
    (3, 3),
    (3, 3),
    (3, 3),
    (3, 1),
    (3, 2),
    (3, 4),
    (4, 4),
    (5, 3),
)
"""How many serve at the beginning, and how many are wished."""


_PASSES = [action("pass", seconds) for seconds in PAUSES]


class Chooser:
    """Draws the actions of one history."""

    def __init__(self, seed: int, tastes: Sequence[str] = ()) -> None:
        """Args: `tastes`: the kinds of faults; drawn as well without them."""
        self.random = Random(seed)  # noqa: S311 - repeatable, not secret
        self.size, self.wish = self.random.choice(BEGINNINGS)
        self.nodes = max(self.size, self.wish, 1) + (self.random.randrange(3) == 0)
        self.tastes = self.random.sample(TASTES, self.random.choice((2, 3, 4, 6)))
        apart = Random(f"planned {seed}")  # noqa: S311 - repeatable, not secret
        if apart.randrange(4) == 0:
            self.tastes += apart.choice(PLANNED)
        if tastes:
            self.tastes = list(tastes)
        self._loud = self.random.choice((0.5, 0.65, 0.8))

    def next(self, world: World) -> Action:
        """The next action of a history that has come this far."""
        if any(container.volume.ddl for container in world.containers) and self.random.random() < 0.7:
            return self._in_the_middle_of_ddl(world)
        if self.random.random() >= self._loud:
            return _PASSES[int(self.random.random() * len(_PASSES))]
        if self.random.random() < 0.35:
            repair = self._repair(world)
            if repair is not None:
                return repair
        return self._fault(self.tastes[int(self.random.random() * len(self.tastes))], world) or action("pass", 0.5)

    def _repair(self, world: World) -> Action | None:
        choices: list[Action] = []
        for container in world.containers:
            if container.frozen or (container.server is not None and container.server.frozen):
                choices.append(action("thaw", container.slot))
            if container.server is not None and container.server.slow:
                choices.append(action("quick", container.slot))
            if container.server is not None and container.server.desync:
                choices.append(action("resync", container.slot))
        choices += [action("boot-node", node) for node in sorted(world.network.down)]
        if world.network.cuts:
            choices.append(action("heal"))
        for name, operator in world.operators.items():
            if operator.frozen:
                choices.append(action("thaw-operator", name))
        if world.engine_away:
            choices.append(action("engine-back"))
        if world.held:
            choices.append(action("deliver"))
        if world.swarm.wish.pause:
            choices.append(action("unpause"))
        return self.random.choice(choices) if choices else None

    def _fault(self, taste: str, world: World) -> Action | None:
        random = self.random
        slots = [container.slot for container in world.containers] or [1]
        slot, node = slots[int(random.random() * len(slots))], world.swarm.nodes[int(random.random() * len(world.swarm.nodes))]
        name = "B" if world.operators["B"].lives and random.random() < 0.33 else "A"
        match taste:
            case "size":
                return action("wish", random.randint(1, len(world.swarm.nodes))) if random.randrange(12) else action("unwish")
            case "parallel":
                return action("parallel", random.choice((1, 2, 4)))
            case "restart":
                return action(random.choice(("restart", "restart", "restart", "restart-anyway", "cancel-restart")))
            case "writer":
                return action("move-writer", slot)
            case "any":
                return action(random.choice(("any-writer", "one-writer")))
            case "hand":
                return action("scale", random.choice((0, 1, 1, 2, 3, 4, 5)))
            case "deploy":
                return action("deploy", random.choice((1, 1, 3)))
            case "kill":
                return self._kill(slot)
            case "stop":
                return action("stop", slot)
            case "freeze":
                return action("freeze", slot) if random.randrange(6) else action(random.choice(("freeze-all", "thaw-all")))
            case "freeze-database":
                return action("freeze-database", slot)
            case "slow":
                return action("slow", slot)
            case "unbind":
                return action("unbind", slot)
            case "backup":
                return action("desync", slot)
            case "member-clock":
                return action("jump-member", slot, random.choice((5.0, 40.0, 3600.0)))
            case "empty" | "corrupt" | "loose":
                return action(taste, node)
            case "transfer":
                return action(random.choice(("stick", "unstick", "kill-joiner", "kill-donor", "big")))
            case "stuck":
                return action(random.choice(("stick", "stick", "kill-joiner"))) if random.randrange(4) else action("wait", 130.0)
            case "turn":
                return action("turn", name)
            case "node":
                return action("lose-node", node)
            case "part":
                return self._part(world.swarm.nodes)
            case "one-way":
                source, target = random.sample((*world.swarm.nodes, MANAGER), 2)
                return action("one-way", source, target)
            case "die":
                return action("die", name, random.choice(("before", "after")), random.randint(1, 14))
            case "freeze-operator":
                if any(operator.frozen or operator.freeze_in for operator in world.operators.values()):
                    return action("thaw-operator", name)
                return action("freeze-operator", name, random.randint(1, 14))
            case "two":
                running = world.operators["B"].running
                return action("stop-operator" if running and not random.randrange(3) else "start-operator", "B")
            case "lose":
                return action("lose-answers", name, random.randint(1, 3))
            case "hold":
                return action("hold", random.randint(1, 3), name)
            case "operator-clock":
                return action("jump-operator", name, random.choice((5.0, 20.0, 3600.0)))
            case "wait":
                return action("wait", random.choice((20.0, 40.0, 130.0)))
            case "by-hand":
                return action("by-hand", slot) if self._by_hand() else None
            case "lock-out":
                return action("lock-out", slot) if random.randrange(2) else action("let-in")
            case "engine":
                return action("engine-away")
            case "events":
                return action("lose-events")
            case _:
                return action(taste)

    def _by_hand(self) -> bool:
        """Seldom: it ends the promise about rows for the rest of the history."""
        return self.random.randrange(6) == 0

    def _kill(self, slot: int) -> Action:
        kind = self.random.choice(("kill", "kill-database", "kill-writer"))
        return action(kind) if kind == "kill-writer" else action(kind, slot)

    def _in_the_middle_of_ddl(self, world: World) -> Action:
        slots = [container.slot for container in world.containers]
        kind = self.random.choice(("kill-all", "kill-writer", "kill", "kill-database", "lose-node", "freeze"))
        if kind == "lose-node":
            return action(kind, self.random.choice(world.swarm.nodes))
        return action(kind) if kind in {"kill-all", "kill-writer"} else action(kind, self.random.choice(slots))

    def _part(self, nodes: Sequence[str]) -> Action:
        size = self.random.randint(1, max(1, len(nodes) - 1))
        group = ", ".join(sorted(self.random.sample(list(nodes), size)))
        return action(self.random.choice(("part", "part", "part-members")), group)
