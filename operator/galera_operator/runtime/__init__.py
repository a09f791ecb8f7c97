"""The operator as a process: look, decide, veto, act, record. Decisions themselves are in `core`."""
