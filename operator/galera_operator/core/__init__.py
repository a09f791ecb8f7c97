"""The decisions, as functions of values.

Nothing in here reads a clock, a file, a socket or a random number, starts a thread or writes a log: import-linter refuses
those imports. What the world looks like comes in as a `Snapshot`, what to do about it goes out as a `Plan`.
The member agent uses the parsers and values of this package too, so it must stay free of anything but the standard library.
"""
