"""What every system goes through: a backlog, a steady pace, and the death of busy workers."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from bench.peers.contestant import Contestant, Submission
from bench.rows.latency import PER_SECOND, percentiles

START_SECONDS = 60.0
DRAIN_SECONDS = 180.0
PATIENCE_SECONDS = 75.0
"""Without a new result, what is missing counts as lost: twice the longest heartbeat, and more."""
SETTLE_SECONDS = 8.0
"""RabbitMQ's management counts messages every five seconds."""
POLL_SECONDS = 0.05
WARM_UP_SHARE = 0.1
WARM_UP_BACKLOG = 100
REST_SECONDS = 3.0
"""Workers that keep spare processes start them meanwhile."""
WARM_UP_TASKS = 10
"""At the steady pace, while clients connect."""
KILLED_AT = (0.25, 0.5, 0.75)


@dataclass(slots=True)
class Found:
    """What one system has shown, one value a round.

    Attributes:
        submitted: tasks a second, safe when answered.
        completed: tasks a second from a backlog.
        engine: the same with ketlog's engine in the task.
        p50: milliseconds from submission to visible result at ten a second.
        p99: the same for one in a hundred.
        cpu: milliseconds of processor time for each task, by part.
        lost: accepted tasks without a result after the kills.
        doubled: results that were stored once more after the kills.
        recovered: seconds from the last kill until nothing was left to do.
        failed: why the system was given up; empty if it was not.
    """

    submitted: list[float] = field(default_factory=list)
    completed: list[float] = field(default_factory=list)
    engine: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    lost: int | None = None
    doubled: int | None = None
    recovered: float | None = None
    failed: str = ""


def backlog_and_pace(contestant: Contestant, found: Found, tasks: int, paced: int) -> None:
    """Submit a backlog, drain it, then send tasks at a steady pace; adds to what was found."""
    with contestant.running(), _warm_workers(contestant):
        before = contestant.processor()
        submission = _submit_to_nobody(contestant, tasks)
        submitting = _per_task(contestant, before, tasks)
        submitting["client"] = 1000 * submission.client_seconds / tasks
        completed, draining = _drain(contestant, tasks)
        times = contestant.latencies(WARM_UP_TASKS + paced, PER_SECOND)
    p50, p99 = percentiles(times[WARM_UP_TASKS:])
    found.submitted.append(submission.per_second)
    found.completed.append(completed)
    found.p50.append(p50)
    found.p99.append(p99)
    parts = submitting.keys() | draining.keys()
    found.cpu.append(
        {part: submitting.get(part, 0.0) + draining.get(part, 0.0) for part in sorted(parts)}
    )
    contestant.check()


def backlog(contestant: Contestant, tasks: int) -> float:
    """Submit a backlog and drain it; returns tasks completed a second."""
    with contestant.running(), _warm_workers(contestant):
        _submit_to_nobody(contestant, tasks)
        completed, _ = _drain(contestant, tasks)
    contestant.check()
    return completed


def kills(contestant: Contestant, found: Found, tasks: int) -> None:
    """Kill a busy worker three times while a backlog is drained, and look what is missing."""
    with contestant.running(), psycopg.connect(contestant.dsn, autocommit=True) as connection:
        contestant.count_stores()
        contestant.submit(tasks)
        try:
            contestant.start_workers()
            for number, share in enumerate(KILLED_AT):
                _until(contestant, connection, int(tasks * share), DRAIN_SECONDS)
                victim = contestant.workers[number % len(contestant.workers)]
                victim.kill()
                victim.start()
            killed_at = time.monotonic()
            done_at = _until_settled(contestant, connection)
        finally:
            contestant.stop_workers()
        found.lost = contestant.accepted - contestant.completed(connection)
        found.doubled = contestant.stored(connection) - contestant.completed(connection)
        found.recovered = done_at - killed_at


@contextmanager
def _warm_workers(contestant: Contestant) -> Iterator[None]:
    """Run both workers; they have done some tasks, and have finished to start what they need."""
    try:
        contestant.start_workers()
        contestant.submit(WARM_UP_BACKLOG)
        with psycopg.connect(contestant.dsn, autocommit=True) as connection:
            _until(contestant, connection, contestant.accepted, START_SECONDS)
        time.sleep(REST_SECONDS)
        yield
    finally:
        contestant.stop_workers()


def _submit_to_nobody(contestant: Contestant, tasks: int) -> Submission:
    """Submit while the workers are frozen, and then let them go on."""
    contestant.pause_workers()
    try:
        return contestant.submit(tasks)
    finally:
        contestant.resume_workers()


def _drain(contestant: Contestant, tasks: int) -> tuple[float, dict[str, float]]:
    """Wait for all results; returns tasks a second and CPU by part, both after the warm-up."""
    skipped = int(tasks * WARM_UP_SHARE)
    with psycopg.connect(contestant.dsn, autocommit=True) as connection:
        aim = contestant.accepted
        first, began = _until(contestant, connection, aim - tasks + skipped, DRAIN_SECONDS)
        before = contestant.processor()
        last, ended = _until(contestant, connection, aim, DRAIN_SECONDS)
        return (last - first) / (ended - began), _per_task(contestant, before, last - first)


def _until(
    contestant: Contestant, connection: psycopg.Connection, count: int, seconds: float
) -> tuple[int, float]:
    """Wait until so many tasks have a result; returns how many were seen, and when."""
    deadline = time.monotonic() + seconds
    while True:
        completed, now = contestant.completed(connection), time.monotonic()
        if completed >= count:
            return completed, now
        assert now < deadline, f"{completed} of {count} tasks were completed after {seconds:g} s"
        time.sleep(POLL_SECONDS)


def _until_settled(contestant: Contestant, connection: psycopg.Connection) -> float:
    """Wait until nothing is left to do or nothing happens any more; returns when that was."""
    best, since, empty_since = -1, time.monotonic(), None
    while True:
        stored, now = contestant.stored(connection), time.monotonic()
        if stored > best:
            best, since = stored, now
        if contestant.unfinished(connection):
            empty_since = None
        else:
            empty_since = empty_since or now
            if now - max(empty_since, since) > SETTLE_SECONDS:
                return max(empty_since, since)
        if now - since > PATIENCE_SECONDS:
            return since
        time.sleep(POLL_SECONDS)


def _per_task(contestant: Contestant, before: Mapping[str, float], tasks: int) -> dict[str, float]:
    """Return milliseconds by part for each task since a reading."""
    return {
        part: 1000 * (seconds - before[part]) / tasks
        for part, seconds in contestant.processor().items()
    }
