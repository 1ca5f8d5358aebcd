"""The relay notices a pause and says so once."""

import asyncio

import pytest
from structlog.testing import capture_logs

from domain.errors import StoreUnavailable
from domain.ports import Pause
from infrastructure.memory.store import MemoryStore
from relay import pause as module
from relay.pause import PauseWatch
from tests.support.waiting import eventually


class FlakyStore(MemoryStore):
    """A store that may be away."""

    away = False
    looks = 0

    async def paused(self) -> Pause | None:
        self.looks += 1
        if self.away:
            raise StoreUnavailable("the test has taken it away")
        return await super().paused()


@pytest.fixture
def store() -> FlakyStore:
    return FlakyStore()


async def test_each_change_is_logged_once(store: FlakyStore) -> None:
    watch = PauseWatch(store)
    with capture_logs() as logs:
        for _ in range(2):
            await watch.look()
        await store.pause("new disks", "operator")
        for _ in range(3):
            await watch.look()
        await store.resume("operator")
        for _ in range(3):
            await watch.look()
    assert [line["event"] for line in logs] == ["Dispatch is paused", "Dispatch is resumed"]
    assert (logs[0]["reason"], logs[0]["actor"]) == ("new disks", "operator")


async def test_a_pause_that_follows_another_at_once_is_logged_too(store: FlakyStore) -> None:
    watch = PauseWatch(store)
    with capture_logs() as logs:
        for reason in ("new disks", "lunch"):
            await store.pause(reason, "operator")
            await watch.look()
            await store.resume("operator")
    assert [line["reason"] for line in logs] == ["new disks", "lunch"]


async def test_what_is_in_force_is_unknown_before_the_first_look(store: FlakyStore) -> None:
    watch = PauseWatch(store)
    seen = [watch.in_force]
    await watch.look()
    seen.append(watch.in_force)
    await store.pause("new disks", "operator")
    await watch.look()
    seen.append(watch.in_force)
    assert seen == [None, False, True]


async def test_while_the_database_is_away_nobody_can_tell(
    store: FlakyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.001)
    await store.pause("new disks", "operator")
    watch = PauseWatch(store)
    running = asyncio.create_task(watch.run())
    await eventually(lambda: watch.in_force is True)
    store.away = True
    await eventually(lambda: watch.in_force is None)
    store.away = False
    with capture_logs() as logs:
        await eventually(lambda: watch.in_force is True)
    assert logs == []
    running.cancel()
