"""What a relay shows: sampled seldom enough, and never older than it looks."""

from dataclasses import dataclass, field, replace

import pytest
from prometheus_client import REGISTRY, CollectorRegistry

from domain.errors import StoreUnavailable
from infrastructure.postgres.census import Census
from infrastructure.postgres.connect import Database
from infrastructure.telemetry import metrics
from relay import gauges
from relay.gauges import Barrier, RelayGauges

SEEN = Census(
    waiting=7,
    held=4,
    dispatched=3,
    processing=2,
    completed=100,
    failed=5,
    cancelled=1,
    oldest_seconds=1.5,
    oldest_open=40,
    next_transaction=41,
    hidden_seconds=0.25,
)


@dataclass
class Counts:
    """Counts as a test wants them."""

    census: Census | None = SEEN
    batches: list[bool] = field(default_factory=list)
    counted: int = 0

    async def take(self) -> Census:
        if self.census is None:
            raise StoreUnavailable("PostgreSQL is away")
        return self.census

    async def count_ended(self) -> bool:
        self.counted += 1
        return self.batches.pop(0) if self.batches else False


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(gauges, "time", made)
    return made


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    made = CollectorRegistry()
    monkeypatch.setattr(metrics, "REGISTRY", made)
    return made


def relay_gauges(counts: Counts) -> RelayGauges:
    return RelayGauges(Database("postgresql://nowhere", size=2, application_name="test"), counts)


async def test_a_sample_is_shown_by_status_and_by_state(
    clock: Clock, registry: CollectorRegistry
) -> None:
    await relay_gauges(Counts()).sample()
    value = registry.get_sample_value
    by_status = {
        status: value("ketlog_tasks", {"status": status})
        for status in ("pending", "processing", "completed", "failed", "cancelled")
    }
    assert by_status == {
        "pending": 14,
        "processing": 2,
        "completed": 100,
        "failed": 5,
        "cancelled": 1,
    }
    assert value("ketlog_outbox_tasks", {"state": "waiting"}) == 7
    assert value("ketlog_outbox_tasks", {"state": "held"}) == 4
    assert value("ketlog_outbox_oldest_seconds") == 1.5
    assert value("ketlog_log_reader_lag_seconds") == 0.25
    assert value("ketlog_dependency_up", {"dependency": "postgresql"}) == 1
    # Only the leader sees the queue; this one stands by.
    assert value("ketlog_queue_consumers") is None
    assert REGISTRY.get_sample_value("ketlog_relay_leading") == 0


async def test_an_old_sample_is_not_shown(clock: Clock, registry: CollectorRegistry) -> None:
    await relay_gauges(Counts()).sample()
    clock.now += gauges.FRESH_SAMPLES * gauges.SAMPLE_SECONDS + 0.1
    assert registry.get_sample_value("ketlog_tasks", {"status": "pending"}) is None
    assert registry.get_sample_value("ketlog_dependency_up", {"dependency": "postgresql"}) == 0


async def test_without_the_database_nothing_is_shown_of_it(
    clock: Clock, registry: CollectorRegistry
) -> None:
    counts = Counts()
    watching = relay_gauges(counts)
    await watching.sample()
    counts.census = None
    assert await watching.sample() == 0.0
    assert registry.get_sample_value("ketlog_outbox_oldest_seconds") is None
    assert registry.get_sample_value("ketlog_dependency_up", {"dependency": "postgresql"}) == 0


async def test_a_long_log_is_counted_a_bounded_way_at_a_time(
    clock: Clock, registry: CollectorRegistry
) -> None:
    counts = Counts(batches=[True] * 15)
    watching = relay_gauges(counts)
    await watching.sample()
    assert counts.counted == gauges.BATCHES_AT_A_TIME
    await watching.sample()
    assert counts.counted == 16


async def test_a_transaction_that_stays_open_grows_old(
    clock: Clock, registry: CollectorRegistry
) -> None:
    counts = Counts()
    watching = relay_gauges(counts)
    await watching.sample()
    clock.now += 30
    await watching.sample()
    assert registry.get_sample_value("ketlog_oldest_transaction_seconds") == 30
    counts.census = replace(SEEN, oldest_open=SEEN.next_transaction)
    await watching.sample()
    assert registry.get_sample_value("ketlog_oldest_transaction_seconds") == 0


def test_the_age_of_the_barrier_begins_anew_with_each_transaction() -> None:
    barrier = Barrier()
    assert barrier.observe(5, 9, now=10.0) == 0.0
    assert barrier.observe(5, 12, now=13.0) == 3.0
    assert barrier.observe(8, 12, now=14.0) == 0.0
    assert barrier.observe(12, 12, now=15.0) == 0.0
    assert barrier.observe(12, 13, now=16.0) == 0.0
