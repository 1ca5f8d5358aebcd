"""Tenants see nothing of each other: every operation of the OpenAPI document, asked by a stranger.

For each operation `OPERATIONS` says how a stranger would go about it. What is asked about a thing
of the owner's is also asked about one that never was, and the two answers have to be the same, to
the byte but for the id. The owner asks the same, so that there was something to be found.
"""

import itertools
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import httpx2
import pytest

from domain.codec import decode_metadata
from domain.log import LogCursor
from service.api.parameters import cursor_text
from tests.support.tenants import IDEMPOTENCY_KEY, STRANGER, Tenants, tenants

SUBMISSION = {"circuit": "OPENQASM 3; qubit q; measure q;"}
LINES = {"Accept": "application/x-ndjson"}
START = cursor_text(LogCursor())


class Asked(Protocol):
    """How a stranger goes about an operation."""

    async def check(self, world: Tenants, method: str, path: str) -> None:
        """Fail if the stranger learns something, or nobody could have."""


@dataclass(frozen=True)
class OfOneThing:
    """The path names a thing: to a stranger it is unknown.

    Attributes:
        queries: asked for one after the other.
        bodies: sent one after the other.
        headers: of one request after the other.
    """

    queries: Sequence[str] = ("",)
    bodies: Sequence[object] = (None,)
    headers: Sequence[Mapping[str, str]] = ({},)

    async def check(self, world: Tenants, method: str, path: str) -> None:
        (name,) = re.findall(r"{(\w+)}", path)
        found = 0
        for query, body, headers in itertools.product(self.queries, self.bodies, self.headers):
            for thing in world.things[name]:
                here, nowhere = (
                    path.replace(f"{{{name}}}", which) + query
                    for which in (thing, world.unknown[name])
                )
                before = await world.history()
                mine = await world.ask(world.stranger, method, here, body, **headers)
                nobodys = await world.ask(world.stranger, method, nowhere, body, **headers)
                assert mine.status_code == 404, f"{here}: {mine.text}"
                assert _answer(mine, thing) == _answer(nobodys, world.unknown[name])
                assert await world.history() == before, f"{here} has changed something"
                owners = await world.ask(world.owner, method, here, body, **headers)
                assert owners.status_code != 404, f"{here}: {owners.text}"
                found += owners.is_success
                if method == "GET":
                    operators = await world.ask(world.operator, method, here, body, **headers)
                    assert _answer(operators, thing) == _answer(owners, thing)
        assert found, "the owner has not found it either: say how it would"


@dataclass(frozen=True)
class OfMany:
    """The answer tells of many things: none of them is the owner's.

    Attributes:
        queries: asked for one after the other; `{thing}` is the id of something of the owner's.
    """

    queries: Sequence[str] = ("",)
    headers: Sequence[Mapping[str, str]] = ({},)

    async def check(self, world: Tenants, method: str, path: str) -> None:
        found = 0
        for query in self.queries:
            asked = path + query.format(thing=world.things["task_id"][0])
            for headers in self.headers:
                answer = await world.ask(world.stranger, method, asked, **headers)
                _tells_nothing(world, answer, asked)
                owners = await world.ask(world.owner, method, asked, **headers)
                assert owners.is_success, owners.text
                found += any(secret in owners.text for secret in world.secrets())
        assert found, "the owner has not found it either: say how it would"


@dataclass(frozen=True)
class OfNobody:
    """The operation names nothing that somebody could own, and tells of nothing.

    Attributes:
        body: of a request that succeeds.
        key: whether the request gets an idempotency key that the owner has used.
        needs_worker: whether it has to be answered that none is there.
    """

    body: object = None
    key: bool = False
    needs_worker: bool = False

    async def check(self, world: Tenants, method: str, path: str) -> None:
        headers = {"Idempotency-Key": IDEMPOTENCY_KEY} if self.key else {}
        answer = await world.ask(world.stranger, method, path, self.body, **headers)
        assert answer.is_success or (self.needs_worker and answer.status_code == 503), answer.text
        assert "idempotency-replayed" not in answer.headers
        _tells_nothing(world, answer, path)


OPERATIONS: Mapping[str, Asked] = {
    "checkCircuit": OfNobody(SUBMISSION, needs_worker=True),
    "submitTask": OfNobody(SUBMISSION, key=True),
    "listTasks": OfMany(
        queries=(
            "",
            "?limit=1",
            "?status=completed&status=failed",
            "?tag=owners-tag:owners-value",
            "?name=owners-name",
            "?correlation_id=owners-correlation-id",
            "?batch_id={thing}",
            "?submitted_after=2000-01-01T00:00:00Z",
            "?fields=task_id,circuit,result,tags",
        ),
    ),
    "getTask": OfOneThing(
        queries=("", "?version=1", "?as_of=2100-01-01T00:00:00Z", "?wait=30"),
        headers=({}, {"If-None-Match": "*"}),
    ),
    "streamTask": OfOneThing(queries=("", "?last_event_id=1")),
    "getCircuit": OfOneThing(
        queries=("", "?as=drawing", "?as=svg"), headers=({}, {"If-None-Match": "*"})
    ),
    "getResult": OfOneThing(
        queries=("", "?as=probabilities", "?as=registers"), headers=({}, {"If-None-Match": "*"})
    ),
    "getQueuePlace": OfOneThing(),
    "cancelTask": OfOneThing(
        bodies=(None, {"reason": "mine now"}),
        headers=({}, {"Idempotency-Key": IDEMPOTENCY_KEY}),
    ),
    "submitBatch": OfNobody({"tasks": [SUBMISSION]}, key=True),
    "submitSweep": OfNobody({**SUBMISSION, "bindings": [{}]}),
    "getBatch": OfOneThing(),
    "cancelBatch": OfOneThing(bodies=(None, {"reason": "mine now"})),
    "retryTask": OfOneThing(headers=({}, {"Idempotency-Key": "once more"})),
    "eraseTask": OfOneThing(),
    "getTaskEvents": OfOneThing(queries=("", "?after=1", "?limit=1"), headers=({}, LINES)),
    "getProof": OfOneThing(queries=("", "?contents=true")),
    "getEvents": OfMany(
        queries=(
            "",
            "?limit=1",
            "?type=TaskSubmitted",
            "?correlation_id=owners-correlation-id",
            "?since=2000-01-01T00:00:00Z",
        ),
        headers=({}, LINES),
    ),
    "streamEvents": OfMany(
        queries=(
            f"?last_event_id={START}",
            f"?last_event_id={START}&type=TaskSubmitted&correlation_id=owners-correlation-id",
        ),
    ),
    "getHealth": OfNobody(),
    "isAlive": OfNobody(),
    "isReady": OfNobody(),
}


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[Tenants]:
    # Nobody waits here for what does not happen.
    async with tenants(database_url, stream_seconds=0.1, max_wait_seconds=0) as made:
        yield made


def operations(document: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Operation id, method and path of each operation; what ends things comes last."""
    found = [
        (operation["operationId"], method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    return sorted(found, key=lambda each: ("GET", "POST", "DELETE").index(each[1]))


async def test_another_tenant_learns_nothing_by_any_operation(world: Tenants) -> None:
    failures = []
    for name, method, path in operations(world.document):
        if name not in OPERATIONS:
            failures.append(
                f"{method} {path} ({name}) is new: say in OPERATIONS of {__name__} how another "
                "tenant would try to learn something by it"
            )
            continue
        try:
            await OPERATIONS[name].check(world, method, path)
        except AssertionError as error:
            failures.append(f"{method} {path} ({name}): {error}")
    assert not failures, "\n\n".join(failures)


async def test_every_operation_that_is_tried_is_described(world: Tenants) -> None:
    assert set(OPERATIONS) == {name for name, *_ in operations(world.document)}


async def test_an_idempotency_key_is_one_tenants_own(world: Tenants) -> None:
    headers = {"Idempotency-Key": IDEMPOTENCY_KEY}
    first = await world.ask(world.stranger, "POST", "/tasks", SUBMISSION, **headers)
    again = await world.ask(world.stranger, "POST", "/tasks", SUBMISSION, **headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["task_id"] == again.json()["task_id"]
    assert first.json()["task_id"] not in world.things["task_id"]


async def test_a_place_in_the_log_that_the_owner_was_given_shows_a_stranger_its_own_tasks(
    world: Tenants,
) -> None:
    await world.submit(world.stranger, SUBMISSION)
    page = (await world.ask(world.owner, "GET", "/events?limit=1")).json()
    answer = await world.ask(world.stranger, "GET", page["next"])
    assert [event["type"] for event in answer.json()["events"]] == ["TaskSubmitted"]
    _tells_nothing(world, answer, page["next"])


async def test_the_operator_sees_the_tasks_of_all(world: Tenants) -> None:
    mine = await world.submit(world.stranger, SUBMISSION)
    page = (await world.ask(world.operator, "GET", "/events?limit=1000")).json()
    subjects = {event["subject"] for event in page["events"]}
    assert subjects == {*world.things["task_id"], mine["task_id"]}
    answer = await world.ask(world.operator, "POST", f"/tasks/{mine['task_id']}/cancel")
    assert answer.json()["status"] == "cancelled"
    answer = await world.ask(world.operator, "POST", "/tasks", SUBMISSION)
    assert answer.status_code == 403


async def test_events_say_whose_task_it_is_and_who_did_it(world: Tenants) -> None:
    mine = await world.submit(world.stranger, SUBMISSION)
    await world.ask(world.operator, "POST", f"/tasks/{mine['task_id']}/cancel")
    stream = await world.log.stream(UUID(mine["task_id"]))
    metadata = [decode_metadata(stored.metadata) for stored in stream]
    assert {each.tenant for each in metadata} == {STRANGER}
    keys = [who["Authorization"][14:26] for who in (world.stranger, world.operator)]
    assert [each.actor for each in metadata] == [f"key:{key_id}" for key_id in keys]


def _answer(answer: httpx2.Response, thing: str) -> tuple[int, list[tuple[str, str]], str]:
    """All of an answer but the id that was asked for, and an estimate that moves with the clock."""
    headers = sorted(
        (name, value.replace(thing, "ID")) for name, value in answer.headers.multi_items()
    )
    text = re.sub(r'("estimated_start":)"[^"]*"', r"\1SOON", answer.text.replace(thing, "ID"))
    return answer.status_code, headers, text


def _tells_nothing(world: Tenants, answer: httpx2.Response, asked: str) -> None:
    """Fail if an answer holds anything of the owner's that was not in the question."""
    said = "\n".join([answer.text, *(f"{n}: {v}" for n, v in answer.headers.multi_items())])
    # A link to the next page repeats what was asked for.
    said = re.sub(r"[?&][a-z_]+=[^&\"<>]*", "", said)
    for secret in world.secrets():
        assert secret not in said, f"{asked} tells of {secret}"
