"""A plot of one scenario over time, one system below the other, as plain SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from galera_bench.outcome import Point

WIDTH, HEIGHT, LEFT, TOP = 760, 96, 190, 34
LATENCY_CAP = 10.0
"""Seconds at the top of a panel; longer waits touch it."""

Panel = tuple[str, Sequence[Point], float | None]
"""Title, points, and when the event happened in seconds since the load began."""


def plot(title: str, panels: Sequence[Panel], rate: float) -> str:
    """Acknowledged (area) and failed (bars) transactions a second, and the longest latency of each half second (line)."""
    longest = max((points[-1].at for _, points, _ in panels if points), default=1.0) or 1.0
    height = TOP + len(panels) * (HEIGHT + 26) + 22
    legend = (
        f"area: acknowledged per second, red: failed per second (full height: {2 * rate:.0f}); "
        f"line: longest latency (full height: {LATENCY_CAP:.0f} s)"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 20}" height="{height}" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{TOP - 2}" fill="#555">{legend}</text>',
    ]
    for index, panel in enumerate(panels):
        parts += _panel(panel, TOP + 8 + index * (HEIGHT + 26), longest, rate)
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _panel(panel: Panel, top: float, longest: float, rate: float) -> list[str]:
    title, points, event = panel
    bottom = top + HEIGHT

    def x(at: float) -> float:
        return LEFT + at / longest * WIDTH

    def y(share: float) -> float:
        return bottom - min(1.0, share) * HEIGHT

    area = " ".join(f"{x(point.at):.1f},{y(point.throughput / (2 * rate)):.1f}" for point in points)
    line = " ".join(f"{x(point.at):.1f},{y(point.latency / LATENCY_CAP):.1f}" for point in points)
    end = x(points[-1].at) if points else LEFT
    parts = [
        f'<text x="8" y="{top + 14:.0f}">{escape(title)}</text>',
        f'<rect x="{LEFT}" y="{top:.0f}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>',
        f'<polygon points="{LEFT},{bottom:.0f} {area} {end:.1f},{bottom:.0f}" fill="#9ecae1"/>',
        f'<polyline points="{line}" fill="none" stroke="#222" stroke-width="1.2"/>',
    ]
    width = max(1.0, WIDTH / max(1, len(points)))
    for point in points:
        if point.failures:
            head = y(point.failures / (2 * rate))
            parts.append(
                f'<rect x="{x(point.at):.1f}" y="{head:.1f}" width="{width:.1f}" height="{bottom - head:.1f}" fill="#d62728"/>'
            )
    if event is not None:
        parts.append(f'<line x1="{x(event):.1f}" x2="{x(event):.1f}" y1="{top:.0f}" y2="{bottom:.0f}" stroke="#2ca02c"/>')
    ticks = range(0, int(longest) + 1, 10 if longest > 25 else 5)
    parts += [f'<text x="{x(at):.0f}" y="{bottom + 13:.0f}" fill="#555" text-anchor="middle">{at} s</text>' for at in ticks]
    return parts
