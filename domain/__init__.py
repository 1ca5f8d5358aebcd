"""What a task is: events, state machine, value objects and ports. Pure: no I/O, no event loop."""

__version__ = "0.1.0"
