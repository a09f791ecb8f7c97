"""What the operator itself costs: it runs from its image, against simulated Swarm services and members behind real sockets.

The engine's stand-in speaks the Engine API on a unix socket; every member has an address of its own on loopback where its agent's
stand-in answers HTTP and its database's stand-in enough of MariaDB's protocol for the wsrep status. All of it in one process,
beside the operator's, in a network namespace of its own.
"""
