"""The log moves: exported, checked, imported into an empty installation, and the same there."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from domain import exports
from domain.exports import Begin, End
from domain.log import LogCursor, LoggedEvent
from domain.payloads import Payload, PayloadKind
from domain.task import Cancel
from infrastructure.postgres import export as reading
from infrastructure.postgres.imports import NotEmpty
from infrastructure.postgres.leases import PostgresLeases
from infrastructure.postgres.outbox import PostgresOutbox
from service.audit import export as exporting
from service.audit import import_log
from tests.support import tasks
from tests.support.places import (
    CHECKPOINTS,
    LEASES,
    LEAVES,
    OUTBOX,
    PAYLOADS,
    PROJECTION,
    STREAMS,
    Place,
    exported,
    imported,
    partly_sealed,
)
from tests.support.varied_log import LIVES, varied_log


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
    lines = await exported(here)
    assert b'"erased":"circuit"' in lines
    assert b'"type":"TaskErased"' in lines
    await imported(there, lines)
    assert await there.rows(PAYLOADS) == await here.rows(PAYLOADS)
    assert await there.verify(key) == []


@pytest.mark.parametrize("piece", [1, 1_000])
async def test_content_that_was_exported_before_its_erasure_goes_with_it(
    here: Place, there: Place, key: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    """An export reads no snapshot: it may carry a circuit, and further down its erasure."""
    monkeypatch.setattr(import_log, "EVENTS_A_PIECE", piece)
    task = await tasks.submitted(here.log, "// a secret")
    await tasks.put(here.log, tasks.following(task, Cancel("enough")))
    before = (await exported(here)).splitlines(keepends=True)
    await tasks.erased(here.log, task.task_id)
    after = (await exported(here)).splitlines(keepends=True)
    (payload,) = [line for line in before if line.startswith(b'{"export":"payload"')]
    submitted, cancelled, erased = after[1:-1]
    lines = [after[0], submitted, payload, cancelled, erased]
    digest = hashlib.sha256(b"".join(lines)).hexdigest()
    await imported(there, b"".join([*lines, exports.write(End(3, 1, 0, digest))]))
    assert await there.rows(PAYLOADS) == []
    await there.seal(key)
    assert await there.verify(key) == []
    assert await there.differences() == 0


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
