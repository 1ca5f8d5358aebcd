"""`python -m service.audit export [FILE]`: the log as lines of JSON, checked while it is written.

FILE appears when it is complete; without it the lines go to the standard output. Ends with 0 when
the export is complete, with 1 when the log is not what was recorded (the first thing that is wrong
is named; --unchecked exports it all the same), with 2 when it could not be read or written.
"""

import argparse
import asyncio
import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from domain import exports
from domain.contents import commitments_in
from domain.errors import InvalidEvent, InvalidExport, KetlogError
from domain.exports import Begin, End, ExportedPayload, Line
from domain.ledger import Last, Ledger
from domain.log import LoggedEvent
from domain.payloads import Commitment, PayloadKind
from domain.seals import Leaf, StoredCheckpoint
from infrastructure.postgres.connect import Connection, connect, translated_errors
from infrastructure.postgres.export import (
    Preceded,
    checkpoints_between,
    payload_rows,
    sealed_end,
    sealed_events,
    unsealed_events,
)
from infrastructure.settings import Settings, read_settings
from service.audit.progress import Progress
from service.audit.report import CANNOT_LOOK, NOTHING_WRONG, SOMETHING_WRONG, complain

APPLICATION_NAME = "ketlog export"
BODIES_AT_ONCE_BYTES = 8 * 1024 * 1024
STANDARD_OUTPUT = Path("-")

Bodies = Mapping[tuple[UUID, PayloadKind], ExportedPayload]


class Unchecked(Ledger):
    """Counts the lines and takes them as they are."""

    def event(self, logged: LoggedEvent, last: Last | None) -> Leaf | None:  # noqa: ARG002 - as its base
        """Count an event."""
        self.events += 1
        return None

    def payload(self, line: ExportedPayload) -> None:  # noqa: ARG002 - as its base
        """Count a payload row."""
        self.payloads += 1

    def checkpoint(self, row: StoredCheckpoint) -> None:  # noqa: ARG002 - as its base
        """Count a checkpoint."""
        self.checkpoints += 1


@dataclass(slots=True)
class Export:
    """One export.

    Args:
        write: takes the bytes.
        payloads: whether to write payload rows too.
        checked: refuse to go on where the log is not what was recorded.
    """

    dsn: str
    write: Callable[[bytes], Any]
    payloads: bool = False
    checked: bool = True
    progress: Progress = field(default_factory=lambda: Progress("events exported"))
    _ledger: Ledger = field(default_factory=lambda: Ledger(0))
    _digest: Any = field(default_factory=hashlib.sha256)

    async def run(self) -> End:
        """Export everything; returns the last line.

        Raises:
            InvalidExport: the log is not what was recorded.
            KetlogError, asyncpg.PostgresError, OSError: it cannot be read, or not be written.
        """
        connection = await connect(self.dsn, APPLICATION_NAME)
        try:
            async with translated_errors():
                await self._run(connection)
        finally:
            connection.terminate()
        ledger = self._ledger
        end = End(ledger.events, ledger.payloads, ledger.checkpoints, self._digest.hexdigest())
        self.write(exports.write(end))
        return end

    async def _run(self, connection: Connection) -> None:
        end = await sealed_end(connection)
        self._ledger = Ledger(end.size) if self.checked else Unchecked(end.size)
        self._put(Begin(datetime.now(UTC), end.size, self.payloads))
        async for page in sealed_events(connection, end.size):
            numbers = [event.leaf for event, _ in page if event.leaf is not None]
            rows = await checkpoints_between(connection, numbers[0], numbers[-1] + 1)
            await self._put_page(connection, page, {row.size: row for row in rows})
        async for page in unsealed_events(connection, end):
            await self._put_page(connection, page, {})

    async def _put_page(
        self,
        connection: Connection,
        page: Sequence[Preceded],
        checkpoints: Mapping[int, StoredCheckpoint],
    ) -> None:
        for some in _with_bounded_bodies(page) if self.payloads else [page]:
            bodies = await _bodies(connection, some) if self.payloads else {}
            for event, last in some:
                self._ledger.event(event, last)
                self._put(event)
                for line in _payloads_of(event, bodies):
                    self._ledger.payload(line)
                    self._put(line)
                row = None if event.leaf is None else checkpoints.get(event.leaf + 1)
                if row is not None:
                    self._ledger.checkpoint(row)
                    self._put(row)
        self.progress.advance(len(page))

    def _put(self, line: Line) -> None:
        text = exports.write(line)
        self._digest.update(text)
        self.write(text)


async def _bodies(connection: Connection, page: Sequence[Preceded]) -> Bodies:
    wanted = [(event.stored.task_id, kind) for event, _ in page for kind in _commitments(event)]
    return await payload_rows(connection, wanted)


def _payloads_of(event: LoggedEvent, bodies: Bodies) -> Iterator[ExportedPayload]:
    for kind in _commitments(event) if bodies else ():
        line = bodies.get((event.stored.task_id, kind))
        if line is not None:
            yield line


def _with_bounded_bodies(page: Sequence[Preceded]) -> Iterator[Sequence[Preceded]]:
    """Cut a page so that the bodies of each piece fit into memory."""
    begin, size = 0, 0
    for end, (event, _) in enumerate(page):
        more = sum(commitment.size for commitment in _commitments(event).values())
        if size and size + more > BODIES_AT_ONCE_BYTES:
            yield page[begin:end]
            begin, size = end, 0
        size += more
    yield page[begin:]


def _commitments(event: LoggedEvent) -> Mapping[PayloadKind, Commitment]:
    stored = event.stored
    try:
        return commitments_in(stored.type, stored.schema_version, stored.data)
    except InvalidEvent:
        return {}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    settings = read_settings(Settings)
    try:
        with _output(options.file) as write:
            export = Export(
                settings.database_url, write, options.with_payloads, not options.unchecked
            )
            end = asyncio.run(export.run())
    except InvalidExport as error:
        complain(f"The log is not what was recorded: {error}")
        complain("Nothing was exported. `verify` shows everything that is wrong.")
        return SOMETHING_WRONG
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        complain(f"The log could not be exported: {error}")
        return CANNOT_LOOK
    except KeyboardInterrupt:
        complain("Interrupted; nothing was exported.")
        return CANNOT_LOOK
    complain(f"{export.progress.done()}")
    complain(f"{end.payloads:,} payloads, {end.checkpoints:,} checkpoints; sha256 {end.sha256}")
    return NOTHING_WRONG


@contextmanager
def _output(path: Path) -> Iterator[Callable[[bytes], Any]]:
    """Lend what takes the bytes; a file gets its name when all of them are on disk."""
    if path == STANDARD_OUTPUT:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit export", description=__doc__)
    parser.add_argument(
        "file", type=Path, nargs="?", default=STANDARD_OUTPUT, metavar="FILE", help="- for stdout"
    )
    parser.add_argument(
        "--with-payloads", action="store_true", help="also circuits, parameters and results"
    )
    parser.add_argument(
        "--unchecked", action="store_true", help="export the log also where it is not whole"
    )
    return parser
