"""`make footprint`: the operator beside 1 to 1,000 clusters of five, and ten of three."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pace

from galera_bench.footprint import shipped
from galera_bench.footprint.engine import StandInEngine
from galera_bench.footprint.members import serve
from galera_bench.footprint.world import World
from galera_bench.tables import table
from galera_operator.core.agent_api import HTTP_PORT

SIZES = ((1, 5), (10, 3), (10, 5), (100, 5), (300, 5), (1000, 5))
SETTLE_LOOKS = 2
SETTLE_WITHIN = 120.0
WINDOW = 20.0
PACES = 10
WISHES = 11
WISH_WITHIN = 30.0
SPACE = "GALERA_FOOTPRINT_INSIDE"


@dataclass(frozen=True, slots=True)
class Cost:
    """The operator beside so many calm clusters. Times in seconds.

    `slowness`: how many times longer than `pace`'s core this one took for a piece of work. `cpu`: share of one core.
    `cpu_per_member`: of one look at one member. `every`: between two looks at the same cluster. `look`: 50th and 99th percentile
    of a look, from its first question to the last answer. `wish`: label change to service write, the median and the longest;
    None: not within `WISH_WITHIN`.
    """

    clusters: int
    size: int
    slowness: float
    rss: float
    cpu: float
    cpu_per_member: float
    every: float
    look: tuple[float, float]
    wish: tuple[float, float] | None


async def measure(root: Path, clusters: int, size: int) -> Cost:
    """Start the stand-ins and the operator, let it settle, measure, and end it. Args: `root`: of the operator's image."""
    world = World(clusters, size)
    engine = StandInEngine(world)
    with tempfile.TemporaryDirectory(dir=root / shipped.SHARED) as folder:
        Path(folder, "token").write_text("footprint")  # noqa: ASYNC240 - nothing is served yet
        servers = [await engine.serve(Path(folder, "docker.sock")), *await serve(world, HTTP_PORT, 3306)]
        paces = [pace.work() for _ in range(PACES)]
        inside = f"/{Path(folder).relative_to(root)}"
        settings = {"DOCKER_HOST": f"unix://{inside}/docker.sock", "GALERA_OPERATOR_TOKEN_FILE": f"{inside}/token"}
        operator = shipped.start(root, settings, Path(folder, "log"))
        try:
            await _settle(world, operator, Path(folder, "log"))
            world.looks()
            before, begun = _cpu(operator.pid), time.monotonic()
            await asyncio.sleep(WINDOW)
            spent, seconds = _cpu(operator.pid) - before, time.monotonic() - begun
            looks = world.looks()
            waits = [await _wish(world, engine, number % clusters) for number in range(WISHES)]
            return Cost(
                clusters=clusters,
                size=size,
                slowness=pace.slowness(paces),
                rss=_rss(operator.pid),
                cpu=spent / seconds,
                cpu_per_member=spent / max(1, len(looks) * size),
                every=seconds * clusters / max(1, len(looks)),
                look=_two([ended - begun for begun, ended in looks], 0.99),
                wish=None if None in waits else _two([one for one in waits if one is not None], 1.0),
            )
        finally:
            operator.kill()
            operator.wait()
            await asyncio.sleep(0.3)  # its connections end, and with them their tasks
            for server in servers:
                server.close()


async def _settle(world: World, operator: subprocess.Popen[bytes], log: Path) -> None:
    """Until every cluster was looked at a few times. Raises RuntimeError with the operator's last words."""
    deadline = time.monotonic() + SETTLE_WITHIN
    while any(len(cluster.rounds) < SETTLE_LOOKS for cluster in world.clusters):
        if operator.poll() is not None or time.monotonic() > deadline:
            words = "\n".join(log.read_text(errors="replace").splitlines()[-15:])  # noqa: ASYNC240
            looked = sum(1 for cluster in world.clusters if len(cluster.rounds) >= SETTLE_LOOKS)
            raise RuntimeError(
                f"{looked} of {len(world.clusters)} clusters were looked at {SETTLE_LOOKS} times; it said:\n{words}"
            )
        await asyncio.sleep(0.1)


async def _wish(world: World, engine: StandInEngine, number: int) -> float | None:
    """One member more: seconds until the operator writes the service."""
    cluster = world.clusters[number]
    world.wrote.pop(cluster.id, None)
    begun = time.monotonic()
    engine.wish(number, cluster.size + 1)
    while cluster.id not in world.wrote:
        if time.monotonic() - begun > WISH_WITHIN:
            return None
        await asyncio.sleep(0.001)
    engine.reset(number)
    await asyncio.sleep(0.5)
    return world.wrote[cluster.id] - begun


def _two(values: list[float], high: float) -> tuple[float, float]:
    if not values:
        return (0.0, 0.0)
    ordered = sorted(values)
    return statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * high))]


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int) -> float:
    """Resident memory in MiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def rows(costs: list[Cost]) -> str:
    """As Markdown."""
    head = (
        "clusters",
        "members",
        "memory",
        "CPU of this core",
        "of the reference",
        "CPU per member and look",
        "looked at every",
        "look p50 / p99",
        "label -> write",
    )
    lines = [
        (
            str(cost.clusters),
            str(cost.clusters * cost.size),
            f"{cost.rss:.0f} MiB",
            f"{cost.cpu:.1%}",
            f"{cost.cpu / cost.slowness:.1%} ({cost.slowness:.1f}x)",
            f"{cost.cpu_per_member * 1e6:.0f} us",
            f"{cost.every:.2f} s",
            f"{cost.look[0] * 1000:.0f} / {cost.look[1] * 1000:.0f} ms",
            f"not within {WISH_WITHIN:.0f} s"
            if cost.wish is None
            else f"{cost.wish[0] * 1000:.0f} ms, at most {cost.wish[1] * 1000:.0f}",
        )
        for cost in costs
    ]
    return table(head, lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m galera_bench.footprint")
    parser.add_argument("sizes", nargs="*", default=[f"{clusters}x{size}" for clusters, size in SIZES], help="like 100x5")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if SPACE not in os.environ:
        inside = [
            "sh",
            "-c",
            'ip link set lo up && exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "galera_bench.footprint",
            *sys.argv[1:],
        ]
        # In namespaces of its own: no other process has its ports, and the operator ends with them, however this one ends.
        unshare = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        shipped.prepare()
        with tempfile.TemporaryDirectory() as folder:  # what is mounted there is not to be seen from out here
            return subprocess.run([*unshare, *inside], env=os.environ | {SPACE: folder}, check=False).returncode
    root = shipped.lay_out(Path(os.environ[SPACE]))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    costs = []
    for given in options.sizes:
        clusters, size = map(int, given.split("x"))
        costs.append(asyncio.run(measure(root, clusters, size)))
        print(costs[-1], flush=True)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "footprint.json").write_text(json.dumps([asdict(cost) for cost in costs], indent=1) + "\n")
        (options.out / "footprint.md").write_text(rows(costs) + "\n")
    print(rows(costs))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
