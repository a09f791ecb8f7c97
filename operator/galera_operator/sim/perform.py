"""What each action does to a world."""

from __future__ import annotations

from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.core.agent_api import Command, Stage
from galera_operator.core.spec import Wish
from galera_operator.ports import Refused
from galera_operator.sim.agent import Container, Start
from galera_operator.sim.swarm import MANAGER
from galera_operator.sim.wires import Ports
from galera_operator.sim.world import World

# Users -----------------------------------------------------------------------------------------------------------------


def change_wish(world: World, wish: Wish) -> None:
    if wish != world.swarm.wish:
        world.swarm.wish = wish
        world.swarm.written()


def scale(world: World, replicas: int) -> None:
    """``docker service scale``: writes also when the number stays."""
    world.swarm.replicas = replicas
    world.swarm.written()


# Members ---------------------------------------------------------------------------------------------------------------


def kill(world: World, slot: int) -> None:
    container = world.in_slot(slot)
    if container is not None:
        container.exit(137)


def unbind(world: World, slot: int) -> None:
    """Its task runs on, and neither DNS nor the virtual IP know it any more."""
    for task in world.swarm.tasks:
        if task.slot == slot and task.kept and task.state == "running":
            task.unbound = True


def kill_database(world: World, slot: int) -> None:
    container = world.in_slot(slot)
    if container is not None and container.server is not None:
        world.galera.kill(container.server)


def kill_all(world: World) -> None:
    for container in world.containers:
        if container.alive:
            container.exit(137)


def kill_writer(world: World) -> None:
    for container in world.containers:
        if container.alive and container.route(world.now)[1].code == 200:
            container.exit(137)


def stop(world: World, slot: int) -> None:
    container = world.in_slot(slot)
    if container is not None:
        container.wish_stop = container.wish_stop or "docker stop"
        world.stir += 1


def stop_all(world: World) -> None:
    """All at the same time, and none drains any longer than the others: nobody is the last one."""
    servers = []
    for container in world.containers:
        server = container.server
        if container.alive and not container.frozen and server is not None and server.alive and not server.frozen:
            if server.component is None or server.moving is not None:
                continue
            servers.append(server)
    world.galera.leave(servers)
    for container in world.containers:
        if container.alive and not container.frozen:
            container.exit(143)


def freeze(world: World, slot: int) -> None:
    container = world.in_slot(slot)
    if container is not None:
        _freeze(world, container)


def _freeze(world: World, container: Container) -> None:
    freeze_server(world, container)
    container.frozen = True


def freeze_all(world: World) -> None:
    for container in world.containers:
        _freeze(world, container)


def freeze_server(world: World, container: Container) -> None:
    container.freeze_view()
    server = container.server
    if server is not None and server.alive and not server.frozen:
        server.frozen, server.frozen_at = True, world.now
    world.galera.touch()


def thaw(world: World, slot: int) -> None:
    for container in world.containers:
        if container.slot == slot:
            thaw_container(world, container)


def thaw_container(world: World, container: Container) -> None:
    server = container.server
    if server is not None and server.frozen:
        server.frozen = False
        if world.now - server.frozen_at > STALE_SECONDS:  # in a shorter one its timers miss nothing, and nobody notices it
            server.thawed_at = world.now
    if container.frozen:
        container.frozen = False
        letters, container.letters = container.letters, []
        for letter in letters:
            give(world, container, letter)
    world.galera.touch()


def give(world: World, container: Container, command: Command) -> None:
    """A command arrives late; nobody waits for its answer any more."""
    try:
        Ports(world).give(container, command)
    except Refused:
        return


def jump_member(world: World, slot: int, seconds: float) -> None:
    container = world.in_slot(slot)
    if container is not None:
        container.jump(seconds)
        world.stir += 1


def set_slow(world: World, slot: int, *, slow: bool) -> None:
    container = world.in_slot(slot)
    if container is not None and container.server is not None:
        container.server.slow = slow
        world.galera.lagging = True


def set_desync(world: World, slot: int, *, desync: bool) -> None:
    container = world.in_slot(slot)
    server = container.server if container is not None else None
    if server is not None and server.is_synced if desync else server is not None and server.desync:
        assert server is not None
        server.desync = desync
        server.state = 2 if desync else 4
        world.galera.touch()


# Disks and transfers ---------------------------------------------------------------------------------------------------


def empty(world: World, node: str) -> None:
    """Whoever uses it dies with it."""
    volume = world.volumes.get(node)
    if volume is not None:
        if volume.user is not None:
            volume.user.exit(137)
        world.truth.destroyed(volume)
        volume.empty()


def corrupt(world: World, node: str) -> None:
    """A file that was half-written when its member died."""
    volume = world.volumes.get(node)
    if volume is not None and volume.branch is not None:
        if volume.user is not None:
            volume.user.exit(137)
        volume.corrupt = True


def loosen(world: World, node: str) -> None:
    volume = world.volumes.get(node)
    if volume is not None and volume.branch is not None:
        volume.loose = True


def big_transaction(world: World) -> None:
    for server in world.galera.servers:
        if server.component is not None and server.component.primary:
            server.component.history_from = server.component.seqno


def run_ddl(world: World) -> None:
    for container in world.containers:
        if container.alive and container.server is not None and container.route(world.now)[1].code == 200:
            world.galera.ddl.begin(container.server)
            return


def stick(world: World, *, stuck: bool) -> None:
    for server in world.galera.servers:
        if server.moving is not None:
            server.moving.stuck = stuck


def kill_joiner(world: World) -> None:
    for container in world.containers:
        if container.alive and container.server is not None and container.server.moving is not None:
            container.exit(137)
            return


def kill_donor(world: World) -> None:
    for server in list(world.galera.servers):
        if server.moving is not None and server.moving.donor is not None:
            donor = server.moving.donor
            for container in world.containers:
                if container.alive and container.server is donor:
                    container.exit(137)
                    return


# Nodes and network -----------------------------------------------------------------------------------------------------


def lose_node(world: World, node: str) -> None:
    if node in world.volumes and node not in world.network.down:
        world.network.lose(node)
        for container in world.containers:
            if container.node == node and container.alive:
                container.exit(137)


def boot_node(world: World, node: str) -> None:
    if node in world.network.down:
        world.network.bring_back(node)


def part(world: World, nodes: str, *, managers: bool) -> None:
    group = {node.strip() for node in nodes.split(",")}
    rest = set(world.volumes) - group
    world.network.part(group, rest | {MANAGER} if managers else rest)


# Operators -------------------------------------------------------------------------------------------------------------


def deliver(world: World) -> None:
    held, world.held = world.held, []
    for address, command in held:
        container = world.at(address)
        if container is None or not world.network.arrives(MANAGER, container.node):
            continue
        if container.frozen:
            container.letters.append(command)
        else:
            give(world, container, command)


def start_operator(world: World, name: str) -> None:
    operator = world.operators[name]
    if not operator.running and not operator.busy:
        operator.next_at = world.now


def thaw_operator(world: World, name: str) -> None:
    world.operators[name].frozen = False


def turn(world: World, name: str) -> None:
    operator = world.operators[name]
    if operator.running and not operator.frozen and not operator.busy:
        operator.turn(world.now)


# People -----------------------------------------------------------------------------------------------------------------


def bootstrap_by_hand(world: World, slot: int) -> None:
    """A person on the node: ``--wsrep-new-cluster``, or ``pc.bootstrap`` on a member that lives. Nothing protects from that."""
    container = world.in_slot(slot)
    if container is None or container.frozen:
        return
    server = container.server
    if container.stage is Stage.WAITING and container.start is None and container.volume.branch is not None:
        world.truth.by_hand = True
        container.start = Start((), container.found.position)
    elif server is not None and server.alive and server.component is not None and not server.component.primary:
        world.truth.by_hand = True
        world.galera.form_primary(server.component)


def freeze_database(world: World, slot: int) -> None:
    container = world.in_slot(slot)
    if container is not None:
        freeze_server(world, container)


def thaw_all(world: World) -> None:
    for container in world.containers:
        thaw_container(world, container)
