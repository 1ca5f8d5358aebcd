"""How many tasks there are of each status, and how far readers of the log are behind its end."""

from dataclasses import dataclass

from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement

MOST_COUNTED = 1_000_000
EVENTS_AT_A_TIME = 5_000


@dataclass(frozen=True, slots=True)
class Census:
    """How it stands.

    Attributes:
        waiting: pending tasks for which the broker has no message yet; at most `MOST_COUNTED`.
        held: pending tasks whose earliest start has not come yet; `MOST_COUNTED` bounds both.
        dispatched: pending tasks whose messages are with the broker or with a worker.
        processing: tasks that a worker has claimed.
        completed: tasks that ended so, as far as the log has been counted, which is seconds
            behind its end; so are `failed` and `cancelled`.
        oldest_seconds: for how long the oldest pending task has waited; 0 when there is none.
        oldest_open: id of the oldest writing transaction that is open, else `next_transaction`.
        next_transaction: id that no transaction has had yet.
        hidden_seconds: age of the oldest event behind `oldest_open`, where no reader of the whole
            log may go; 0 when there is none.
    """

    waiting: int
    held: int
    dispatched: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    oldest_seconds: float
    oldest_open: int
    next_transaction: int
    hidden_seconds: float


class PostgresCensus:
    """Counts in one database, at a cost that does not grow with the log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self) -> Census:
        """Count; raises `StoreUnavailable`."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(statement("census"), MOST_COUNTED)
        return Census(**row)

    async def count_ended(self) -> bool:
        """Go on along the log, a bounded way; tells whether there may be more.

        Raises:
            StoreUnavailable: nothing was counted, or all of it was.
        """
        async with self._database.connection() as connection:
            seen = await connection.fetchval(statement("count_ended"), EVENTS_AT_A_TIME)
        return bool(seen == EVENTS_AT_A_TIME)
