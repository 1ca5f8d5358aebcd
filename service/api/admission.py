"""How much the API takes on at a time. More is answered 503 at once instead of piling up.

A request counts once all of its body is here, so that slow clients take no one's place. Until then
only the bytes that have arrived count, and those of all unfinished bodies together may take up half
of the room: small requests still get through then.
"""

from service.api.problems import Problem, unavailable

MAX_OCTETS_IN_FLIGHT = 64 * 1024 * 1024
RETRY_SECONDS = 1


class Admission:
    """Counts requests and the bytes of their bodies from arrival to answer.

    Args:
        requests: most requests at a time.
        octets: most bytes of bodies at a time; one request is let in whatever its size.
    """

    def __init__(self, requests: int, octets: int = MAX_OCTETS_IN_FLIGHT) -> None:
        self._requests = requests
        self._octets = octets
        self._most_arriving = octets // 2
        self.requests = 0
        self.octets = 0
        self.arriving = 0

    def check(self) -> None:
        """Find out before a body is read whether there is room; raises `Problem` (503)."""
        if self.requests >= self._requests:
            raise overloaded()

    def hold(self, octets: int) -> None:
        """Make room for a part of a body that is not complete; `release` must follow.

        Raises:
            Problem: 503, too much is in flight.
        """
        if self.arriving and self.arriving + octets > self._most_arriving:
            raise overloaded()
        self.arriving += octets

    def release(self, octets: int) -> None:
        """Say that a body is complete, or given up."""
        self.arriving -= octets

    def enter(self, octets: int) -> None:
        """Let a request in; `leave` must follow.

        Args:
            octets: size of its body, all of which is here.

        Raises:
            Problem: 503, too much is in flight.
        """
        if self.requests >= self._requests or (
            self.octets and self.octets + self.arriving + octets > self._octets
        ):
            raise overloaded()
        self.requests += 1
        self.octets += octets

    def leave(self, octets: int) -> None:
        """Let a request out."""
        self.requests -= 1
        self.octets -= octets


def overloaded() -> Problem:
    """Return the answer to a request for which there is no room now."""
    return unavailable(
        "overloaded",
        "Too many requests",
        "More requests are in flight than the service takes on. Send it again soon.",
        retry_after=RETRY_SECONDS,
    )
