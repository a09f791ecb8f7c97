"""Who reaches whom: nodes that are up, links that are cut, each direction by itself."""

from __future__ import annotations


class Network:
    """Places are node names. A place always reaches itself while it is up. `version` grows with every change."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.cuts: set[tuple[str, str]] = set()
        self.version = 0

    def arrives(self, source: str, target: str) -> bool:
        """Tell whether a packet from one place gets to the other."""
        if not self.down and not self.cuts:
            return True
        return source not in self.down and target not in self.down and (source, target) not in self.cuts

    def both_ways(self, one: str, other: str) -> bool:
        """Tell whether the two can talk: TCP needs both directions."""
        if not self.down and not self.cuts:
            return True
        down, cuts = self.down, self.cuts
        if one in down or other in down:
            return False
        return (one, other) not in cuts and (other, one) not in cuts

    def cut(self, source: str, target: str) -> None:
        if source != target:
            self.cuts.add((source, target))
            self.version += 1

    def part(self, one: set[str], other: set[str]) -> None:
        """Cut every link between two groups of places, both ways."""
        for left in one:
            for right in other:
                self.cut(left, right)
                self.cut(right, left)

    def heal(self) -> None:
        self.cuts.clear()
        self.version += 1

    def lose(self, place: str) -> None:
        self.down.add(place)
        self.version += 1

    def bring_back(self, place: str) -> None:
        self.down.discard(place)
        self.version += 1
