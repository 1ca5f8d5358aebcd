"""Loops that go on, waits that grow, and one key for one lock."""

import asyncio

from infrastructure.backoff import Backoff
from infrastructure.postgres.leadership import lock_key
from infrastructure.supervision import supervised


async def test_a_loop_that_fails_begins_anew() -> None:
    runs = 0

    async def loop() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise ValueError("unexpected")

    await asyncio.wait_for(supervised("a loop", loop), 5)
    assert runs == 3


async def test_a_loop_can_be_cancelled() -> None:
    running = asyncio.create_task(supervised("a loop", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running}, timeout=1)
    assert running.cancelled()


def test_waits_double_up_to_a_bound_with_jitter() -> None:
    backoff = Backoff(first=1.0, longest=4.0)
    for bound in (1.0, 2.0, 4.0, 4.0):
        assert bound / 2 <= backoff.next() <= bound


def test_waits_begin_anew_after_a_success() -> None:
    backoff = Backoff(first=1.0, longest=4.0)
    for _ in range(5):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 1.0


def test_a_lock_has_the_same_key_in_every_process() -> None:
    assert lock_key("ketlog relay leader") == -2623927896276703513
