"""Shows where the time of a task went: `python -m service.trace ID`, or `make trace ID=…`.

From the spans that were recorded; a task that was not sampled has the times of its events.
"""
