"""How long to rest between two looks at the database, for those who wait for something new."""

SHARE = 9
"""A look may take a tenth of the time of one connection."""
LONGEST_SECONDS = 0.1
"""A look reads a bounded number of rows. What takes longer is a machine that is busy with something
else, and then more rest would only make everybody later."""


def rest(least: float, took: float) -> float:
    """Return the seconds to rest after a look that took so long."""
    return max(least, min(SHARE * took, LONGEST_SECONDS))
