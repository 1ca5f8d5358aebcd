"""The pool of connections: who gets one, in which order, and what becomes of the bad ones."""

import asyncio
from typing import Any

import pytest

from infrastructure.postgres import pool as pooling
from infrastructure.postgres.pool import ConnectionPool

LONG = 60.0


async def settled() -> None:
    """Return when whoever can go on has done so."""
    for _ in range(5):
        await asyncio.sleep(0)


class FakeConnection:
    def __init__(self) -> None:
        self.open = True
        self.in_transaction = False

    def is_closed(self) -> bool:
        return not self.open

    def is_in_transaction(self) -> bool:
        return self.in_transaction

    def terminate(self) -> None:
        self.open = False

    async def close(self) -> None:
        self.open = False


class Server:
    """Opens connections; refuses while `refusing`."""

    def __init__(self) -> None:
        self.opened: list[FakeConnection] = []
        self.refusing = False

    async def open(self) -> Any:
        await asyncio.sleep(0)
        if self.refusing:
            raise ConnectionRefusedError
        self.opened.append(FakeConnection())
        return self.opened[-1]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def pool(server: Server) -> ConnectionPool:
    return ConnectionPool(server.open, 2)


async def test_the_connection_that_was_used_last_is_lent_first(
    pool: ConnectionPool, server: Server
) -> None:
    first, second = await pool.acquire(LONG), await pool.acquire(LONG)
    pool.release(first)
    pool.release(second)
    assert await pool.acquire(LONG) is second
    assert len(server.opened) == 2


async def test_who_comes_when_all_are_lent_gets_the_next_one_in_turn(pool: ConnectionPool) -> None:
    first, second = await pool.acquire(LONG), await pool.acquire(LONG)
    waiting = [asyncio.create_task(pool.acquire(LONG)) for _ in range(2)]
    await settled()
    pool.release(second)
    assert await waiting[0] is second
    pool.release(first)
    assert await waiting[1] is first
    assert pool.busy == 2


async def test_whoever_waits_too_long_gets_none_and_takes_nobodys_turn(
    pool: ConnectionPool,
) -> None:
    first, _ = await pool.acquire(LONG), await pool.acquire(LONG)
    with pytest.raises(TimeoutError):
        await pool.acquire(0.001)
    given_up = asyncio.create_task(pool.acquire(LONG))
    waiting = asyncio.create_task(pool.acquire(LONG))
    await settled()
    given_up.cancel()
    await settled()
    pool.release(first)
    assert await waiting is first


async def test_a_turn_that_comes_to_someone_who_just_left_goes_to_the_next(
    pool: ConnectionPool,
) -> None:
    first, _ = await pool.acquire(LONG), await pool.acquire(LONG)
    leaving = asyncio.create_task(pool.acquire(LONG))
    waiting = asyncio.create_task(pool.acquire(LONG))
    await settled()
    pool.release(first)
    leaving.cancel()
    assert await waiting is first
    assert leaving.cancelled()


async def test_a_server_that_refuses_takes_no_place(pool: ConnectionPool, server: Server) -> None:
    server.refusing = True
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await pool.acquire(LONG)
    server.refusing = False
    await pool.acquire(LONG)
    await pool.acquire(LONG)
    assert pool.busy == 2


@pytest.mark.parametrize("what", ["closed meanwhile", "closed while lent", "in a transaction"])
async def test_a_connection_of_no_use_is_not_lent_again(pool: ConnectionPool, what: str) -> None:
    bad: Any = await pool.acquire(LONG)
    bad.open = what != "closed while lent"
    bad.in_transaction = what == "in a transaction"
    pool.release(bad)
    bad.open = False
    assert pool.idle == 0
    assert await pool.acquire(LONG) is not bad


async def test_what_nobody_needs_for_long_is_closed(
    pool: ConnectionPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await pool.acquire(LONG), await pool.acquire(LONG)
    pool.release(first)
    monkeypatch.setattr(pooling, "IDLE_SECONDS", 0.0)
    await settled()
    pool.release(second)
    assert first.is_closed()
    assert pool.idle == 1


async def test_closing_waits_for_those_who_will_be_done_soon(pool: ConnectionPool) -> None:
    idle, lent = await pool.acquire(LONG), await pool.acquire(LONG)
    pool.release(idle)
    closing = asyncio.create_task(pool.close(LONG))
    await settled()
    assert idle.is_closed()
    assert not lent.is_closed()
    pool.release(lent)
    await closing
    assert lent.is_closed()
    assert (pool.idle, pool.busy) == (0, 0)


async def test_closing_does_not_wait_for_ever(pool: ConnectionPool) -> None:
    lent = await pool.acquire(LONG)
    await pool.close(0.001)
    assert lent.is_closed()
    pool.release(lent)
    assert (pool.idle, pool.busy) == (0, 0)
