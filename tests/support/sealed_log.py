"""A small sealed log, whoever may have been at it, and what an audit finds in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from domain.checkpoint import VerifierKey
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.seals import PostgresSeals
from infrastructure.signing import known_keys
from relay.sealer import Sealer
from service.audit.audit import Audit
from service.audit.findings import Finding, Kind
from tests.support import tasks
from tests.support.forger import Forger


@dataclass
class SealedLog:
    """A sealed and shipped log of four tasks with three events each, and its forger.

    The leaves are numbered in the order of the appends: submissions 0 to 3, claims 4 to 7,
    completions 8 to 11. There is a checkpoint after each of the three rounds.
    """

    url: str
    folder: Path
    log: PostgresEventLog
    seals: PostgresSeals
    forger: Forger
    ids: list[UUID]

    @property
    def sink(self) -> CheckpointFolder:
        return CheckpointFolder(self.folder / "shipped")

    @property
    def keys(self) -> list[VerifierKey]:
        return known_keys(self.folder / "signing.key")

    async def seal(self) -> None:
        key_file = self.folder / "signing.key"
        await Sealer(self.seals, key_file, "ketlog", self.sink, 1.0).round()

    async def verify(self, *, shipped: bool = True, jobs: int = 1) -> list[Finding]:
        return (await self.audit(shipped=shipped, jobs=jobs))[1]

    async def audit(self, *, shipped: bool = True, jobs: int = 1) -> tuple[Audit, list[Finding]]:
        found: list[Finding] = []
        sink = self.sink if shipped else None
        audit = Audit(self.url, self.keys, sink, jobs, found.append)
        await audit.run()
        return audit, found


@asynccontextmanager
async def sealed_log(url: str, folder: Path) -> AsyncIterator[SealedLog]:
    """Make the log in an empty database; key and shipped checkpoints go into the folder."""
    database = Database(url, size=4, application_name="test")
    owner = await asyncpg.connect(url)
    log, seals = PostgresEventLog(database), PostgresSeals(database)
    made = SealedLog(url, folder, log, seals, Forger(owner), [])
    living = [await tasks.submitted(log, f"// circuit {number}") for number in range(4)]
    made.ids = [task.task_id for task in living]
    await made.seal()
    for task in living:
        await tasks.put(log, tasks.claim(task))
    await made.seal()
    for task_id in made.ids:
        await tasks.put(log, tasks.completion(await tasks.load(log, task_id), {"0": 7, "1": 9}))
    await made.seal()
    yield made
    await owner.close()
    await database.close()


def only(found: list[Finding], kind: Kind, task_id: UUID, version: int | None) -> str:
    """The one finding, which must be this."""
    assert [(each.kind, each.task_id, each.version) for each in found] == [
        (kind, task_id, version)
    ], list(map(str, found))
    return str(found[0])
