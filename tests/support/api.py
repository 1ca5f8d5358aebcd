"""The API in the test's own event loop, over the in-memory store."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from starlette.types import ASGIApp

from domain.batches import AtomicAppender
from domain.errors import InspectionRefused, InspectorAway
from domain.inspection import Inspection, InspectionAnswer
from domain.keys import Keys
from domain.live import LiveQueries
from domain.log import Append
from domain.payloads import PayloadKind
from domain.ports import Appender, HistoryQueries, TaskQueries
from infrastructure.batch_commit import BatchCommit
from infrastructure.group_commit import GroupCommit
from infrastructure.memory.batches import MemoryBatches
from infrastructure.memory.circuits import MemoryCircuits
from infrastructure.memory.contents import MemoryContents
from infrastructure.memory.history import MemoryHistory
from infrastructure.memory.live import MemoryLive
from infrastructure.memory.queue_places import MemoryQueue
from infrastructure.memory.seals import MemorySeals
from infrastructure.memory.store import MemoryStore
from infrastructure.memory.task_lists import MemoryTaskLists
from infrastructure.settings import ApiSettings
from service.api.app import Adapters, create_app
from service.api.backlog import Backlog
from service.api.batches import BatchStores
from service.api.health import Health
from service.api.models import ProblemDocument

JSON = {"Content-Type": "application/json"}


@dataclass
class FakeProbe:
    """A probe that says what a test wants."""

    connected: bool = True
    failing: bool = False
    blocked: bool = False
    reason: str = ""


@dataclass
class FakeInspector:
    """A worker that says of every circuit what a test wants.

    Attributes:
        answer: what it says, or why it says nothing.
        asked: the questions so far.
    """

    answer: InspectionAnswer | InspectionRefused = field(
        default_factory=lambda: InspectorAway("no worker is there")
    )
    asked: list[Inspection] = field(default_factory=list)

    async def inspect(self, inspection: Inspection) -> InspectionAnswer:
        """See `domain.inspection.CircuitInspector.inspect`."""
        self.asked.append(inspection)
        if isinstance(self.answer, InspectionRefused):
            raise self.answer
        return self.answer


@dataclass
class InProcessApi:
    """An API without a socket, and what it stands on.

    Attributes:
        committed: the batches that were stored, in order.
        stopped: workers that were told of a cancellation, and of which task's.
    """

    app: ASGIApp
    http: httpx2.AsyncClient
    store: MemoryStore
    seals: MemorySeals
    database: FakeProbe
    broker: FakeProbe
    inspector: FakeInspector
    health: Health
    committed: list[Sequence[Append]]
    stopped: list[tuple[str, UUID]]

    async def submit(self, body: object, **headers: str) -> httpx2.Response:
        """Post a JSON body."""
        return await self.http.post("/tasks", json=body, headers=headers)

    async def submit_bytes(self, body: bytes, **headers: str) -> httpx2.Response:
        """Post a body as it is, said to be JSON."""
        return await self.http.post("/tasks", content=body, headers=JSON | headers)

    async def cancel(self, task_id: object, body: object = None, **headers: str) -> httpx2.Response:
        """Ask for a task to be cancelled, with a JSON body if there is one."""
        return await self.http.post(f"/tasks/{task_id}/cancel", json=body, headers=headers)

    async def retry(self, task_id: object, **headers: str) -> httpx2.Response:
        """Ask for a task to be tried again."""
        return await self.http.post(f"/tasks/{task_id}/retry", headers=headers)

    async def submit_batch(self, body: object, **headers: str) -> httpx2.Response:
        """Post a batch."""
        return await self.http.post("/tasks:batch", json=body, headers=headers)

    async def submit_sweep(self, body: object, **headers: str) -> httpx2.Response:
        """Post a sweep."""
        return await self.http.post("/tasks:sweep", json=body, headers=headers)

    async def content(self, task_id: str, kind: PayloadKind) -> object:
        """Return what is stored of a task's circuit, as text, or of its parameters."""
        text = self.store.payload_rows[UUID(task_id)][kind].body.decode()
        return json.loads(text) if kind is PayloadKind.PARAMETERS else text

    async def accepted(self, body: object, **headers: str) -> dict[str, Any]:
        """Post a body that must be accepted; returns the answer."""
        answer = await self.submit(body, **headers)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())


@asynccontextmanager
async def in_process_api(
    *,
    appender: Appender | None = None,
    batch_appender: AtomicAppender | None = None,
    queries: TaskQueries | None = None,
    backlog: Backlog | None = None,
    keys: Keys | None = None,
    store: MemoryStore | None = None,
    live: LiveQueries | None = None,
    history: HistoryQueries | None = None,
    **settings: Any,
) -> AsyncIterator[InProcessApi]:
    """Run an API over a store in memory.

    Args:
        appender: instead of group commit over the store.
        batch_appender: instead of batch commit over the store.
        queries: instead of the store's.
        backlog: bounds what may wait.
        keys: where keys are looked up; nobody needs one without it.
        store: instead of a fresh one.
        live: instead of the store's.
        history: instead of the store's.
        settings: fields of `ApiSettings`.
    """
    store = MemoryStore() if store is None else store
    committed: list[Sequence[Append]] = []
    stopped: list[tuple[str, UUID]] = []
    commits = GroupCommit(store, on_commit=committed.append)
    batches = batch_appender or BatchCommit(store, on_commit=committed.append)
    seals = MemorySeals(store)
    database, broker, inspector = FakeProbe(), FakeProbe(), FakeInspector()
    health = Health(database, broker)
    app = create_app(
        ApiSettings(**settings),
        Adapters(
            appender=appender or commits,
            log=store,
            queries=queries or store,
            circuits=MemoryCircuits(store),
            history=history or MemoryHistory(store),
            live=live or MemoryLive(store),
            lists=MemoryTaskLists(store),
            seals=seals,
            contents=MemoryContents(store),
            database=database,
            broker=broker,
            inspector=inspector,
            queue=MemoryQueue(store),
            batches=BatchStores(batches, store, MemoryBatches(store)),
            backlog=backlog,
            on_cancelled=lambda worker_id, task_id: stopped.append((worker_id, task_id)),
            keys=keys,
        ),
        health,
    )
    await commits.start()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as http:
        yield InProcessApi(
            app, http, store, seals, database, broker, inspector, health, committed, stopped
        )
    await commits.close()


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem document that an answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = dict(answer.json())
    ProblemDocument.model_validate(document)
    assert document["status"] == status
    assert document["correlation_id"] == answer.headers["x-correlation-id"]
    return document


def bad_fields(answer: httpx2.Response, status: int = 422) -> list[str]:
    """The fields that a problem document names, in order."""
    return [error["field"] for error in problem(answer, status)["errors"]]
