"""Building blocks for tests that put tasks into a log."""

import json
from datetime import UTC, datetime
from uuid import UUID

from domain.codec import recorded
from domain.contents import contents_of
from domain.execution import RunFailed, RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.labels import NO_LABELS, Labels
from domain.log import Append, Appended, AppendResult, Metadata
from domain.payloads import Payload, PayloadKind
from domain.ports import EventLog
from domain.task import Claim, Command, Complete, Erase, Fail, Submit, Task, decide, fold

QUICKSTART = "OPENQASM 3; qubit q; h q; measure q;"
BELL = "OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def metadata(
    correlation_id: str = "a-correlation-id", actor: str = "test", tenant: str = ""
) -> Metadata:
    """Metadata of an event that a test made."""
    return Metadata(correlation_id, new_traceparent(), actor, tenant=tenant)


def submission(
    circuit: str = QUICKSTART,
    options: RunOptions = RunOptions(),
    task_id: UUID | None = None,
    *,
    correlation_id: str = "a-correlation-id",
    tenant: str = "",
    labels: Labels = NO_LABELS,
) -> Append:
    """The append that accepts a circuit."""
    payload = Payload(PayloadKind.CIRCUIT, circuit.encode())
    event = decide(None, Submit(options, payload.commitment(), labels=labels))
    said = metadata(correlation_id, tenant=tenant)
    return Append(task_id or uuid7(), 0, event, said, (payload,))


def following(
    task: Task, command: Command, *payloads: Payload, lease_seconds: float = 60.0
) -> Append:
    """The append that a command on a task causes."""
    return Append(
        task.task_id,
        task.version,
        decide(task, command),
        task.metadata.followed_by("test", task.last_event_id),
        payloads,
        lease_seconds,
    )


def claim(task: Task, worker_id: str = "a-worker", lease_seconds: float = 60.0) -> Append:
    """The append that begins an attempt."""
    return following(task, Claim(worker_id), lease_seconds=lease_seconds)


def completion(task: Task, counts: dict[str, int]) -> Append:
    """The append that ends the running attempt with a result."""
    result = Payload(PayloadKind.RESULT, json.dumps(counts, separators=(",", ":")).encode())
    return following(task, Complete(task.attempt, result.commitment(), {"seed": 7}), result)


def failure(task: Task, code: str = "parse_error", message: str = "no circuit") -> Append:
    """The append that ends the running attempt without one."""
    return following(task, Fail(task.attempt, RunFailed(code, message, 1, 2)))


async def put(log: EventLog, append: Append) -> Appended:
    """Append one event that must be accepted."""
    return accepted(*await log.append([append]))


def accepted(result: AppendResult) -> Appended:
    """The result, which must not be a conflict."""
    assert isinstance(result, Appended), result
    return result


async def load(log: EventLog, task_id: UUID) -> Task:
    """A task as its events make it."""
    task = fold((await log.histories([task_id]))[task_id].events)
    assert task is not None
    return task


async def submitted(log: EventLog, circuit: str = QUICKSTART) -> Task:
    """A pending task."""
    return await load(log, (await put(log, submission(circuit))).task_id)


async def processing(log: EventLog, worker_id: str = "a-worker", lease: float = 60.0) -> Task:
    """A task that a worker has claimed."""
    task = await submitted(log)
    await put(log, claim(task, worker_id, lease))
    return await load(log, task.task_id)


async def erased(log: EventLog, task_id: UUID) -> Task:
    """A task that has ended, with its contents erased."""
    contents = contents_of(recorded(stored).event for stored in await log.stream(task_id))
    await put(log, following(await load(log, task_id), Erase(contents)))
    return await load(log, task_id)
