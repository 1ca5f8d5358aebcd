"""One open stream by itself: how it is kept alive, how it ends, and who gets a place."""

import asyncio

import pytest

from service.api.live.outlet import Outlet
from service.api.live.places import Places
from service.api.live.sse import End, place_frame
from service.api.problems import Problem
from tests.support.streams import Frame, OpenStream, end_of


async def forever(outlet: Outlet) -> End:
    while True:
        await outlet.send_next()


async def test_a_stream_that_is_silent_is_kept_alive() -> None:
    opened = OpenStream()
    opened.reading.set()
    outlet = Outlet(
        opened.receive,
        opened.send,
        60.0,
        heartbeat=lambda: place_frame("12"),
        heartbeat_seconds=0.01,
    )
    running = asyncio.create_task(outlet.run(lambda: forever(outlet)))
    await opened.next_of_any_kind()
    assert await opened.next_of_any_kind() == Frame(id="12")
    assert await opened.next_of_any_kind() == Frame(id="12")
    outlet.finish(End.SHUTTING_DOWN)
    assert await end_of(opened) == "shutting-down"
    await running


async def test_no_stream_is_open_for_ever() -> None:
    opened = OpenStream()
    opened.reading.set()
    outlet = Outlet(opened.receive, opened.send, 0.01)
    await outlet.run(lambda: forever(outlet))
    assert await end_of(opened) == "renew"


async def test_a_reader_whose_key_is_refused_gets_nothing_more() -> None:
    answers = [True, True, False]
    opened = OpenStream()
    opened.reading.set()

    async def permitted() -> bool:
        return answers.pop(0)

    outlet = Outlet(opened.receive, opened.send, 60.0, permitted=permitted, permit_seconds=0)
    running = asyncio.create_task(outlet.run(lambda: forever(outlet)))
    await opened.next_of_any_kind()
    outlet.offer(place_frame("1"))
    assert await opened.next_of_any_kind() == Frame(id="1")
    outlet.offer(place_frame("2"))
    assert await end_of(opened) == "key-refused"
    await running
    assert answers == []


async def test_whether_a_reader_may_read_is_not_asked_all_the_time() -> None:
    opened = OpenStream()
    opened.reading.set()

    async def permitted() -> bool:
        raise AssertionError("this was asked")

    outlet = Outlet(opened.receive, opened.send, 60.0, permitted=permitted)
    running = asyncio.create_task(outlet.run(lambda: forever(outlet)))
    await opened.next_of_any_kind()
    outlet.offer(place_frame("1"))
    assert await opened.next_of_any_kind() == Frame(id="1")
    outlet.finish(End.SHUTTING_DOWN)
    assert await end_of(opened) == "shutting-down"
    await running


async def test_an_error_of_the_work_is_not_taken_for_the_end() -> None:
    opened = OpenStream()
    opened.reading.set()
    outlet = Outlet(opened.receive, opened.send, 60.0)

    async def fails() -> End:
        raise TimeoutError("somebody else's")

    with pytest.raises(TimeoutError, match="somebody"):
        await outlet.run(fails)


def test_one_tenant_does_not_take_all_places() -> None:
    places = Places(3, 1)
    with places.one("a"), places.one("b"):
        with pytest.raises(Problem):
            places.one("a").__enter__()
        with places.one(""), pytest.raises(Problem):
            places.one("").__enter__()
    assert places.taken == 0
    with places.one("a"):
        assert places.taken == 1
