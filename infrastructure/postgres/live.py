"""What is new in the log, in one statement a look."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.log import LogCursor, LoggedEvent
from infrastructure.postgres.connect import Database
from infrastructure.postgres.history import logged
from infrastructure.postgres.statements import statement

LAST_POSITION = 2**63 - 1


class PostgresLive:
    """`domain.live.LiveQueries` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tip(self) -> LogCursor:
        """See `domain.live.LiveQueries.tip`."""
        async with self._database.connection() as connection:
            return LogCursor(await connection.fetchval(statement("log_tip")), LAST_POSITION)

    async def follow(self, after: LogCursor, limit: int) -> Sequence[LoggedEvent]:
        """See `domain.live.LiveQueries.follow`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("follow_log"), str(after.xid), after.position, limit
            )
        return [logged(dict(row)) for row in rows]

    async def news(self, known: Mapping[UUID, int], limit: int) -> Sequence[LoggedEvent]:
        """See `domain.live.LiveQueries.news`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                statement("news_of_tasks"), list(known), list(known.values()), limit
            )
        return [logged(dict(row)) for row in rows]
