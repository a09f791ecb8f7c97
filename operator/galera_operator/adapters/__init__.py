"""The edges: each module speaks to one outside system and turns its answers into the core's values."""
