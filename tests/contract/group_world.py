"""What a test of the members may do and see, on real agents with mariadbd and on simulated ones alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from galera_operator.core.agent_api import Admit, AgentStatus, Command, FormPrimary, Grant, Stage, Wsrep
from galera_operator.core.position import Position
from galera_operator.ports import Members, Refused, Unreachable

T = TypeVar("T")

SOON = 40.0
SERVER_STAGES = {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}


def in_order(told: Sequence[str]) -> list[str]:
    """Stages without their repetitions, and without the `drained` that lasts for no time when the end follows it at once."""
    once = [stage for stage, before in zip(told, ["", *told], strict=False) if stage != before]
    return [stage for stage, after in zip(once, [*once[1:], ""], strict=True) if (stage, after) != ("drained", "stopping")]


class GroupWorld(ABC):
    """Members in slots 1 to 3, each with an address and a data directory of its own. Nobody starts an agent but the test."""

    members: Members
    token: str
    is_real: bool
    epoch = 1

    @abstractmethod
    def address(self, slot: int) -> str: ...

    @abstractmethod
    def now(self) -> float: ...

    @abstractmethod
    def until(self, condition: Callable[[], T], within: float, what: str) -> T:
        """Let time pass until the answer is true, and return it. Who does not answer meanwhile is asked again."""

    # What happens -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def start(self, slot: int) -> None:
        """Start an agent on the slot's directory; it knows where the others may be."""

    @abstractmethod
    def kill(self, slot: int) -> None:
        """SIGKILL to everything of the member at once."""

    @abstractmethod
    def kill_database(self, slot: int) -> None:
        """SIGKILL to mariadbd alone."""

    @abstractmethod
    def sigterm(self, slot: int) -> None:
        """SIGTERM to the agent, as Swarm sends it."""

    @abstractmethod
    def freeze(self, slot: int) -> None:
        """SIGSTOP to everything of the member."""

    @abstractmethod
    def thaw(self, slot: int) -> None:
        """SIGCONT."""

    @abstractmethod
    def desync(self, slot: int, on: bool) -> None:
        """``SET GLOBAL wsrep_desync``, as a backup does it."""

    @abstractmethod
    def write(self, slot: int, count: int = 1) -> bool:
        """Commit so many transactions through this member; False if it refuses."""

    @abstractmethod
    def wipe(self, slot: int) -> None:
        """End what runs there, and empty its directory."""

    # What is seen -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def exit_code(self, slot: int) -> int | None:
        """How the agent ended; None while it runs."""

    @abstractmethod
    def has_agent(self, slot: int) -> bool:
        """An agent runs (or is frozen) there."""

    @abstractmethod
    def stages(self, slot: int) -> list[str]:
        """The stages of the agent's present or last life, as `in_order` has them."""

    # Words made of these ----------------------------------------------------------------------------------------------

    def status(self, slot: int) -> AgentStatus:
        return self.members.ask(self.address(slot), self.token)

    def wsrep(self, slot: int) -> Wsrep:
        """The database's own word, with the members that its agent names."""
        told = self.status(slot).wsrep
        return self.members.wsrep(self.address(slot), self.token, told.members if told else ())

    def told(self, slot: int) -> Wsrep | None:
        """The same; None where it does not answer."""
        try:
            return self.wsrep(slot)
        except (Unreachable, Refused):
            return None

    def send(self, slot: int, command: Command) -> None:
        self.members.send(self.address(slot), self.token, command)

    def incarnation(self, slot: int) -> str:
        return self.status(slot).incarnation

    def wait_stage(self, slot: int, *stages: Stage, within: float = SOON) -> AgentStatus:
        def there() -> AgentStatus | None:
            assert self.has_agent(slot), f"slot {slot}'s agent ended with {self.exit_code(slot)}: {self.stages(slot)}"
            now = self.status(slot)
            return now if now.stage in stages else None

        found = self.until(there, within, f"slot {slot} to be {' or '.join(stages)}")
        assert found is not None
        return found

    def wait_view(self, slot: int, size: int, within: float = SOON) -> Wsrep:
        """Wait until the agent and its database say that they are Synced in a component of this size."""

        def there() -> Wsrep | None:
            now, agents = self.wsrep(slot), self.status(slot).wsrep
            same = agents is not None and agents.is_synced and agents.cluster_size == size and agents.members == now.members
            return now if same and now.is_synced and now.cluster_size == size else None

        found = self.until(there, within, f"slot {slot} to be Synced, one of {size}")
        assert found is not None
        return found

    def wait_not_primary(self, slot: int, within: float) -> Wsrep:
        """Wait until the agent and its database say that they are in no Primary component."""

        def there() -> Wsrep | None:
            now, agents = self.wsrep(slot), self.status(slot).wsrep
            knows = agents is not None and not agents.is_primary and agents.members == now.members
            return now if knows and not now.is_primary else None

        found = self.until(there, within, f"slot {slot} to be in no Primary component")
        assert found is not None
        return found

    def same_everywhere(self, *slots: int) -> Position:
        """Wait until these members have committed the same, and return up to where."""

        def same() -> Position | None:
            found = {Position(told.state_uuid, told.last_committed) for slot in slots if (told := self.wsrep(slot))}
            return found.pop() if len(found) == 1 else None

        position = self.until(same, SOON, f"the same write-sets in slots {slots}")
        assert position is not None
        return position

    def wait_exit(self, slot: int, within: float = SOON) -> int:
        self.until(lambda: not self.has_agent(slot), within, f"slot {slot}'s agent to end")
        code = self.exit_code(slot)
        assert code is not None
        return code

    def grant(self, slot: int) -> None:
        """Let a waiting member bootstrap, with the premise that it tells itself."""
        now = self.wait_stage(slot, Stage.WAITING)
        self.send(slot, Grant(self.epoch, now.incarnation, self.address(slot), now.position, ()))

    def admit(self, slot: int) -> None:
        self.send(slot, Admit(self.epoch, self.incarnation(slot), 20.0, allow_donor=False))

    def form_primary(self, slot: int) -> None:
        """Make the component of a live member the Primary one, with the premise that it tells itself."""
        now = self.status(slot)
        assert now.position is not None
        self.send(slot, FormPrimary(self.epoch, now.incarnation, now.position))

    def has(self, *slots: int) -> None:
        """See to it that exactly these members are Synced, admitted and of one component, whatever was before.

        Goes on from the newest data. What it takes is a first start, a join, or nothing at all.
        """
        for slot in {1, 2, 3} - set(slots):
            if self.has_agent(slot):
                self.kill(slot)
        for slot in slots:
            if self.has_agent(slot):
                self.thaw(slot)
        self.until(lambda: self._are_one(slots), 2 * SOON, f"slots {slots} to be one Primary component")
        for slot in slots:
            self.wait_view(slot, len(slots))
            self.admit(slot)
        for slot in slots:
            self.wait_stage(slot, Stage.RUNNING)

    def _are_one(self, slots: tuple[int, ...]) -> bool:
        """True once they are; where nobody is in a Primary component and nobody on the way to one, the newest begins."""
        for slot in slots:
            if not self.has_agent(slot):
                self.start(slot)
        now = {slot: self.status(slot) for slot in slots}
        self.epoch = max(self.epoch, *(one.epoch for one in now.values()))
        names = tuple(sorted(one.name for one in now.values()))
        views = [one.wsrep for one in now.values() if one.stage in SERVER_STAGES]
        if len(views) == len(slots) and all(view and view.is_synced and view.members == names for view in views):
            return True
        outside = {slot for slot, one in now.items() if one.stage in SERVER_STAGES and one.wsrep and not one.wsrep.is_primary}
        waiting = {slot for slot, one in now.items() if one.stage is Stage.WAITING}
        if outside | waiting != set(slots):
            return False

        def seqno(slot: int) -> int:
            position: Position | None = now[slot].position
            return position.seqno if position else -1

        newest = max(outside or waiting, key=seqno)
        with suppress(Refused):  # it has begun since the last look
            if outside:
                self.form_primary(newest)
            else:
                self.grant(newest)
        return False
