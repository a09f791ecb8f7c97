"""Cutting a node off by dropping its packets at the switch: both ways or one way, and mending it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from galera_operator.sandbox import commands
from galera_operator.sandbox.layout import Layout


@contextmanager
def cut(layout: Layout, node: int, *, sending: bool = True, receiving: bool = True) -> Iterator[None]:
    """Drop the node's packets while the block runs.

    Its engine and its containers stay alive, and the node still has its link: this is a switch that has lost its mind, not a
    cable that was pulled.

    Args:
        sending: Drop what comes from the node.
        receiving: Drop what goes to it.
    """
    port = layout.node(node).name
    rules = [rule for wanted, rule in ((sending, ("-i", port)), (receiving, ("-o", port))) if wanted]
    for rule in rules:
        _bridge_rule(layout, "--append", *rule)
    try:
        yield
    finally:
        for rule in rules:
            _bridge_rule(layout, "--delete", *rule)


def _bridge_rule(layout: Layout, what: str, *rule: str) -> None:
    space = f"--net=/run/netns/{layout.switch}"
    commands.run(["nsenter", space, "--", "ebtables-nft", what, "FORWARD", *rule, "--jump", "DROP"])
