"""Faults on a real Swarm, one after the other, under load: what is done, what is measured, what has to be true afterwards.

`catalogue` lists them, `scene` runs one of them, `verdict` says what must hold at the end, `table` keeps the figures.

What happens is looked at from this machine and not through the Swarm (`containers`, `logs`): a fault that breaks the Swarm's
own way of telling must not make the tests blind.
"""
