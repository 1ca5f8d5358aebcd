"""Reading bodies from clients that are slow, or gone."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message

from service.api import body
from service.api.body import BodyLimits, declared_size, read_body
from service.api.problems import ClientGone, Problem
from tests.support.api import in_process_api, problem

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
        await read_body(receive, LIMITS)


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
        await read_body(receive, LIMITS)
    assert refused.value.status == 413


def test_a_body_without_a_length_counts_as_the_largest() -> None:
    assert declared_size({b"transfer-encoding": b"chunked"}, LIMITS) == LIMITS.hard
    assert declared_size({}, LIMITS) == 0
