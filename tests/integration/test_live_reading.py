"""Streams and waiting requests over a real PostgreSQL: no gaps, absences, and the end."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import pytest

from domain.identifiers import uuid7
from domain.log import LogCursor, LoggedEvent
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.history import PostgresHistory
from infrastructure.postgres.live import PostgresLive
from tests import servers
from tests.support import tasks
from tests.support.api import in_process_api, problem
from tests.support.processes import System, system
from tests.support.streams import Frame, Parser, stream
from tests.support.waiting import eventually

NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"
TRANSACTIONS = 5
ROUNDS = 8


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url, size=4, application_name="test")
    yield made
    await made.close()


async def write(writer: asyncpg.Connection) -> str:
    """Write an event as part of the writer's transaction; returns the event's id."""
    event_id = await writer.fetchval(
        "INSERT INTO events (event_id, task_id, version, type, schema_version, data, metadata,"
        " recorded_at, hash) VALUES ($1, $2, 1, 'TaskSubmitted', 1, '{}', '{}', now(), $3)"
        " RETURNING event_id",
        uuid7(),
        uuid7(),
        bytes(32),
    )
    return str(event_id)


async def out_of_order(dsn: str, rounds: Sequence[Sequence[int]]) -> None:
    """Write in several transactions at a time, which commit in an order of chance.

    Args:
        rounds: how many events each of the transactions writes.
    """
    chance = random.Random(8)
    writers = [await asyncpg.connect(dsn) for _ in range(TRANSACTIONS)]
    for sizes in rounds:
        transactions = [writer.transaction() for writer in writers]
        for writer, transaction, events in zip(writers, transactions, sizes, strict=True):
            await transaction.start()
            for _ in range(events):
                await write(writer)
        chance.shuffle(transactions)
        for transaction in transactions:
            await transaction.commit()
    for writer in writers:
        await writer.close()


class Counted(PostgresLive):
    """Live queries that count the looks.

    Attributes:
        looks: how often the log was followed.
    """

    looks = 0

    async def follow(self, after: LogCursor, limit: int) -> Sequence[LoggedEvent]:
        events = await super().follow(after, limit)
        self.looks += 1
        return events


async def test_what_was_committed_first_waits_for_what_began_first(
    database: Database, database_url: str
) -> None:
    slow, quick = [await asyncpg.connect(database_url) for _ in range(2)]
    history, live = PostgresHistory(database), Counted(database)
    async with (
        in_process_api(history=history, live=live) as api,
        stream(api.app, "/stream") as follows,
    ):
        place = await follows.place()
        transaction = slow.transaction()
        await transaction.start()
        written = [await write(slow), await write(quick)]
        enough = live.looks + 3
        await eventually(lambda: live.looks >= enough)
        async with stream(api.app, "/stream", Last_Event_ID=place) as comes_again:
            await comes_again.place()
            await transaction.commit()
            for opened in (follows, comes_again):
                assert [(await opened.next()).data["id"] for _ in range(2)] == written
    await slow.close()
    await quick.close()


async def test_a_stream_that_is_interrupted_misses_nothing_that_commits_out_of_order(
    database: Database, database_url: str
) -> None:
    chance = random.Random(7)
    rounds = [[chance.randint(1, 3) for _ in range(TRANSACTIONS)] for _ in range(ROUNDS)]
    seen: list[str] = []
    history, live = PostgresHistory(database), PostgresLive(database)
    async with in_process_api(history=history, live=live) as api:
        async with stream(api.app, "/stream") as opened:
            place = await opened.place()
        writing = asyncio.create_task(out_of_order(database_url, rounds))
        left = sum(map(sum, rounds))
        while left:
            some = min(left, chance.randint(1, 30))
            async with stream(api.app, "/stream", Last_Event_ID=place) as opened:
                frames = [await opened.next() for _ in range(some)]
            seen += [frame.data["id"] for frame in frames]
            place = str(frames[-1].id)
            left -= some
        await writing
    owner = await asyncpg.connect(database_url)
    written = await owner.fetch("SELECT event_id FROM events ORDER BY xid, position")
    await owner.close()
    assert seen == [str(row["event_id"]) for row in written]


async def test_many_readers_at_different_places_all_get_everything(
    database: Database, database_url: str
) -> None:
    log = PostgresEventLog(database)
    history, live = PostgresHistory(database), PostgresLive(database)
    async with in_process_api(history=history, live=live) as api:
        start = (await api.http.get("/events")).json()["cursor"]

        async def read(place: str) -> list[str]:
            async with stream(api.app, "/stream", Last_Event_ID=place) as opened:
                return [(await opened.next()).data["subject"] for _ in range(40)]

        async with asyncio.TaskGroup() as group:
            reading_all = [group.create_task(read(start)) for _ in range(20)]
            made = [str((await tasks.put(log, tasks.submission())).task_id) for _ in range(40)]
    assert {tuple(reader.result()) for reader in reading_all} == {tuple(made)}


# --- the process -------------------------------------------------------------------------------


@pytest.fixture
def ketlog(database_url: str, tmp_path: Path) -> Iterator[System]:
    """An API that is ready, with a database and without a broker."""
    with system(database_url, NO_BROKER, tmp_path) as made:
        made.api()
        made.wait_ready()
        yield made


class Reading:
    """A stream over a connection of its own."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._octets = answer.aiter_bytes()
        self._frames: list[Frame] = []
        self.parser = Parser()

    async def next(self) -> Frame:
        """The next frame that has data."""
        async with asyncio.timeout(15):
            while True:
                while self._frames:
                    frame = self._frames.pop(0)
                    if frame.data is not None:
                        return frame
                self._frames += self.parser.feed(await anext(self._octets))

    async def end(self) -> None:
        """Wait for the end of the body."""
        async with asyncio.timeout(15):
            async for octets in self._octets:
                assert list(self.parser.feed(octets)) == []


@asynccontextmanager
async def reading(ketlog: System, path: str) -> AsyncIterator[Reading]:
    """Open a stream of the process."""
    async with (
        httpx2.AsyncClient(base_url=ketlog.api_url, timeout=15) as http,
        http.stream("GET", path) as answer,
    ):
        assert answer.status_code == 200
        yield Reading(answer)


async def readers(ketlog: System) -> dict[str, float]:
    """How many readers the process says it has."""
    async with httpx2.AsyncClient(base_url=ketlog.api_url) as http:
        text = (await http.get("/metrics")).text
    return {
        kind: float(count)
        for kind, count in re.findall(r'^ketlog_readers{kind="(\w+)"} (\S+)$', text, re.MULTILINE)
    }


async def test_readers_are_sent_away_and_who_waits_is_answered_when_the_process_ends(
    ketlog: System, database: Database
) -> None:
    log = PostgresEventLog(database)
    task = await tasks.submitted(log)
    path = f"/tasks/{task.task_id}"
    async with (
        reading(ketlog, "/stream") as whole_log,
        reading(ketlog, f"{path}/stream") as of_task,
        httpx2.AsyncClient(base_url=ketlog.api_url, timeout=15) as http,
    ):
        waits = asyncio.create_task(http.get(f"{path}?wait=60"))

        async def everybody_reads() -> bool:
            return await readers(ketlog) == {"log": 1.0, "task": 1.0, "wait": 1.0}

        await eventually(everybody_reads)
        await tasks.put(log, tasks.claim(task))
        assert (await whole_log.next()).data["type"] == "ProcessingStarted"
        assert (await of_task.next()).data["type"] == "TaskSubmitted"
        assert (await of_task.next()).data["type"] == "ProcessingStarted"
        ended = asyncio.create_task(asyncio.to_thread(ketlog.processes["api"].stop))
        for opened in (whole_log, of_task):
            last = await opened.next()
            assert (last.event, last.data["reason"]) == ("end", "shutting-down")
            await opened.end()
        answer = await waits
        assert (answer.status_code, answer.json()["status"]) == (200, "processing")
        assert answer.headers["connection"] == "close"
        assert await ended == 0
    assert "Traceback" not in ketlog.processes["api"].log()


async def test_a_reader_that_vanishes_is_noticed(ketlog: System, database: Database) -> None:
    task = await tasks.submitted(PostgresEventLog(database))
    for path, kind in (
        (f"/tasks/{task.task_id}/stream", "task"),
        ("/stream", "log"),
        (f"/tasks/{task.task_id}?wait=60", "wait"),
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", ketlog.api_port)
        writer.write(f"GET {path} HTTP/1.1\r\nhost: here\r\n\r\n".encode())

        async def one(kind: str = kind) -> bool:
            return (await readers(ketlog)).get(kind) == 1

        await eventually(one)
        writer.transport.abort()

        async def none(kind: str = kind) -> bool:
            return (await readers(ketlog)).get(kind) == 0

        await eventually(none, within=2)


async def test_streams_outlast_a_restart_of_the_database(
    ketlog: System, database: Database, postgres_server: servers.DatabaseServer
) -> None:
    log = PostgresEventLog(database)
    task = await tasks.submitted(log)
    path = f"/tasks/{task.task_id}"
    async with (
        reading(ketlog, "/stream") as whole_log,
        reading(ketlog, f"{path}/stream") as of_task,
        httpx2.AsyncClient(base_url=ketlog.api_url, timeout=15) as http,
    ):
        assert (await of_task.next()).data["type"] == "TaskSubmitted"
        waits = asyncio.create_task(http.get(f"{path}?wait=1"))

        async def waiting() -> bool:
            return (await readers(ketlog)).get("wait") == 1

        await eventually(waiting)
        postgres_server.stop()
        problem(await waits, 503)
        problem(await http.get("/tasks/" + str(uuid7()) + "/stream"), 503)
        postgres_server.start()

        async def claimed() -> bool:
            try:
                await tasks.put(log, tasks.claim(task))
            except Exception:  # noqa: BLE001 - the connections of before are found to be dead
                return False
            return True

        await eventually(claimed)
        for opened in (whole_log, of_task):
            assert (await opened.next()).data["type"] == "ProcessingStarted"
