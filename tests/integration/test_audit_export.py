"""The log moves: exported, checked, imported into an empty installation, and the same there."""

import asyncio
import io
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import psycopg
import pytest
from psycopg import sql

from domain import exports
from domain.errors import InvalidExport
from domain.exports import Begin, End
from domain.log import LogCursor, LoggedEvent
from domain.payloads import Payload, PayloadKind
from infrastructure.postgres import export as reading
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.imports import NotEmpty
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.seals import PostgresSeals
from infrastructure.signing import known_keys
from relay.sealer import Sealer
from service.audit import export as exporting
from service.audit import import_log
from service.audit.__main__ import main
from service.audit.audit import Audit
from service.audit.export import Export
from service.audit.findings import Finding
from service.audit.import_log import Import
from service.audit.replay import Replay
from service.audit.report import Report
from tests import servers
from tests.support import tasks
from tests.support.forger import Forger
from tests.support.varied_log import LIVES, varied_log

PROJECTION = "SELECT * FROM tasks ORDER BY task_id"
OUTBOX = """
    SELECT task_id, message_id, correlation_id, traceparent, waiting_since
    FROM outbox ORDER BY task_id
"""
LEASES = "SELECT task_id, attempt, worker_id FROM leases ORDER BY task_id"
STREAMS = """
    SELECT event_id, task_id, version, type, schema_version, data::text, metadata::text,
        recorded_at, hash
    FROM events ORDER BY xid, position
"""
PAYLOADS = "SELECT * FROM payloads ORDER BY task_id, kind"
LEAVES = "SELECT * FROM leaves ORDER BY leaf_number"
CHECKPOINTS = "SELECT * FROM checkpoints ORDER BY size"


@dataclass
class Place:
    """A database with the schema."""

    url: str
    owner: asyncpg.Connection
    database: Database

    @property
    def log(self) -> PostgresEventLog:
        return PostgresEventLog(self.database)

    async def rows(self, query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self.owner.fetch(query)]

    async def seal(self, key: Path) -> None:
        await Sealer(PostgresSeals(self.database), key, "ketlog", None, 1.0).round()

    async def verify(self, key: Path) -> list[Finding]:
        found: list[Finding] = []
        await Audit(self.url, known_keys(key), None, 1, found.append).run()
        return found

    async def differences(self) -> int:
        report = Report()
        await Replay(self.url, 1, report).run()
        return sum(report.found.values())


async def place(url: str) -> AsyncIterator[Place]:
    owner = await asyncpg.connect(url)
    database = Database(url, size=4, application_name="test")
    yield Place(url, owner, database)
    await owner.close()
    await database.close()


@pytest.fixture
async def here(database_url: str) -> AsyncIterator[Place]:
    async for made in place(database_url):
        yield made


@pytest.fixture
def second_url(postgres_server: servers.DatabaseServer, migrated_template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(postgres_server.admin_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(migrated_template)
            )
        )
        yield postgres_server.dsn(name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def there(second_url: str) -> AsyncIterator[Place]:
    async for made in place(second_url):
        yield made


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "signing.key"


async def exported(source: Place, *, payloads: bool = True, checked: bool = True) -> bytes:
    file = io.BytesIO()
    await Export(source.url, file.write, payloads, checked).run()
    return file.getvalue()


async def imported(target: Place, lines: bytes) -> Import:
    made = Import(target.url, io.BytesIO(lines))
    await made.run()
    return made


async def partly_sealed(place: Place, key: Path) -> dict[str, UUID]:
    """Every sort of task twice, with two checkpoints between them."""
    await varied_log(place.log)
    await place.seal(key)
    await tasks.submitted(place.log)
    await place.seal(key)
    return await varied_log(place.log)


# --- there and back ----------------------------------------------------------------------------


async def test_a_log_is_the_same_elsewhere(here: Place, there: Place, key: Path) -> None:
    await partly_sealed(here, key)
    made = await imported(there, await exported(here))
    assert made.tasks == 2 * len(LIVES) + 1
    for query in (STREAMS, PAYLOADS, PROJECTION, OUTBOX, LEASES, LEAVES, CHECKPOINTS):
        rows = await here.rows(query)
        assert rows, query
        assert await there.rows(query) == rows
    assert await there.differences() == 0
    assert await there.verify(key) == []


async def test_the_system_goes_on_with_an_imported_log(
    here: Place, there: Place, key: Path
) -> None:
    ids = await partly_sealed(here, key)
    await imported(there, await exported(here))
    log = there.log
    await tasks.put(log, tasks.claim(await tasks.load(log, ids["pending"])))
    await tasks.submitted(log)
    await there.seal(key)
    assert await there.verify(key) == []
    assert await there.differences() == 0
    expired = await PostgresLeases(there.database).expired(10)
    assert {lease.task_id for lease in expired} >= {ids["processing"]}
    waiting = await PostgresOutbox(there.database).choose(100)
    assert ids["requeued"] in {row.task_id for row in waiting}
    read = await log.read(LogCursor(), 1_000)
    assert len(read) == len(await there.rows(STREAMS))


async def test_what_was_imported_exports_to_the_same_events(
    here: Place, there: Place, key: Path
) -> None:
    await partly_sealed(here, key)
    first = await exported(here)
    await imported(there, first)
    second = await exported(there)

    def meaning(lines: bytes) -> list[object]:
        read = [exports.read(line) for line in lines.splitlines(keepends=True)]
        return [
            (line.stored.hash, line.leaf) if isinstance(line, LoggedEvent) else line
            for line in read
            if not isinstance(line, Begin | End)
        ]

    assert meaning(second) == meaning(first)


async def test_erased_content_stays_erased(here: Place, there: Place, key: Path) -> None:
    await partly_sealed(here, key)
    await here.owner.execute("DELETE FROM payloads WHERE kind = 'circuit'")
    lines = await exported(here)
    assert b'"erased":"circuit"' in lines
    await imported(there, lines)
    assert await there.rows(PAYLOADS) == await here.rows(PAYLOADS)
    assert await there.verify(key) == []


async def test_an_export_without_payloads_has_none(here: Place, there: Place, key: Path) -> None:
    await partly_sealed(here, key)
    lines = await exported(here, payloads=False)
    assert b'"export":"payload"' not in lines
    await imported(there, lines)
    assert await there.rows(PAYLOADS) == []
    assert await there.rows(STREAMS) == await here.rows(STREAMS)
    assert await there.verify(key) == []


async def test_an_empty_log_is_exported_and_imported(here: Place, there: Place) -> None:
    lines = await exported(here)
    assert len(lines.splitlines()) == 2
    made = await imported(there, lines)
    assert made.tasks == 0


async def test_pages_of_any_size_make_the_same_export(
    here: Place, there: Place, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await partly_sealed(here, key)
    whole = (await exported(here)).splitlines()[1:-1]
    monkeypatch.setattr(reading, "PAGE_EVENTS", 3)
    monkeypatch.setattr(exporting, "BODIES_AT_ONCE_BYTES", 1)
    lines = await exported(here)
    assert lines.splitlines()[1:-1] == whole
    monkeypatch.setattr(import_log, "EVENTS_A_PIECE", 2)
    await imported(there, lines)
    assert await there.rows(PROJECTION) == await here.rows(PROJECTION)


async def test_an_export_is_whole_while_the_system_runs(
    here: Place, there: Place, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE_EVENTS", 10)
    finished = asyncio.Event()

    async def work() -> None:
        while not finished.is_set():
            await varied_log(here.log)
            await here.seal(key)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(work())
        await partly_sealed(here, key)
        lines = await exported(here)
        finished.set()
    await imported(there, lines)
    assert await there.differences() == 0
    assert await there.verify(key) == []


async def test_events_are_cloudevents_that_anybody_can_read(here: Place) -> None:
    await varied_log(here.log)
    for line in (await exported(here)).splitlines():
        value = json.loads(line)
        if "export" not in value:
            assert {"id", "source", "specversion", "type", "time", "subject", "data"} <= set(value)


# --- bad exports -------------------------------------------------------------------------------

Edit = Callable[[list[bytes]], list[bytes]]


def place_of(lines: list[bytes], kind: str) -> int:
    """The number of the first line of a sort, from 0."""
    return next(n for n, line in enumerate(lines) if f'"{kind}"'.encode() in line)


def replaced(kind: str, old: str, new: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        at = place_of(lines, kind)
        assert old.encode() in lines[at]
        return [*lines[:at], lines[at].replace(old.encode(), new.encode(), 1), *lines[at + 1 :]]

    return edit


def without(kind: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        at = place_of(lines, kind)
        return [*lines[:at], *lines[at + 1 :]]

    return edit


def twice(kind: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        at = place_of(lines, kind)
        return [*lines[: at + 1], *lines[at:]]

    return edit


def swapped(first: str, second: str) -> Edit:
    def edit(lines: list[bytes]) -> list[bytes]:
        a, b = place_of(lines, first), place_of(lines, second)
        lines[a], lines[b] = lines[b], lines[a]
        return lines

    return edit


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda lines: lines[:-1], r"cut off behind line \d+"),
        (lambda lines: lines[:5], "cut off behind line 5"),
        (lambda lines: [*lines[:5], lines[5][:-20]], "line 6: .*cut off in the middle"),
        (lambda lines: lines[1:], "line 1: this is no exported log"),
        (lambda _: [], "line 1: this is no exported log"),
        (lambda lines: [*lines, lines[-1]], "something follows the last line"),
        (lambda lines: [lines[0], *lines], "line 2: a first or last line stands in the middle"),
        (lambda lines: [*lines[:3], b"nonsense\n", *lines[3:]], "line 4: no CloudEvent"),
        (lambda lines: [*lines[:3], b'{"export":"what"}\n', *lines[3:]], "line 4: no line of an"),
        (replaced("begin", "ketlog.export.1", "ketlog.export.9"), "line 1: .*export.9"),
        (replaced("ProcessingStarted", '"worker-1"', '"worker-9"'), "version 2: it, or the event"),
        (replaced("ProcessingStarted", "test", "nobo"), "actor is not what its metadata says"),
        (
            replaced(
                "TaskSubmitted",
                ".",
                ",",
            ),
            "no CloudEvent|version 1",
        ),
        (replaced("TaskFailed", '"TaskFailed"', '"TaskFuiled"'), "version 3: it, or the event"),
        (replaced("TaskCompleted", '"hash":"', '"hash":"00'), "version 3: it, or the event"),
        (replaced("TaskSubmitted", '"leaf":"0"', '"leaf":"1"'), "should be leaf 0 and is 1"),
        (
            replaced("TaskSubmitted", '"position":"', '"position":"1'),
            "not those that were exported",
        ),
        (replaced("begin", '"sealed":', '"sealed":9'), "line .*leaf"),
        (without("ProcessingStarted"), "it should be leaf 2 and is 3"),
        (without("TaskSubmitted"), "leaf 0 and is 1|no event before it commits"),
        (twice("ProcessingStarted"), "version 2: it follows version 2"),
        (twice("TaskSubmitted"), "version 1: it follows version 1"),
        (swapped("ProcessingStarted", "TaskCompleted"), "it follows version"),
        (replaced("payload", '"body":"', '"body":"AAAA'), "circuit is not what its event commits"),
        (replaced("payload", '"salt":"', '"salt":"zz'), "line 3: no line of an exported log"),
        (replaced("payload", '"circuit"', '"result"'), "no event before it commits to this result"),
        (twice("payload"), "no event before it commits to this circuit"),
        (without("payload"), r"it says \d+ payloads, and there are \d+"),
        (without("checkpoint"), "it says 2 checkpoints, and there are 1"),
        (replaced("checkpoint", '"root":"', '"root":"00'), "signed over other events"),
        (
            replaced("checkpoint", "ketlog\\n", "ketlog\\n1"),
            "is not what its note says|cannot be",
        ),
        (swapped("checkpoint", "TaskFailed"), "stands behind .* sealed events|it follows|leaf"),
        (replaced("end", '"events":', '"events":1'), r"it says \d+ events, and there are \d+"),
        (replaced("end", '"sha256":"', '"sha256":"0'), "not those that were exported"),
        (replaced("end", '"events":', '"events":-'), "is no count"),
    ],
)
async def test_an_export_that_was_changed_is_refused_and_leaves_nothing(
    here: Place, there: Place, key: Path, edit: Edit, says: str
) -> None:
    await partly_sealed(here, key)
    lines = (await exported(here)).splitlines(keepends=True)
    with pytest.raises(InvalidExport, match=says):
        await imported(there, b"".join(edit(lines)))
    for query in (STREAMS, PAYLOADS, PROJECTION, LEAVES, CHECKPOINTS):
        assert await there.rows(query) == []


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (without("TaskCompleted"), "not those that were exported|events, and there are|follows"),
        (swapped("ProcessingStarted", "TaskRequeued"), "version 3: it follows version"),
        (replaced("TaskFailed", '"hash":"', '"leaf":"0","hash":"'), "it is leaf 0 of a tree of 0"),
        (replaced("TaskRequeued", "lease", "leash"), "version 3: it, or the event before it"),
    ],
)
async def test_an_export_of_a_log_that_is_not_sealed_is_checked_too(
    here: Place, there: Place, edit: Edit, says: str
) -> None:
    await varied_log(here.log)
    lines = (await exported(here, payloads=False)).splitlines(keepends=True)
    with pytest.raises(InvalidExport, match=says):
        await imported(there, b"".join(edit(lines)))


async def test_an_event_of_a_type_that_is_not_known_here_is_named(
    here: Place, there: Place
) -> None:
    ids = await varied_log(here.log)
    forger = Forger(here.owner)
    await forger.do(
        "UPDATE events SET type = 'TaskTeleported' WHERE task_id = $1 AND version = 3",
        ids["failed"],
    )
    await forger.rehash(ids["failed"])
    with pytest.raises(InvalidExport, match="version 3: TaskTeleported of schema version 1"):
        await exported(here)
    lines = await exported(here, checked=False)
    with pytest.raises(InvalidExport, match=r"line \d+: task .*, version 3: TaskTeleported"):
        await imported(there, lines)


async def test_events_that_cannot_follow_each_other_are_named(here: Place, there: Place) -> None:
    ids = await varied_log(here.log)
    forger = Forger(here.owner)
    await forger.do(
        "UPDATE events SET type = 'TaskCancelled', data = '{\"reason\":\"\"}'"
        " WHERE task_id = $1 AND version = 2",
        ids["failed"],
    )
    await forger.rehash(ids["failed"])
    with pytest.raises(InvalidExport, match=f"{ids['failed']}, version 3: the task is cancelled"):
        await imported(there, await exported(here))
    assert await there.rows(STREAMS) == []


async def test_a_log_that_was_tampered_with_is_not_exported(here: Place, key: Path) -> None:
    ids = await partly_sealed(here, key)
    await Forger(here.owner).do(
        'UPDATE events SET data = \'{"attempt":1,"worker_id":"nobody"}\''
        " WHERE task_id = $1 AND version = 2",
        ids["failed"],
    )
    with pytest.raises(InvalidExport, match=f"task {ids['failed']}, version 2"):
        await exported(here)
    assert await exported(here, checked=False)


async def test_a_leaf_without_its_event_is_named(here: Place, key: Path) -> None:
    await varied_log(here.log)
    await here.seal(key)
    await Forger(here.owner).do("DELETE FROM events WHERE position = 3")
    with pytest.raises(InvalidExport, match="leaf 2 is missing, or its event is"):
        await exported(here, checked=False)


async def test_a_payload_that_was_altered_is_not_exported(here: Place) -> None:
    ids = await varied_log(here.log)
    await Forger(here.owner).do(
        "UPDATE payloads SET body = 'x' WHERE task_id = $1 AND kind = 'circuit'", ids["failed"]
    )
    with pytest.raises(InvalidExport, match=f"{ids['failed']}: the circuit is not what its event"):
        await exported(here)
    assert await exported(here, payloads=False)


async def test_two_logs_are_never_mixed(here: Place, there: Place) -> None:
    await varied_log(here.log)
    lines = await exported(here)
    await tasks.submitted(there.log)
    with pytest.raises(NotEmpty, match="has a log already"):
        await imported(there, lines)


async def test_big_contents_are_carried_whole(here: Place, there: Place) -> None:
    circuit = "// " + "x" * 1_000_000
    append = tasks.submission(circuit)
    await tasks.put(here.log, append)
    await imported(there, await exported(here))
    history = (await there.log.histories([append.task_id]))[append.task_id]
    assert history.payloads[PayloadKind.CIRCUIT] == Payload(
        PayloadKind.CIRCUIT, circuit.encode(), append.payloads[0].salt
    )


# --- the commands ------------------------------------------------------------------------------


def run(*arguments: str) -> int:
    """A command as a shell would run it, in a thread of its own for its event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(main, list(arguments)).result(60)


async def test_the_commands_move_a_log_through_a_file(  # noqa: PLR0917 - fixtures
    here: Place,
    there: Place,
    key: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    await partly_sealed(here, key)
    file = tmp_path / "log.ndjson"
    monkeypatch.setenv("DATABASE_URL", here.url)
    assert run("export", "--with-payloads", str(file)) == 0
    assert "2 checkpoints; sha256 " in capfd.readouterr().err
    assert list(tmp_path.glob("*.part")) == []
    monkeypatch.setenv("ADMIN_DATABASE_URL", there.url)
    assert run("import", str(file)) == 0
    assert f"of {2 * len(LIVES) + 1} tasks" in capfd.readouterr().out
    assert run("import", str(file)) == 2
    assert "has a log already" in capfd.readouterr().err
    monkeypatch.delenv("ADMIN_DATABASE_URL")
    assert run("export") == 0
    written = capfd.readouterr().out
    assert written.startswith('{"export":"begin"')
    assert len(written.splitlines()) == len((await exported(here, payloads=False)).splitlines())


async def test_a_failed_export_leaves_no_file(
    here: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ids = await varied_log(here.log)
    await Forger(here.owner).do("UPDATE events SET hash = $1", bytes(32))
    file = tmp_path / "log.ndjson"
    monkeypatch.setenv("DATABASE_URL", here.url)
    assert run("export", str(file)) == 1
    assert "The log is not what was recorded: task " in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert ids


async def test_a_bad_export_is_named_by_its_line(
    here: Place,
    there: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    await varied_log(here.log)
    file = tmp_path / "log.ndjson"
    file.write_bytes((await exported(here))[:-40])
    monkeypatch.setenv("DATABASE_URL", there.url)
    assert run("import", str(file)) == 1
    said = capfd.readouterr().err
    assert "it is cut off in the middle" in said
    assert "Nothing was imported." in said
    assert run("import", str(tmp_path / "nothing")) == 2
    assert "No such file" in capfd.readouterr().err
