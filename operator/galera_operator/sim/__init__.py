"""A Swarm and a Galera in memory, behind the ports that the real ones stand behind.

The operator that runs on it is the real one: its ticks, lease, decisions and veto. Time is a number, chance is one seeded
generator, nothing waits and nothing runs beside anything else, so a history is a script that gives the same trace each time.
What members truly hold (rows.py, disk.py) is known here and nowhere else; invariants.py judges by it.
"""
