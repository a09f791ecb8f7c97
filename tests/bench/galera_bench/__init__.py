"""`make bench`: the same load and the same scenarios on this operator and on what people run today, side by side in one table.

The load is the demo's, as an open loop. What is measured is read from the clients, from the members themselves and from Swarm,
never from the operator's own judgement.
"""
