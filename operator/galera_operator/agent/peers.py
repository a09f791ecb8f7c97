"""The other members: where they may be, what their agents say, and whether there is a component to join."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from galera_operator.agent.routing import slot_order
from galera_operator.core.agent_api import HTTP_PORT, AgentStatus, Stage, Wsrep
from galera_operator.core.position import ZERO_UUID, Position
from galera_operator.core.strict_json import BadMessage

log = logging.getLogger(__name__)

INTERVAL = 0.5
ANSWER_SECONDS = 1.0
FORGET_SECONDS = 120.0
MAX_ADDRESSES = 64
_MAX_ANSWER = 64 << 10


@dataclass(frozen=True, slots=True)
class Heard:
    """A peer's last answer. `age`: seconds since."""

    address: str
    status: AgentStatus
    age: float


@dataclass(frozen=True, slots=True)
class Component:
    """A live Primary component that this member may join."""

    addresses: tuple[str, ...]
    donors: tuple[str, ...]
    state_uuid: str
    busy: str
    """Who is in a state transfer now; empty: nobody."""
    replaces: bool = False
    """The own copy was given up for it: nothing of it may stay, also where the histories have one name."""
    unheard: str = ""
    """Which of its members has not answered yet; empty: all have."""


class Peers:
    """Addresses where members may be, and what was heard there. Filled by a DNS thread and by `poll`."""

    def __init__(self, incarnation: str, fixed: Iterable[str], dns_names: Sequence[str]) -> None:
        self._incarnation = incarnation
        self._lock = threading.Lock()
        self._fixed = set(fixed)
        self._known: dict[str, float] = {}
        self._heard: dict[str, tuple[AgentStatus, float]] = {}
        self._dns_names = dns_names
        self._garbled: set[str] = set()

    def start_dns(self) -> None:
        """Look the names up again and again in a thread of its own: a look-up can hang for seconds."""
        if self._dns_names:
            threading.Thread(target=self._look_up, name="dns", daemon=True).start()

    def add(self, addresses: Iterable[str]) -> None:
        """Remember addresses that a grant or the server named; forgotten again when nobody answers there for long."""
        with self._lock:
            for address in addresses:
                if address in self._known or len(self._known) < MAX_ADDRESSES:
                    self._known[address] = time.monotonic()

    def addresses(self) -> list[str]:
        now = time.monotonic()
        with self._lock:
            for address, seen in list(self._known.items()):
                if now - seen > FORGET_SECONDS:
                    del self._known[address]
                    self._heard.pop(address, None)
            return sorted(self._fixed | self._known.keys())

    def heard(self, max_age: float) -> list[Heard]:
        """What peers (not we ourselves) said in the last `max_age` seconds, in the order of names."""
        now = time.monotonic()
        with self._lock:
            fresh = [Heard(address, status, now - at) for address, (status, at) in self._heard.items() if now - at <= max_age]
        return sorted(fresh, key=lambda one: one.status.name)

    async def poll(self) -> None:
        """Ask every address for its status, for ever. A dead one takes its time without holding up the others."""
        asked: dict[str, asyncio.Task[None]] = {}
        while True:
            for address in self.addresses():
                last = asked.get(address)
                if last is None or last.done():
                    if last is not None:
                        last.result()  # _ask() handles what may happen; anything else is a bug and ends the agent
                    asked[address] = asyncio.create_task(self._ask(address))
            await asyncio.sleep(INTERVAL)

    async def _ask(self, address: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status = AgentStatus.from_json(await _get_status(address))
        except (OSError, TimeoutError, EOFError):
            return  # nobody there now; what was heard before grows old by itself
        except (BadMessage, ValueError, TypeError) as error:
            if address not in self._garbled:
                self._garbled.add(address)
                log.warning("the agent at %s answers what this version does not understand: %s", address, error)
            return
        self._garbled.discard(address)
        if status.incarnation == self._incarnation:
            return
        with self._lock:
            self._heard[address] = (status, time.monotonic())
            if address in self._known:
                self._known[address] = time.monotonic()

    def _look_up(self) -> None:
        failed = ""
        while True:
            for name in self._dns_names:
                try:
                    found = {str(info[4][0]) for info in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)}
                except OSError as error:
                    if failed != str(error):
                        log.info("DNS knows nothing of %s yet: %s", name, error)
                    failed = str(error)
                else:
                    self.add(found)
            time.sleep(INTERVAL)


async def _get_status(address: str) -> bytes:
    reader, writer = await asyncio.open_connection(address, HTTP_PORT)
    try:
        writer.write(f"GET /status HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
        await writer.drain()
        chunks: list[bytes] = []
        while chunk := await reader.read(_MAX_ANSWER):
            chunks.append(chunk)
            if sum(map(len, chunks)) > _MAX_ANSWER:
                raise BadMessage("the answer is longer than 64 KiB")
    finally:
        writer.close()
    head, blank, body = b"".join(chunks).partition(b"\r\n\r\n")
    if not blank or b" 200 " not in head.split(b"\r\n")[0] + b" ":
        raise BadMessage(f"status line {head[:60]!r}")
    return body


def find_component(
    own: Position, heard: Sequence[Heard], replaced_by: frozenset[str] = frozenset(), *, name: str = ""
) -> Component | str:
    """Find the component to join among what the peers say. Pure.

    Args:
        name: This member's wsrep node name.
        own: The position of the own data; a UUID of zeros for none, a seqno of -1 where only the history is known.
        replaced_by: A component that lives at one of these addresses may replace the own data, whatever is in it.

    Returns:
        The component, or one sentence saying why there is none to join.
    """
    live = live_members(heard)
    if not any(one.status.stage is Stage.RUNNING for one, _ in live):
        return f"no Primary component found; {len(heard)} other agents answer" if heard else "no other agent answers"
    uuids = {wsrep.state_uuid for _, wsrep in live}
    if len(uuids) > 1:
        return f"two Primary components of different histories are alive ({' and '.join(sorted(uuids))}); joining neither"
    uuid = uuids.pop()
    is_given_up = any(one.address in replaced_by for one, _ in live)
    if own.uuid not in {ZERO_UUID, uuid} and not is_given_up:
        return (
            f"the live component has state UUID {uuid}, this member's data has {own.uuid}: joining would erase this data, "
            "so a person has to decide which history is right"
        )
    committed = max(wsrep.last_committed for _, wsrep in live)
    if own.uuid == uuid and own.seqno > committed and not is_given_up:
        return (
            f"this member's data is {own.seqno - committed} write-sets ahead of the live component ({own} against {committed}): "
            "joining would lose them, so a person has to decide"
        )
    addresses = tuple(one.address for one, _ in live)
    return Component(addresses, _donors(live), uuid, _busy(heard), is_given_up, _unheard(live, heard, name))


def _donors(live: Sequence[tuple[Heard, Wsrep]]) -> tuple[str, ...]:
    """Choose donors: the Synced members that are not the writer; nobody in particular where the writer is alone."""
    latest = max((one.status for one, _ in live if one.status.writer), key=lambda status: status.term, default=None)
    synced = {one.status.name for one, wsrep in live if wsrep.is_synced and one.status.stage is Stage.RUNNING}
    return tuple(sorted(synced - {latest.writer if latest else ""}))


def _unheard(live: Sequence[tuple[Heard, Wsrep]], heard: Sequence[Heard], name: str) -> str:
    """Who is in the component and has not answered: an agent that has just started hears one peer before the other.

    To join before would be to take the writer for the only member, and so for the donor.
    """
    known = {one.status.name for one in heard} | {name}
    # An arbitrator (garbd) is in the component, too; it has no slot, and no agent.
    missing = {one for _, wsrep in live for one in wsrep.members if one not in known and slot_order(one)[1] >= 0}
    return min(missing, key=slot_order, default="")


def live_members(heard: Sequence[Heard]) -> list[tuple[Heard, Wsrep]]:
    """The peers that are in a Primary component, of whichever history, each with what its database says."""
    return [
        (one, wsrep)
        for one in heard
        if (wsrep := one.status.wsrep) is not None
        and wsrep.is_primary
        and wsrep.ready
        and wsrep.state_uuid != ZERO_UUID
        and one.status.stage in {Stage.RUNNING, Stage.DRAINING, Stage.DRAINED}
    ]


def first_in_line(name: str, heard: Sequence[Heard]) -> str:
    """Who waits as well and goes first, by the order of names; empty: nobody."""
    waiting = [one.status.name for one in heard if one.status.stage is Stage.WAITING and not one.status.leaving]
    return min((other for other in waiting if slot_order(other) < slot_order(name)), key=slot_order, default="")


def primary_at(heard: Sequence[Heard]) -> str:
    """Where a Primary component is alive or being started, for a sentence; empty: nowhere that was heard of."""
    starting = [one for one in heard if one.status.stage is Stage.BOOTSTRAPPING]
    return ", ".join(one.address for one in [*(live for live, _ in live_members(heard)), *starting])


def _busy(heard: Sequence[Heard]) -> str:
    for one in heard:
        status = one.status
        if status.stage is Stage.JOINING:
            return f"{status.name} is joining"
        if status.wsrep is not None and status.wsrep.local_state in {2, 3}:
            return f"{status.name} is {status.wsrep.local_state_comment}"
    return ""


def own_address_towards(peer: str) -> str:
    """The local address that packets to `peer` carry: the one on the network that both are on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, HTTP_PORT))
        return str(probe.getsockname()[0])
