"""How much the API takes on at a time. More is answered 503 at once instead of piling up."""

from service.api.problems import unavailable

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
        self.requests = 0
        self.octets = 0

    def enter(self, octets: int) -> None:
        """Let a request in; `leave` must follow.

        Raises:
            Problem: 503, too much is in flight.
        """
        if self.requests >= self._requests or (self.octets and self.octets + octets > self._octets):
            raise unavailable(
                "overloaded",
                "Too many requests",
                "More requests are in flight than the service takes on. Send it again soon.",
                retry_after=RETRY_SECONDS,
            )
        self.requests += 1
        self.octets += octets

    def leave(self, octets: int) -> None:
        """Let a request out."""
        self.requests -= 1
        self.octets -= octets
