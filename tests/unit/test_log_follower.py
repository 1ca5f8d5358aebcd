"""The one reader of the log by itself: who is handed what, and from where on."""

import asyncio
from collections.abc import Callable

from domain.log import LogCursor, LogFilter
from infrastructure.memory import MemoryStore
from infrastructure.memory.live import MemoryLive
from service.api.live.follower import LISTENERS_AT_A_TIME, Listening, LogFollower
from tests.support import tasks
from tests.support.waiting import eventually


class Listener:
    """Somebody who is handed events.

    Attributes:
        frames: what was.
        on_offer: called with each.
    """

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.on_offer: Callable[[], None] = lambda: None

    def offer(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.on_offer()


async def test_who_joins_while_events_are_handed_out_begins_behind_them() -> None:
    store = MemoryStore()
    follower = LogFollower(MemoryLive(store), look_seconds=0.001)
    listeners = [Listener() for _ in range(3 * LISTENERS_AT_A_TIME)]
    joined = [await follower.join(LogFilter(), each, LogCursor()) for each in listeners]
    late = Listener()
    joining: list[asyncio.Task[Listening]] = []

    def join() -> None:
        if not joining:
            start = follower.join(LogFilter(), late, LogCursor())
            joining.append(asyncio.create_task(start))

    listeners[0].on_offer = join
    await store.append([tasks.submission() for _ in range(4)])
    await eventually(lambda: all(len(each.frames) == 4 for each in listeners))
    assert not late.frames
    last = (await joining[0]).after
    assert last == await MemoryLive(store).tip()
    await store.append([tasks.submission()])
    await eventually(lambda: all(len(each.frames) == 5 for each in listeners))
    await eventually(lambda: len(late.frames) == 1)
    for each in (*joined, joining[0].result()):
        follower.leave(each)


async def test_nobody_misses_what_could_not_be_handed_out_at_first() -> None:
    store = MemoryStore()
    follower = LogFollower(MemoryLive(store), look_seconds=0.001)
    listeners = [Listener() for _ in range(3)]
    joined = [await follower.join(LogFilter(), each, LogCursor()) for each in listeners]

    def fail() -> None:
        listeners[1].on_offer = lambda: None
        listeners[1].frames.clear()
        raise RuntimeError("nobody foresaw this")

    listeners[1].on_offer = fail
    await store.append([tasks.submission() for _ in range(4)])
    await eventually(lambda: all(len(each.frames) == 4 for each in listeners))
    for each in joined:
        follower.leave(each)
