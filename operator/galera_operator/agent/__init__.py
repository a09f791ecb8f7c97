"""The member agent: PID 1 of every MariaDB task.

Imports the standard library and `galera_operator.core`, nothing else: the member image holds no third-party Python.
One owner of the state (`member.Member`, one lock); everything else reports to it or asks it.
"""
