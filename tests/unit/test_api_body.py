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


def test_a_client_that_waits_for_leave_is_refused_on_a_closed_connection() -> None:
    headers = {b"content-length": b"%d" % (LIMITS.hard + 1), b"expect": b"100-continue"}
    with pytest.raises(Problem) as refused:
        declared_size(headers, LIMITS)
    assert refused.value.status == 413
    assert refused.value.headers["connection"] == "close"


def test_a_body_without_a_length_counts_as_the_largest() -> None:
    assert declared_size({b"transfer-encoding": b"chunked"}, LIMITS) == LIMITS.hard
    assert declared_size({}, LIMITS) == 0
