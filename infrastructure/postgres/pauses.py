"""Pausing dispatch, as a row that every relay's next choice looks at."""

from domain.ports import Pause
from infrastructure.postgres.connect import Database
from infrastructure.postgres.statements import statement


class PostgresPauses:
    """`domain.ports.Pauses` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def paused(self) -> Pause | None:
        """See `domain.ports.Pauses.paused`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("paused"))
        return None if row is None else Pause(**row)

    async def pause(self, reason: str, actor: str) -> bool:
        """See `domain.ports.Pauses.pause`."""
        async with self._database.connection() as connection:
            return await connection.fetchval(statement("pause"), reason, actor) is not None

    async def resume(self, actor: str) -> Pause | None:
        """See `domain.ports.Pauses.resume`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement("resume"), actor)
        return None if row is None else Pause(**row)
