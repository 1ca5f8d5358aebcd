"""Python's garbage collector, told what is never garbage."""

import gc


def spare_the_collector() -> None:
    """Keep what lives as long as the process out of every garbage collection, and have fewer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
