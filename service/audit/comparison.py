"""Whether the projections hold what the log makes of each task. Pure."""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from infrastructure.postgres.folds import Broken, Folded, LeaseRow, Outcome, TaskRow, WaitingRow
from service.audit.findings import Finding, Kind

Row: TypeAlias = TaskRow | WaitingRow | LeaseRow

_LONGEST_SHOWN = 200
_WAITING = (
    "message_id",
    "waiting_correlation_id",
    "traceparent",
    "waiting_since",
    "waiting_tenant",
    "turn_at",
)
_LEASE = ("leased_attempt", "worker_id", "leased_tenant")
_TABLES = {Kind.PROJECTION: "tasks", Kind.OUTBOX: "outbox", Kind.LEASES: "leases"}


class Projected(NamedTuple):
    """What the projections hold of one task; `None` for a row that is not there."""

    row: TaskRow | None
    waiting: WaitingRow | None
    lease: LeaseRow | None


NOTHING = Projected(None, None, None)


def projected(record: asyncpg.Record) -> Projected:
    """Return what a row of `projected_range` holds."""
    return Projected(
        TaskRow(*(record[name] for name in TaskRow._fields)) if record["is_projected"] else None,
        WaitingRow(*(record[name] for name in _WAITING)) if record["is_waiting"] else None,
        LeaseRow(*(record[name] for name in _LEASE)) if record["is_leased"] else None,
    )


def compare(outcome: Outcome, have: Projected) -> Iterator[Finding]:
    """Yield every difference between a task's events and what the projections hold of it."""
    if isinstance(outcome, Broken):
        yield Finding(Kind.IMPOSSIBLE, outcome.why, outcome.task_id, outcome.version)
        return
    if have.row is None:
        what = f"tasks has no row for its {outcome.events} events"
        yield Finding(Kind.PROJECTION, what, outcome.task_id)
    else:
        yield from _differences(Kind.PROJECTION, outcome, outcome.row, have.row)
    yield from _presence(Kind.OUTBOX, outcome, outcome.waiting, have.waiting)
    yield from _presence(Kind.LEASES, outcome, outcome.lease, have.lease)


def without_events(task_id: UUID, have: Projected) -> Iterator[Finding]:
    """Yield what the projections hold of a task that the log does not know."""
    for kind, row in zip(_TABLES, have, strict=True):
        if row is not None:
            what = f"{_TABLES[kind]} has a row for it, the log has no event"
            yield Finding(kind, what, task_id)


def fits(outcome: Folded, have: Projected) -> bool:
    """Tell whether there is no difference, which is nearly always so."""
    return (outcome.row, outcome.waiting, outcome.lease) == have


def _presence(kind: Kind, outcome: Folded, want: Row | None, have: Row | None) -> Iterator[Finding]:
    if want is not None and have is not None:
        yield from _differences(kind, outcome, want, have)
    elif want is not have:
        has = "no row" if have is None else "a row"
        status = outcome.row.current_status
        what = f"{_TABLES[kind]} has {has} for it, which is {status} by its events"
        yield Finding(kind, what, outcome.task_id)


def _differences(kind: Kind, outcome: Folded, want: Row, have: Row) -> Iterator[Finding]:
    found = have._asdict()
    for column, expected in want._asdict().items():
        if found[column] != expected:
            what = (
                f"{_TABLES[kind]}.{column} is {_shown(found[column])}, "
                f"its events make it {_shown(expected)}"
            )
            yield Finding(kind, what, outcome.task_id)


def _shown(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bytes():
            text = value.hex()
        case str():
            text = repr(str(value))
        case _:
            text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
