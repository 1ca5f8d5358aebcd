"""Two tenants and an operator on one API with a real database, and what one of them owns.

Whatever the owner says of itself holds the word `owners`, so that no answer to anybody else may.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2

from domain.identifiers import uuid7
from domain.keys import EVERY_TENANT, Scope, make_key
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.keys import key_ring
from infrastructure.settings import ApiSettings
from service.api.app import create_app
from service.api.health import Health
from service.api.runtime import Runtime
from tests.support import tasks

OWNER, STRANGER = "owners-tenant", "strangers-tenant"
MARK = "owners"
CORRELATION = {"X-Correlation-ID": "a-question"}
NO_BROKER = "amqp://guest:guest@127.0.0.1:9/"
IDEMPOTENCY_KEY = "the same words may occur to anyone"


@dataclass
class Tenants:
    """The API, and headers with a key for each of those who ask.

    Attributes:
        things: ids of what the owner has, by the name of the path's parameter.
        unknown: ids of what nobody has, by the same names.
    """

    http: httpx2.AsyncClient
    log: PostgresEventLog
    document: dict[str, Any]
    owner: dict[str, str]
    stranger: dict[str, str]
    operator: dict[str, str]
    things: dict[str, list[str]] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, who: dict[str, str], method: str, path: str, body: object = None, **headers: str
    ) -> httpx2.Response:
        """Make a request on somebody's behalf."""
        return await self.http.request(method, path, json=body, headers=CORRELATION | who | headers)

    async def submit(self, who: dict[str, str], body: object, **headers: str) -> dict[str, Any]:
        """Submit a task that must be accepted; returns the answer."""
        answer = await self.ask(who, "POST", "/tasks", body, **headers)
        assert answer.status_code == 202, answer.text
        return dict(answer.json())

    async def history(self) -> dict[str, int]:
        """How many events each of the owner's tasks has."""
        ids = self.things["task_id"]
        return {task_id: len(await self.log.stream(UUID(task_id))) for task_id in ids}

    def secrets(self) -> Sequence[str]:
        """What must not be in an answer to anybody but the owner."""
        return [MARK, *(name for names in self.things.values() for name in names)]


@asynccontextmanager
async def tenants(database_url: str, **settings: Any) -> AsyncIterator[Tenants]:
    """An API that wants keys, and an owner with a task of every status."""
    chosen = ApiSettings(auth="keys", database_url=database_url, rabbitmq_url=NO_BROKER, **settings)
    runtime = Runtime(chosen)
    health = Health(runtime.adapters.database, runtime.adapters.broker)
    app = create_app(chosen, runtime.adapters, health)
    database = Database(database_url, size=2, application_name="test")
    everything = frozenset(Scope)
    try:
        async with (
            runtime.lifespan(app),
            httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app=app), base_url="http://api", timeout=30
            ) as http,
        ):
            made = Tenants(
                http,
                PostgresEventLog(database),
                dict((await http.get("/openapi.json")).json()),
                await bearer(database_url, OWNER, everything),
                await bearer(database_url, STRANGER, everything),
                await bearer(database_url, EVERY_TENANT, everything - {Scope.SUBMIT}),
            )
            await _settle(made)
            yield made
    finally:
        await database.close()


async def bearer(database_url: str, tenant: str, scopes: frozenset[Scope]) -> dict[str, str]:
    """Headers that show a new key."""
    key = make_key()
    async with key_ring(database_url, "test") as ring:
        await ring.add(key, tenant, "", scopes, None)
    return {"Authorization": f"Bearer {key.text}"}


async def _settle(made: Tenants) -> None:
    """Give the owner a task of every status, and each with words of its own."""
    said = {
        "circuit": "OPENQASM 3; // owners-circuit\nqubit q; h q; measure q;",
        "name": "owners-name",
        "tags": {"owners-tag": "owners-value"},
    }
    words = {"X-Correlation-ID": "owners-correlation-id"}
    pending = await made.submit(made.owner, said, **words, **{"Idempotency-Key": IDEMPOTENCY_KEY})
    cancelled = await made.submit(made.owner, said, **words)
    reason = {"reason": "owners-reason"}
    answer = await made.ask(
        made.owner, "POST", f"/tasks/{cancelled['task_id']}/cancel", reason, **words
    )
    assert answer.status_code == 200, answer.text
    ids = [pending["task_id"], cancelled["task_id"]]
    for status in ("processing", "completed", "failed"):
        append = tasks.submission(correlation_id="owners-correlation-id", tenant=OWNER)
        await tasks.put(made.log, append)
        task = await tasks.load(made.log, append.task_id)
        await tasks.put(made.log, tasks.claim(task, "owners-worker"))
        task = await tasks.load(made.log, append.task_id)
        if status == "completed":
            await tasks.put(made.log, tasks.completion(task, {"0": 400, "1": 624}))
        elif status == "failed":
            await tasks.put(made.log, tasks.failure(task, message="owners-failure"))
        ids.append(str(append.task_id))
    batch = await made.ask(
        made.owner,
        "POST",
        "/tasks:batch",
        {"tasks": [said] * 2},
        **words,
        **{"Idempotency-Key": IDEMPOTENCY_KEY},
    )
    assert batch.status_code == 202, batch.text
    made.things["batch_id"] = [batch.json()["batch_id"]]
    made.things["task_id"] = ids + batch.json()["task_ids"]
    made.unknown |= {"task_id": str(uuid7()), "batch_id": str(uuid7())}
