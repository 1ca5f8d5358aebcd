"""How many may wait for what happens. More are answered 503 at once; nobody waits for a place."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.api.problems import Problem, unavailable

RETRY_SECONDS = 5


class Places:
    """Counts streams and waiting requests, apart from the requests that `Admission` counts.

    Args:
        most: most of them at a time.
        most_of_tenant: most of one tenant's; the tenant without a name has all.
    """

    def __init__(self, most: int, most_of_tenant: int) -> None:
        self._most = most
        self._most_of_tenant = most_of_tenant
        self._of_tenants: Counter[str] = Counter()
        self.taken = 0

    @contextmanager
    def one(self, tenant: str) -> Iterator[None]:
        """Take a place for as long as it is needed; raises `Problem` (503) where none is left."""
        if self.taken >= self._most:
            raise _none_left("This process has")
        if tenant and self._of_tenants[tenant] >= self._most_of_tenant:
            raise _none_left("You have")
        self.taken += 1
        self._of_tenants[tenant] += 1
        try:
            yield
        finally:
            self.taken -= 1
            self._of_tenants[tenant] -= 1
            if not self._of_tenants[tenant]:
                del self._of_tenants[tenant]


def _none_left(who: str) -> Problem:
    return unavailable(
        "too-many-streams",
        "Too many streams",
        f"{who} as many streams and waiting requests as there may be. Close some, or connect "
        "again later; GET /events and GET /tasks/{task_id} answer meanwhile.",
        retry_after=RETRY_SECONDS,
    )
