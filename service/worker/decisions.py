"""What a worker says to the log: commands decided on a task, made ready to be appended. Pure."""

import json
from collections.abc import Mapping

from domain.codec import to_json
from domain.events import Event, RequeueReason
from domain.execution import RunFailed, RunOutcome, RunRequest, RunSucceeded
from domain.log import Append, Appended, RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.task import Claim, Command, Complete, Fail, GiveUp, Task, decide, evolve


def claim(task: Task, worker_id: str, lease_seconds: float) -> Append:
    """Return the append that claims a pending task; raises `TransitionRefused` for another."""
    return _append(task, Claim(worker_id), worker_id, lease_seconds=lease_seconds)


def claimed(task: Task, append: Append, appended: Appended) -> Task:
    """Return the task after its claim was stored."""
    return evolve(
        task,
        RecordedEvent(
            event_id=appended.event_id,
            task_id=task.task_id,
            version=appended.version,
            event=append.event,
            metadata=append.metadata,
            recorded_at=appended.recorded_at,
        ),
    )


def run_request(task: Task, payloads: Mapping[str, Payload]) -> RunRequest | RunFailed:
    """Return what is to be run, or why that is not to be had any more."""
    circuit = payloads.get(PayloadKind.CIRCUIT)
    parameters = payloads.get(PayloadKind.PARAMETERS)
    if circuit is None or (parameters is None and task.parameters is not None):
        return RunFailed(
            "circuit_erased",
            "The circuit or its parameters were erased before they ran; submit them again.",
        )
    if not circuit.matches(task.circuit) or (
        parameters is not None
        and (task.parameters is None or not parameters.matches(task.parameters))
    ):
        return RunFailed(
            "circuit_altered",
            "The stored circuit or its parameters are not what was submitted; submit them again.",
        )
    return RunRequest(
        circuit=circuit.body.decode(errors="replace"),
        options=task.options,
        parameters={} if parameters is None else json.loads(parameters.body),
    )


def conclude(task: Task, outcome: RunOutcome, worker_id: str, waited_seconds: float) -> Append:
    """Return the append that ends a claimed task with what its run came to.

    Args:
        waited_seconds: from the claim to the beginning of the run.
    """
    if isinstance(outcome, RunFailed):
        return _append(task, Fail(task.attempt, outcome), worker_id)
    result = Payload(PayloadKind.RESULT, to_json(outcome.counts).encode())
    payloads: tuple[Payload, ...] = (result,)
    memory = None
    if outcome.memory is not None:
        memory = Payload(PayloadKind.MEMORY, to_json(outcome.memory).encode())
        payloads += (memory,)
    command = Complete(
        attempt=task.attempt,
        result=result.commitment(),
        execution=_execution(task, outcome, worker_id, waited_seconds),
        memory=None if memory is None else memory.commitment(),
    )
    return _append(task, command, worker_id, payloads)


def give_up(
    task: Task, reason: RequeueReason, detail: str, worker_id: str, max_attempts: int
) -> Append:
    """Return the append that ends the attempt of a claimed task without an outcome."""
    return _append(task, GiveUp(task.attempt, reason, detail, max_attempts), worker_id)


def not_storable(task: Task, worker_id: str) -> Append:
    """Return the append that ends a claimed task whose outcome the database refuses."""
    failure = RunFailed(
        "result_not_storable",
        "The database refused the result; ask for fewer shots or without memory.",
    )
    return _append(task, Fail(task.attempt, failure), worker_id)


def _execution(
    task: Task, outcome: RunSucceeded, worker_id: str, waited_seconds: float
) -> Mapping[str, object]:
    return {
        **outcome.execution,
        "worker_id": worker_id,
        "attempt": task.attempt,
        "waited_seconds": round(waited_seconds, 6),
    }


def _append(
    task: Task,
    command: Command,
    worker_id: str,
    payloads: tuple[Payload, ...] = (),
    lease_seconds: float | None = None,
) -> Append:
    event: Event = decide(task, command)
    return Append(
        task_id=task.task_id,
        expected_version=task.version,
        event=event,
        metadata=task.metadata.followed_by(f"worker/{worker_id}", task.last_event_id),
        payloads=payloads,
        lease_seconds=lease_seconds,
    )
