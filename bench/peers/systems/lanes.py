"""Submits many tasks over some lanes at once and takes the time, without what opens the lanes.

Each lane submits one task first; then all begin together.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a submission took.

    Attributes:
        timed: tasks submitted in that time; the first of each lane are not among them.
        seconds: wall clock.
        cpu_seconds: processor time of this process.
    """

    timed: int
    seconds: float
    cpu_seconds: float


def in_threads(submit: Callable[[int], object], numbers: range, lanes: int) -> Submitted:
    """Submit with so many threads; `submit` returns when the task is safe."""
    waiting = iter(numbers[lanes:])
    lock = threading.Lock()
    begun = threading.Barrier(lanes + 1)
    errors: list[BaseException] = []

    def lane(first: int) -> None:
        try:
            submit(first)
            begun.wait(60)
            while True:
                with lock:
                    number = next(waiting, None)
                if number is None:
                    return
                submit(number)
        except Exception as error:  # noqa: BLE001 - raised again below, in the main thread
            errors.append(error)
            begun.abort()

    threads = [threading.Thread(target=lane, args=(first,)) for first in numbers[:lanes]]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        begun.wait(60)
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return Submitted(len(numbers) - lanes, time.perf_counter() - began, time.process_time() - cpu)


async def in_tasks(
    submit: Callable[[int], Awaitable[object]], numbers: range, lanes: int
) -> Submitted:
    """Submit with so many asyncio tasks; `submit` returns when the task is safe."""
    await asyncio.gather(*(submit(number) for number in numbers[:lanes]))
    waiting = iter(numbers[lanes:])

    async def lane() -> None:
        for number in waiting:
            await submit(number)

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    return Submitted(len(numbers) - lanes, time.perf_counter() - began, time.process_time() - cpu)
