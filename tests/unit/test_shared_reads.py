"""Shared reads: who shares one, who is answered what, and when."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from domain.errors import StoreUnavailable
from infrastructure import shared_reads
from infrastructure.shared_reads import SharedReads


class Shelf:
    """Knows small numbers by their squares; answers while its gate is open."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.gate = asyncio.Event()
        self.fault: BaseException | None = None

    async def read(self, keys: Sequence[int]) -> Mapping[int, int]:
        self.reads.append(sorted(keys))
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return {key: key * key for key in keys if key < 1000}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def squares(shelf: Shelf) -> SharedReads[int, int]:
    return SharedReads(shelf.read)


async def ask(squares: SharedReads[int, int], *keys: int) -> list[asyncio.Task[int | None]]:
    """Ask for all of these in one turn of the loop, and let them begin."""
    asking = [asyncio.create_task(squares.get(key)) for key in keys]
    for _ in range(3):
        await asyncio.sleep(0)
    return asking


async def test_those_who_ask_together_are_answered_by_one_read(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    shelf.gate.set()
    assert await asyncio.gather(*await ask(squares, 3, 4, 5)) == [9, 16, 25]
    assert shelf.reads == [[3, 4, 5]]


async def test_what_is_asked_for_while_reads_are_under_way_is_the_next_one(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    under_way = [*await ask(squares, 1), *await ask(squares, 2)]
    next_ones = [*await ask(squares, 3), *await ask(squares, 4)]
    assert shelf.reads == [[1], [2]]
    shelf.gate.set()
    assert await asyncio.gather(*under_way, *next_ones) == [1, 4, 9, 16]
    assert shelf.reads == [[1], [2], [3, 4]]


async def test_a_key_that_several_ask_for_is_read_once(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    shelf.gate.set()
    assert await asyncio.gather(*await ask(squares, 7, 7, 7)) == [49, 49, 49]
    assert shelf.reads == [[7]]


async def test_what_is_not_there_has_no_value(shelf: Shelf, squares: SharedReads[int, int]) -> None:
    shelf.gate.set()
    assert await asyncio.gather(*await ask(squares, 2, 5000)) == [4, None]


async def test_no_read_is_larger_than_allowed(
    shelf: Shelf, squares: SharedReads[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reads, "MOST_KEYS", 2)
    shelf.gate.set()
    assert await asyncio.gather(*await ask(squares, 1, 2, 3, 4, 5)) == [1, 4, 9, 16, 25]
    assert sorted(map(len, shelf.reads)) == [1, 2, 2]


async def test_a_failed_read_fails_those_who_share_it_and_nobody_else(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    shelf.fault = StoreUnavailable("away")
    failing = await ask(squares, 1, 2)
    shelf.gate.set()
    assert [type(error) for error in await asyncio.gather(*failing, return_exceptions=True)] == [
        StoreUnavailable,
        StoreUnavailable,
    ]
    shelf.fault = None
    assert await squares.get(3) == 9


async def test_whoever_is_gone_holds_nobody_up(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    gone, there = await ask(squares, 1, 2)
    gone.cancel()
    shelf.gate.set()
    assert await there == 4
    assert gone.cancelled()


async def test_an_end_of_the_process_ends_the_waiting(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    shelf.fault = asyncio.CancelledError()
    (waiting,) = await ask(squares, 1)
    shelf.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_who_asks_again_as_soon_as_answered_is_answered(
    shelf: Shelf, squares: SharedReads[int, int]
) -> None:
    shelf.gate.set()

    async def twice(key: int) -> list[int | None]:
        return [await squares.get(key), await squares.get(key + 1)]

    async with asyncio.timeout(5):
        answers = await asyncio.gather(twice(1), twice(2))
    assert list(answers) == [[1, 4], [4, 9]]
