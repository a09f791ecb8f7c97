"""Galera-aware MariaDB cluster operator for Docker Swarm."""

__version__ = "0.1.0"
