"""Leadership and notifications on a real database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest

from infrastructure.postgres.leadership import Leadership, lock_key
from infrastructure.postgres.notifications import CHANNEL, OutboxListener, OutboxNotifier
from tests import servers
from tests.support.tcp_proxy import TcpProxy, proxied
from tests.support.waiting import eventually

NAME = "test leader"


class Candidate:
    """A process that would like to lead."""

    def __init__(self, dsn: str) -> None:
        self.leadership = Leadership(dsn, NAME)
        self.terms = 0
        self.ended = 0
        self.enough = asyncio.Event()
        self._running = asyncio.create_task(self.leadership.run(self._lead))

    @property
    def leads(self) -> bool:
        return self.terms > self.ended

    @property
    def done(self) -> bool:
        return self._running.done()

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _lead(self) -> None:
        self.terms += 1
        try:
            await self.enough.wait()
        finally:
            self.ended += 1


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[TcpProxy]:
    async with proxied(database_url) as made:
        yield made


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_one_of_several_leads(database_url: str) -> None:
    candidates = [Candidate(database_url) for _ in range(3)]
    await eventually(lambda: all(candidate.leadership.healthy for candidate in candidates))
    assert sum(candidate.leads for candidate in candidates) == 1
    assert sum(candidate.leadership.leading for candidate in candidates) == 1
    for candidate in candidates:
        await candidate.stop()


async def test_another_takes_over_when_the_leader_ends(database_url: str) -> None:
    first = Candidate(database_url)
    await eventually(lambda: first.leads)
    second = Candidate(database_url)
    await eventually(lambda: second.leadership.healthy)
    await first.stop()
    assert not first.leads
    await eventually(lambda: second.leads, within=3)
    await second.stop()


async def test_a_leader_that_has_had_enough_returns(database_url: str) -> None:
    candidate = Candidate(database_url)
    await eventually(lambda: candidate.leads)
    candidate.enough.set()
    await eventually(lambda: candidate.done)
    assert not candidate.leadership.leading


async def test_a_leader_cut_off_stops_leading_and_another_takes_over(
    database_url: str, proxy: TcpProxy
) -> None:
    """Nobody says good-bye: the server ends the silent session, the leader finds out itself."""
    first = Candidate(proxy.url(database_url))
    await eventually(lambda: first.leads)
    second = Candidate(database_url)
    await eventually(lambda: second.leadership.healthy)
    proxy.go_silent()
    await eventually(lambda: not first.leads, within=5)
    await eventually(lambda: second.leads, within=5)
    assert not first.leadership.healthy
    proxy.speak_again()
    await eventually(lambda: first.leadership.healthy)
    assert not first.leads
    await first.stop()
    await second.stop()


async def test_a_leader_whose_session_was_ended_begins_another_term(
    database_url: str, owner: asyncpg.Connection
) -> None:
    candidate = Candidate(database_url)
    await eventually(lambda: candidate.leads)
    assert not await owner.fetchval("SELECT pg_try_advisory_lock($1)", lock_key(NAME))
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    await owner.execute(terminate, NAME)
    await eventually(lambda: candidate.terms == 2)
    assert candidate.ended == 1
    await candidate.stop()


async def test_a_term_that_does_not_end_is_left_behind(
    database_url: str, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.postgres.leadership.END_SECONDS", 0.2)
    terms, released = [], asyncio.Event()

    async def stubborn() -> None:
        terms.append(asyncio.current_task())
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()

    leading = asyncio.create_task(Leadership(database_url, NAME).run(stubborn))
    await eventually(lambda: len(terms) == 1)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", NAME
    )
    await eventually(lambda: len(terms) == 2)
    released.set()
    await asyncio.wait_for(leading, 5)


async def test_leadership_comes_back_with_the_database(
    database_url: str, postgres_server: servers.DatabaseServer
) -> None:
    candidate = Candidate(database_url)
    await eventually(lambda: candidate.leads)
    await asyncio.to_thread(postgres_server.stop)
    await eventually(lambda: not candidate.leads)
    await asyncio.to_thread(postgres_server.start)
    await eventually(lambda: candidate.leads)
    await candidate.stop()


async def test_leaders_of_different_things_do_not_meet(database_url: str) -> None:
    first = Candidate(database_url)
    await eventually(lambda: first.leads)
    other = Leadership(database_url, "something else")
    led = asyncio.Event()

    async def lead() -> None:
        led.set()

    await asyncio.wait_for(other.run(lead), 5)
    assert led.is_set()
    await first.stop()


async def test_a_wake_up_is_heard(database_url: str) -> None:
    heard = asyncio.Event()
    listening = asyncio.create_task(OutboxListener(database_url, heard.set).run())
    await asyncio.wait_for(heard.wait(), 5)
    notifier = OutboxNotifier(database_url)
    for _ in range(3):
        heard.clear()
        notifier.wake()
        await asyncio.wait_for(heard.wait(), 2)
    await notifier.close()
    listening.cancel()


async def test_a_thousand_wake_ups_are_a_few_notifications(
    database_url: str, owner: asyncpg.Connection
) -> None:
    heard: list[object] = []
    await owner.add_listener(CHANNEL, lambda *_: heard.append(1))
    notifier = OutboxNotifier(database_url)
    for _ in range(1_000):
        notifier.wake()
    await eventually(lambda: len(heard) >= 1)
    notifier.wake()
    await eventually(lambda: len(heard) >= 2)
    assert len(heard) <= 3
    await notifier.close()


async def test_waking_never_fails_without_a_database() -> None:
    notifier = OutboxNotifier("postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    for _ in range(10):
        notifier.wake()
        await asyncio.sleep(0)
    await notifier.close()


async def test_a_listener_that_was_cut_off_listens_again_and_looks(
    database_url: str, proxy: TcpProxy
) -> None:
    heard = asyncio.Event()
    listening = asyncio.create_task(OutboxListener(proxy.url(database_url), heard.set).run())
    await asyncio.wait_for(heard.wait(), 5)
    heard.clear()
    proxy.cut()
    await asyncio.wait_for(heard.wait(), 5)
    heard.clear()
    proxy.go_silent()
    await eventually(lambda: proxy.connections >= 3, within=10)
    proxy.speak_again()
    await asyncio.wait_for(heard.wait(), 10)
    listening.cancel()
