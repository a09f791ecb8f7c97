"""The operator's HTTP server: status page, JSON, Prometheus metrics, health. Read-only, and it asks nobody.

Everything here is made of what the ticks have posted on the board. No member, engine or store is reached from here, and no
request can make the loop wait.
"""
