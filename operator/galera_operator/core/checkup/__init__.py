"""What can be wrong with a stack, a service or the machines under it, before it hurts: the rules of ``galera-operator doctor``.

One function per finding, over frozen values; `examine` asks them all. Nothing here reads a file, an engine or a clock.
"""
