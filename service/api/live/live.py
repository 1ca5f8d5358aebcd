"""Everything in this process that waits for what happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from domain.live import LiveQueries
from infrastructure.telemetry import metrics
from service.api.live.follower import LogFollower
from service.api.live.news import TaskNews
from service.api.live.places import Places
from service.api.problems import unavailable

RETRY_SECONDS = 1

Leave = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What readers may take.

    Attributes:
        most: most streams and waiting requests at a time.
        most_of_tenant: most of one tenant's.
        stream_seconds: longest time for which a stream is open.
        wait_seconds: longest time for which a request waits, whatever it asks for.
    """

    most: int
    most_of_tenant: int
    stream_seconds: float
    wait_seconds: int


class Live:
    """The readers of a process, and what they share.

    Attributes:
        bounds: what readers may take.
        follower: reads the end of the whole log.
        news: reads what happens to single tasks.
        draining: nobody waits here any more.
    """

    def __init__(self, queries: LiveQueries, bounds: Bounds) -> None:
        self.bounds = bounds
        self.follower = LogFollower(queries)
        self.news = TaskNews(queries)
        self._places = Places(bounds.most, bounds.most_of_tenant)
        self._leave: dict[object, Leave] = {}
        self.draining = False

    @contextmanager
    def reader(self, kind: str, tenant: str) -> Iterator[None]:
        """Let one in, for as long as it reads.

        Args:
            kind: `log`, `task` or `wait`, for the metrics.

        Raises:
            Problem: 503, there are too many, or the process is shutting down.
        """
        if self.draining:
            raise unavailable(
                "shutting-down",
                "The process is shutting down",
                "Nothing new is begun here. Connect again; another process will answer.",
                retry_after=RETRY_SECONDS,
            )
        with self._places.one(tenant), metrics.READERS.labels(kind).track_inprogress():
            yield

    @contextmanager
    def leaving(self, leave: Leave) -> Iterator[None]:
        """Have a reader told when the process begins to drain; at once if it has begun."""
        if self.draining:
            leave()
        key = object()
        self._leave[key] = leave
        try:
            yield
        finally:
            del self._leave[key]

    def drain(self) -> None:
        """Send every reader away, and let no more in."""
        self.draining = True
        for leave in tuple(self._leave.values()):
            leave()
