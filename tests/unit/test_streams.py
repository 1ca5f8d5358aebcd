"""Streams of the log and of tasks: what comes, where they go on, and how they end."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from domain.errors import StoreUnavailable
from domain.identifiers import uuid7
from domain.log import LogCursor, LoggedEvent
from domain.task import Cancel, Compare
from infrastructure.memory import MemoryStore
from infrastructure.memory.live import MemoryLive
from service.api.caller import Caller, Scope
from service.api.live import outlet as outlet_module
from service.api.live.follower import MOST_AT_A_TIME
from service.api.live.outlet import MOST_HELD
from tests.support import tasks
from tests.support.api import InProcessApi, bad_fields, in_process_api, problem
from tests.support.streams import asking, end_of, stream
from tests.support.waiting import eventually

LIFE = ["TaskSubmitted", "ProcessingStarted", "TaskCompleted"]
TOO_MANY = MOST_HELD + MOST_AT_A_TIME + 1
"""More than a reader may leave unread, beside what is on its way to it."""


@pytest.fixture
async def api() -> AsyncIterator[InProcessApi]:
    async with in_process_api(max_streams=3) as made:
        yield made


async def completed(api: InProcessApi, correlation_id: str = "a-correlation-id") -> UUID:
    """A task that has come to its end."""
    task_id = (await tasks.put(api.store, tasks.submission(correlation_id=correlation_id))).task_id
    await finish(api, task_id)
    return task_id


async def finish(api: InProcessApi, task_id: UUID) -> None:
    """Claim and complete a task."""
    await tasks.put(api.store, tasks.claim(await tasks.load(api.store, task_id)))
    await tasks.put(api.store, tasks.completion(await tasks.load(api.store, task_id), {"0": 1024}))


# --- one task ----------------------------------------------------------------------------------


async def test_a_task_is_followed_to_its_end(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    async with stream(api.app, f"/tasks/{task.task_id}/stream") as opened:
        assert opened.status == 200
        assert opened.headers["content-type"] == "text/event-stream"
        assert opened.headers["cache-control"] == "no-store"
        assert (await opened.next_of_any_kind()).retry is not None
        assert await opened.types(1) == LIFE[:1]
        await tasks.submitted(api.store)
        await finish(api, task.task_id)
        assert await opened.types(2) == LIFE[1:]
        assert await end_of(opened) == "task-ended"
    frames = [frame for frame in opened.frames if frame.data and frame.event == "message"]
    assert [frame.id for frame in frames] == ["1", "2", "3"]
    shown = (await api.http.get(f"/tasks/{task.task_id}/events")).json()["events"]
    assert [frame.data for frame in frames] == shown


async def test_a_task_that_has_ended_is_told_and_not_waited_for(api: InProcessApi) -> None:
    task_id = await completed(api)
    note = Compare(0.0, {}, {"seed": 7})
    await tasks.put(api.store, tasks.following(await tasks.load(api.store, task_id), note))
    async with stream(api.app, f"/tasks/{task_id}/stream") as opened:
        assert await opened.types(3) == LIFE
        assert await end_of(opened) == "task-ended"


async def test_a_tasks_stream_goes_on_behind_the_last_event(api: InProcessApi) -> None:
    task = await tasks.processing(api.store)
    path = f"/tasks/{task.task_id}/stream"
    async with (
        stream(api.app, path, Last_Event_ID="1") as by_header,
        stream(api.app, path + "?last_event_id=2") as by_parameter,
        stream(api.app, path + "?last_event_id=0", Last_Event_ID="2") as by_both,
    ):
        assert await by_header.types(1) == LIFE[1:2]
        await tasks.put(api.store, tasks.following(task, Cancel("enough")))
        for opened in (by_header, by_parameter, by_both):
            assert await opened.types(1) == ["TaskCancelled"]
            assert await end_of(opened) == "task-ended"


@pytest.mark.parametrize("known", ["3", "4", "2147483647"])
async def test_who_knows_the_end_is_told_to_stop(api: InProcessApi, known: str) -> None:
    answer = await api.http.get(
        f"/tasks/{await completed(api)}/stream", headers={"Last-Event-ID": known}
    )
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_task_that_is_not_there_has_no_stream(api: InProcessApi) -> None:
    answer = await api.http.get(f"/tasks/{uuid7()}/stream?last_event_id=7")
    assert problem(answer, 404)["type"] == "urn:ketlog:problem:no-such-task"
    assert bad_fields(await api.http.get("/tasks/nonsense/stream")) == ["task_id"]


# --- the whole log -----------------------------------------------------------------------------


async def test_the_log_is_streamed_from_now_on(api: InProcessApi) -> None:
    await completed(api)
    async with stream(api.app, "/stream") as opened:
        place = await opened.place()
        task_id = await completed(api)
        frames = [await opened.next() for _ in LIFE]
    assert [frame.data["type"] for frame in frames] == LIFE
    assert {frame.data["subject"] for frame in frames} == {str(task_id)}
    page = (await api.http.get(f"/events?after={place}")).json()
    assert [frame.data for frame in frames] == page["events"]
    assert frames[-1].id == page["cursor"]


async def test_a_stream_that_was_interrupted_goes_on_without_a_gap(api: InProcessApi) -> None:
    seen: list[str] = []
    cursor = (await api.http.get("/events?limit=1")).json()["cursor"]
    for _ in range(4):
        await completed(api)
        async with stream(api.app, "/stream", Last_Event_ID=cursor) as opened:
            await completed(api)
            # Some of it was missed, some of it happens now, and the last of it is not read.
            seen += [(await opened.next()).data["id"] for _ in range(5)]
            ids = [frame.id for frame in opened.frames[: opened._taken] if frame.id]
            cursor = ids[-1]
    async with stream(api.app, f"/stream?last_event_id={cursor}") as opened:
        seen += [(await opened.next()).data["id"] for _ in range(4)]
    everything = await api.store.read(LogCursor(), 100)
    assert seen == [str(event.event_id) for event in everything]


async def test_a_stream_is_filtered_like_the_log(api: InProcessApi) -> None:
    path = "/stream?type=TaskCompleted&type=TaskSubmitted&correlation_id=mine"
    start = (await api.http.get("/events")).json()["cursor"]
    await completed(api, "mine")
    await completed(api, "other")
    async with stream(api.app, path, Last_Event_ID=start) as opened:
        assert await opened.types(2) == ["TaskSubmitted", "TaskCompleted"]
        await completed(api, "other")
        mine = await completed(api, "mine")
        frames = [await opened.next() for _ in range(2)]
    assert [frame.data["type"] for frame in frames] == ["TaskSubmitted", "TaskCompleted"]
    assert {frame.data["subject"] for frame in frames} == {str(mine)}


def of(tenant: str) -> Caller:
    """Somebody of a tenant."""
    return Caller(tenant, "key/somebody", frozenset(Scope))


async def test_a_tenant_is_told_of_its_own_tasks_alone(api: InProcessApi) -> None:
    start = (await api.http.get("/events")).json()["cursor"]

    async def happens() -> dict[str, UUID]:
        """A task of each tenant, and one of nobody's."""
        made = {}
        for tenant in ("south", "north", ""):
            append = tasks.submission()
            owned = replace(append, metadata=replace(append.metadata, tenant=tenant))
            made[tenant] = (await tasks.put(api.store, owned)).task_id
        return made

    before = await happens()
    async with (
        stream(api.app, "/stream", of("north"), Last_Event_ID=start) as north,
        stream(api.app, "/stream", of("*"), Last_Event_ID=start) as operator,
        stream(api.app, "/stream", Last_Event_ID=start) as nobody,
    ):
        for made in (before, await happens()):
            expected = {"north": [made["north"]], "*": list(made.values()), "": [made[""]]}
            for tenant, opened in (("north", north), ("*", operator), ("", nobody)):
                frames = [await opened.next() for _ in expected[tenant]]
                assert [UUID(frame.data["subject"]) for frame in frames] == expected[tenant]


async def test_a_tenant_follows_no_task_of_another(api: InProcessApi) -> None:
    append = tasks.submission()
    owned = replace(append, metadata=replace(append.metadata, tenant="north"))
    task_id = (await tasks.put(api.store, owned)).task_id
    for path in (f"/tasks/{task_id}/stream", f"/tasks/{task_id}?wait=30"):
        for caller in (of("south"), of("")):
            async with asking(api.app, path, caller=caller) as opened:
                await opened.done()
                assert opened.status == 404
    async with stream(api.app, f"/tasks/{task_id}/stream", of("north")) as opened:
        assert await opened.types(1) == LIFE[:1]


@pytest.mark.parametrize(
    ("path", "headers", "field"),
    [
        ("/stream?last_event_id=7", {}, "last_event_id"),
        ("/stream", {"Last-Event-ID": "é"}, "Last-Event-ID"),
        ("/stream?last_event_id=7", {"Last-Event-ID": "A" * 23}, "last_event_id"),
        ("/stream?type=Nothing", {}, "type"),
        ("/stream?since=2025-12-28T14:30:00Z", {}, "since"),
        ("/stream?after=AQ", {}, "after"),
        ("/tasks/01890000-0000-7000-8000-000000000001/stream?after=1", {}, "after"),
        (
            "/tasks/01890000-0000-7000-8000-000000000001/stream",
            {"Last-Event-ID": "-1"},
            "Last-Event-ID",
        ),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    api: InProcessApi, path: str, headers: dict[str, str], field: str
) -> None:
    encoded = {name.encode(): value.encode() for name, value in headers.items()}
    assert bad_fields(await api.http.get(path, headers=encoded)) == [field]


async def test_the_head_of_a_stream_ends_at_once(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    for path in ("/stream", f"/tasks/{task.task_id}/stream"):
        answer = await api.http.head(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"


# --- who may read, and who is sent away --------------------------------------------------------


async def test_one_reader_too_many_is_refused_until_one_leaves(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    path = f"/tasks/{task.task_id}/stream"
    async with stream(api.app, path), stream(api.app, "/stream"):
        async with stream(api.app, path):
            for other in (path, "/stream", f"/tasks/{task.task_id}?wait=1"):
                refused = await api.http.get(other)
                assert problem(refused, 503)["type"] == "urn:ketlog:problem:too-many-streams"
                assert int(refused.headers["retry-after"]) >= 1
            assert (await api.http.get(f"/tasks/{task.task_id}")).status_code == 200
        async with stream(api.app, path) as opened:
            assert opened.status == 200


async def test_readers_are_sent_away_when_the_process_drains(
    api: InProcessApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet_module, "FAREWELL_SECONDS", 0.05)
    task = await tasks.submitted(api.store)
    path = f"/tasks/{task.task_id}/stream"
    async with stream(api.app, "/stream") as whole_log, stream(api.app, path) as of_task:
        assert await of_task.types(1) == LIFE[:1]
        of_task.reading.clear()
        api.health.leave()
        assert await end_of(whole_log) == "shutting-down"
        refused = await api.http.get("/stream")
        assert problem(refused, 503)["type"] == "urn:ketlog:problem:shutting-down"
        # The other one takes nothing any more, and does not hold up the process for it.
        await of_task.done()
        assert not of_task.complete


async def test_a_reader_that_is_too_slow_connects_again_and_loses_nothing(
    api: InProcessApi,
) -> None:
    before = ended("too-slow")
    async with stream(api.app, "/stream") as opened:
        await opened.place()
        made = [(await tasks.submitted(api.store)).task_id for _ in range(3)]
        frames = [await opened.next() for _ in made]
        opened.reading.clear()
        made += [(await tasks.submitted(api.store)).task_id for _ in range(TOO_MANY)]
        await eventually(lambda: ended("too-slow") == before + 1)
        opened.reading.set()
        assert await end_of(opened) == "too-slow"
        last = opened.parser.last_event_id
    assert last is not None
    async with stream(api.app, "/stream", Last_Event_ID=last) as opened:
        frames += [await opened.next() for _ in range(TOO_MANY)]
    assert [UUID(frame.data["subject"]) for frame in frames] == made


async def test_a_reader_that_vanishes_leaves_its_place(api: InProcessApi) -> None:
    task = await tasks.submitted(api.store)
    before = ended("reader-gone")
    async with (
        stream(api.app, "/stream") as opened,
        stream(api.app, f"/tasks/{task.task_id}/stream") as other,
    ):
        assert readers("log") == readers("task") == 1
        opened.hang_up()
        other.hang_up()
        await eventually(lambda: readers("log") == readers("task") == 0)
    assert ended("reader-gone") == before + 2


# --- while the store is away -------------------------------------------------------------------


class Away(MemoryLive):
    """Live queries of a store that comes and goes.

    Attributes:
        away: whether nothing can be read now.
        asked: how often anything was asked for.
    """

    away = False
    asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("not now")

    async def tip(self) -> LogCursor:
        self._ask()
        return await super().tip()

    async def follow(self, after: LogCursor, limit: int) -> Sequence[LoggedEvent]:
        self._ask()
        return await super().follow(after, limit)

    async def news(self, known: Mapping[UUID, int], limit: int) -> Sequence[LoggedEvent]:
        self._ask()
        return await super().news(known, limit)


@pytest.fixture
async def shaky() -> AsyncIterator[tuple[InProcessApi, Away]]:
    store = MemoryStore()
    live = Away(store)
    async with in_process_api(store=store, live=live) as made:
        yield made, live


async def test_streams_outlast_an_absence_of_the_store(shaky: tuple[InProcessApi, Away]) -> None:
    api, live = shaky
    task = await tasks.submitted(api.store)
    async with (
        stream(api.app, "/stream") as whole_log,
        stream(api.app, f"/tasks/{task.task_id}/stream") as of_task,
    ):
        await whole_log.place()
        assert await of_task.types(1) == LIFE[:1]
        live.away = True
        asked = live.asked
        await eventually(lambda: live.asked > asked + 2)
        await finish(api, task.task_id)
        live.away = False
        assert await whole_log.types(2) == LIFE[1:]
        assert await of_task.types(2) == LIFE[1:]


async def test_without_the_store_no_stream_is_begun(shaky: tuple[InProcessApi, Away]) -> None:
    api, live = shaky
    live.away = True
    refused = await api.http.get("/stream")
    assert problem(refused, 503)["type"] == "urn:ketlog:problem:store-unavailable"
    assert readers("log") == 0


async def test_nothing_is_asked_while_nobody_reads(shaky: tuple[InProcessApi, Away]) -> None:
    api, live = shaky
    task = await tasks.submitted(api.store)
    await api.http.get(f"/tasks/{task.task_id}")
    assert live.asked == 0
    async with stream(api.app, "/stream"), stream(api.app, f"/tasks/{task.task_id}/stream"):
        await eventually(lambda: live.asked > 4)
    names = {"log follower", "news of tasks"}
    await eventually(lambda: not names & {task.get_name() for task in asyncio.all_tasks()})
    asked = live.asked
    await api.http.get(f"/tasks/{task.task_id}")
    assert live.asked == asked


def ended(reason: str) -> float:
    """How many streams were closed for a reason."""
    return REGISTRY.get_sample_value("ketlog_streams_ended_total", {"reason": reason}) or 0.0


def readers(kind: str) -> float:
    """How many readers of a kind there are."""
    return REGISTRY.get_sample_value("ketlog_readers", {"kind": kind}) or 0.0
