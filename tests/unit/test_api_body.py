"""Reading bodies from clients that are slow, or gone."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message, Receive

from service.api import body
from service.api.admission import Admission
from service.api.body import BodyLimits, declared_size, read_body
from service.api.problems import ClientGone, Problem
from tests.support.api import JSON, in_process_api, problem
from tests.support.tasks import QUICKSTART
from tests.support.waiting import eventually

LIMITS = BodyLimits.for_circuits(1000)


async def test_a_body_that_does_not_arrive_ends_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "READ_SECONDS", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b'{"circuit"'
        await asyncio.get_running_loop().create_future()

    async with in_process_api() as api:
        answer = await api.http.post(
            "/tasks",
            content=stuck(),
            headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        )
        problem(answer, 408)
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.disconnect"}],
        [
            {"type": "http.request", "body": b'{"circuit"', "more_body": True},
            {"type": "http.disconnect"},
        ],
    ],
)
async def test_a_client_that_hangs_up_gets_no_answer(messages: list[Message]) -> None:
    arriving = iter(messages)

    async def receive() -> Message:
        return next(arriving)

    with pytest.raises(ClientGone):
        await read_body(receive, LIMITS, Admission(1))


async def test_a_client_that_waits_for_leave_is_refused_on_a_closed_connection() -> None:
    async with in_process_api() as api:
        answer = await api.submit_bytes(b"x" * 7_000_000, Expect="100-continue")
        problem(answer, 413)
        assert answer.headers["connection"] == "close"


async def test_a_body_that_is_not_wanted_does_not_hold_up_its_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "READ_SECONDS", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.get_running_loop().create_future()

    async with in_process_api() as api:
        answer = await api.http.post(
            "/tasks", content=stuck(), headers={"Transfer-Encoding": "chunked"}
        )
        problem(answer, 415)
        assert answer.headers["connection"] == "close"


async def test_a_body_in_one_piece_has_the_same_limit() -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"x" * (LIMITS.hard + 1)}

    with pytest.raises(Problem) as refused:
        await read_body(receive, LIMITS, Admission(1))
    assert refused.value.status == 413


def test_a_body_without_a_length_counts_as_the_largest() -> None:
    assert declared_size({b"transfer-encoding": b"chunked"}, LIMITS) == LIMITS.hard
    assert declared_size({}, LIMITS) == 0


async def test_clients_that_send_slowly_take_no_ones_place() -> None:
    go_on = asyncio.Event()
    body = json.dumps({"circuit": QUICKSTART}).encode()
    begun = 0

    async def slowly() -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        yield body[:1]
        await go_on.wait()
        yield body[1:]

    async with in_process_api(max_requests_in_flight=1) as api:
        slow = [
            asyncio.create_task(api.http.post("/tasks", content=slowly(), headers=JSON))
            for _ in range(20)
        ]
        await eventually(lambda: begun == 20)
        for _ in range(20):
            await api.accepted({"circuit": QUICKSTART})
        go_on.set()
        answers = {answer.status_code for answer in await asyncio.gather(*slow)}
    assert 202 in answers
    assert answers <= {202, 503}


async def test_unfinished_bodies_take_up_half_of_the_room() -> None:
    admission = Admission(10, octets=1000)
    go_on = asyncio.Event()

    async def arriving(size: int) -> AsyncIterator[bytes]:
        yield b"x" * (size - 1)
        await go_on.wait()
        yield b"x"

    slow = asyncio.create_task(read_body(received(arriving(400)), LIMITS, admission))
    await eventually(lambda: admission.arriving == 399)
    with pytest.raises(Problem) as refused:
        await read_body(received(steadily(150, 50)), LIMITS, admission)
    assert refused.value.status == 503
    assert admission.arriving == 399

    async def at_once() -> Message:
        return {"type": "http.request", "body": b"x" * 200}

    assert await read_body(at_once, LIMITS, admission) == b"x" * 200
    go_on.set()
    assert await slow == b"x" * 400
    assert (admission.requests, admission.octets, admission.arriving) == (2, 600, 0)
    admission.leave(200)
    admission.leave(400)
    assert (admission.requests, admission.octets) == (0, 0)


async def test_a_body_that_arrives_steadily_may_take_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "READ_SECONDS", 0.2)
    monkeypatch.setattr(body, "LEAST_BYTES_PER_SECOND", 100)

    begun = asyncio.get_running_loop().time()
    parts = received(steadily(50, 50, 50, 50, seconds=0.15))
    assert len(await read_body(parts, LIMITS, Admission(1))) == 200
    assert asyncio.get_running_loop().time() - begun > 0.2


async def steadily(*sizes: int, seconds: float = 0) -> AsyncIterator[bytes]:
    """A body in parts of these sizes, so long after one another."""
    for size in sizes:
        yield b"x" * size
        await asyncio.sleep(seconds)


def received(parts: AsyncIterator[bytes]) -> Receive:
    """What an application receives while a body arrives in these parts."""

    async def receive() -> Message:
        part = await anext(parts, None)
        return {"type": "http.request", "body": part or b"", "more_body": part is not None}

    return receive
