"""`python -m service.audit import [FILE]`: an exported log into an empty installation.

Checks every hash, the order, the payloads, the tree and the checkpoints while it reads, makes the
projections through the domain, and keeps all of it or nothing. Give the commands to a database of
the newest schema, in the role of its owner (ADMIN_DATABASE_URL, or else DATABASE_URL). Ends with 0
when the log is there, with 1 when the export is not what was exported (line, task and version are
named), with 2 when something else prevented it.
"""

import argparse
import asyncio
import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import asyncpg

from domain import exports
from domain.errors import InvalidEvent, InvalidExport, KetlogError
from domain.exports import Begin, End, ExportedPayload, Line
from domain.ledger import Last, Ledger
from domain.log import LoggedEvent, StoredEvent
from domain.seals import Leaf, StoredCheckpoint
from infrastructure.postgres.connect import Connection, connect_as_owner, translated_errors
from infrastructure.postgres.imports import (
    Piece,
    gather_statistics,
    last_of,
    lock_empty,
    project,
    write_piece,
)
from service.audit.owner import owner_url
from service.audit.progress import Progress
from service.audit.report import CANNOT_LOOK, NOTHING_WRONG, SOMETHING_WRONG, complain, say

APPLICATION_NAME = "ketlog import"
EVENTS_A_PIECE = 1_000
BYTES_A_PIECE = 16 * 1024 * 1024
STANDARD_INPUT = Path("-")


@dataclass(slots=True)
class Import:
    """One import.

    Attributes:
        tasks: how many there were in the log.
        end: the last line.
    """

    dsn: str
    file: BinaryIO
    progress: Progress = field(default_factory=lambda: Progress("events imported"))
    tasks: int = 0
    end: End | None = None
    _lines: "_Lines" = field(init=False)

    def __post_init__(self) -> None:
        self._lines = _Lines(self.file)

    async def run(self) -> None:
        """Import everything, or nothing.

        Raises:
            InvalidExport: the lines are not what was exported.
            KetlogError, asyncpg.PostgresError, OSError: the log cannot be read, or not be written.
        """
        connection = await connect_as_owner(self.dsn, APPLICATION_NAME)
        try:
            async with translated_errors(), connection.transaction():
                await lock_empty(connection)
                await self._run(connection)
                self.tasks = await project(connection)
            await gather_statistics(connection)
        finally:
            connection.terminate()

    async def _run(self, connection: Connection) -> None:
        begin = self._lines.begin()
        ledger = Ledger(begin.sealed)
        while piece := self._lines.piece():
            ids = {line.stored.task_id for _, line in piece if isinstance(line, LoggedEvent)}
            checked = _Checked(ledger, await last_of(connection, ids))
            for number, line in piece:
                with _naming(number):
                    checked.take(line)
            await write_piece(connection, checked.piece)
            self.progress.advance(len(checked.events))
        self.end = self._lines.end(ledger)


class _Lines:
    """The lines of a file, in pieces that fit into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._number = 0
        self._end: tuple[End, str] | None = None

    def begin(self) -> Begin:
        """Read the first line."""
        line = self._next()
        if not isinstance(line, Begin):
            raise InvalidExport("line 1: this is no exported log, it does not begin like one")
        return line

    def piece(self) -> list[tuple[int, Line]]:
        """Read the next lines with their numbers; none at the end."""
        lines: list[tuple[int, Line]] = []
        size = 0
        while len(lines) < EVENTS_A_PIECE and size < BYTES_A_PIECE and self._end is None:
            line = self._next()
            if line is None:
                raise InvalidExport(
                    f"the export is cut off behind line {self._number}: its last line is missing"
                )
            if isinstance(line, End):
                break
            lines.append((self._number, line))
            if isinstance(line, ExportedPayload):
                size += len(line.payload.body)
        return lines

    def end(self, ledger: Ledger) -> End:
        """Return the last line, which must be about the lines before it."""
        if self._end is None:
            raise InvalidExport("the last line is missing")
        end, digest = self._end
        with _naming(self._number):
            for name in ("events", "payloads", "checkpoints"):
                said, seen = getattr(end, name), getattr(ledger, name)
                if said != seen:
                    raise InvalidExport(f"it says {said} {name}, and there are {seen}")
            if ledger.frontier.size != ledger.sealed:
                raise InvalidExport(
                    f"{ledger.frontier.size} events have leaves, of {ledger.sealed}"
                )
            if end.sha256 != digest:
                raise InvalidExport("the lines before it are not those that were exported")
        if self._file.readline():
            raise InvalidExport(f"line {self._number + 1}: something follows the last line")
        return end

    def _next(self) -> Line | None:
        text = self._file.readline()
        if not text:
            return None
        self._number += 1
        with _naming(self._number):
            if not text.endswith(b"\n"):
                raise InvalidExport("it is cut off in the middle")
            line = exports.read(text)
            if isinstance(line, End):
                self._end = line, self._digest.hexdigest()
        self._digest.update(text)
        return line


class _Checked:
    """Lines that fit what came before."""

    def __init__(self, ledger: Ledger, lasts: dict[Any, Last]) -> None:
        self._ledger = ledger
        self._lasts = lasts
        self.events: list[StoredEvent] = []
        self._payloads: list[ExportedPayload] = []
        self._leaves: list[Leaf] = []
        self._checkpoints: list[StoredCheckpoint] = []

    @property
    def piece(self) -> Piece:
        """What is to be written."""
        return Piece(self.events, self._payloads, self._leaves, self._checkpoints)

    def take(self, line: Line) -> None:
        """Take a line; raises `InvalidExport` if it does not fit."""
        match line:
            case LoggedEvent(stored):
                leaf = self._ledger.event(line, self._lasts.get(stored.task_id))
                if leaf is not None:
                    self._leaves.append(leaf)
                self.events.append(stored)
                self._lasts[stored.task_id] = Last(stored.version, stored.hash, stored.recorded_at)
            case ExportedPayload():
                self._ledger.payload(line)
                self._payloads.append(line)
            case StoredCheckpoint():
                self._ledger.checkpoint(line)
                self._checkpoints.append(line)
            case _:
                raise InvalidExport("a first or last line stands in the middle")


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Say in which line something is wrong."""
    try:
        yield
    except (InvalidExport, InvalidEvent) as error:
        raise InvalidExport(f"line {number}: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        with _input(options.file) as file:
            imported = Import(owner_url(), file)
            asyncio.run(imported.run())
    except InvalidExport as error:
        complain(f"The export is not what was exported: {error}")
        complain("Nothing was imported.")
        return SOMETHING_WRONG
    except (KetlogError, asyncpg.PostgresError, OSError) as error:
        complain(f"The log could not be imported, and nothing of it was: {error}")
        return CANNOT_LOOK
    except KeyboardInterrupt:
        complain("Interrupted; nothing was imported.")
        return CANNOT_LOOK
    end = imported.end
    say(f"{imported.progress.done()}, of {imported.tasks:,} tasks")
    if end is not None:
        say(f"OK: {end.payloads:,} payloads and {end.checkpoints:,} checkpoints with them.")
    return NOTHING_WRONG


@contextmanager
def _input(path: Path) -> Iterator[BinaryIO]:
    if path == STANDARD_INPUT:
        yield sys.stdin.buffer
        return
    with path.open("rb") as file:
        yield file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit import", description=__doc__)
    parser.add_argument(
        "file", type=Path, nargs="?", default=STANDARD_INPUT, metavar="FILE", help="- for stdin"
    )
    return parser
