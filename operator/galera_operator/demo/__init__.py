"""`make demo`: a real Swarm, a real Galera, WordPress on it, and a load that counts what its clients lose.

`load` and `pages` are clients and know nothing of Swarm or Galera; `swarm` only looks; what the demo does to the cluster is
in `scenario`: it deploys the charts and writes one label, as a user would.

What may not be in here: anything that the operator needs, and any judgement of the operator's own. That a member is in
service is read from Swarm and from the member itself, so that the demo cannot repeat the operator's mistakes.
"""
