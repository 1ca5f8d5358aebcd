"""What it takes to make a recorded run again, and how the two compare. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from domain.contents import commitments
from domain.errors import KetlogError
from domain.events import TaskCompleted
from domain.execution import RunFailed, RunOutcome, RunRequest, RunSucceeded
from domain.log import RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.task import Compare, Task, fold
from service.worker.decisions import run_request

_HARMLESS_OPTIONS = frozenset({"max_memory_mb"})
"""Options of the simulator that decide whether a circuit runs, and not what comes of it."""

_DEPENDS_ON_THE_MACHINE = frozenset(
    {"timeout", "too_much_cpu", "too_much_memory", "cancelled", "engine_error"}
)
"""Why a run ends here that may succeed elsewhere."""


class CannotRerun(KetlogError):
    """There is nothing to compare; the message says why."""


class Altered(KetlogError):
    """A stored circuit or result is not what the events commit to."""


class Recorded(NamedTuple):
    """A run as the log has it.

    Attributes:
        request: the same circuit with the recorded seed, method and options.
        counts: outcome -> number of shots.
        memory: the outcome of each shot, if they were kept.
    """

    task: Task
    completion: TaskCompleted
    request: RunRequest
    counts: Mapping[str, int]
    memory: Sequence[str] | None


def recorded_run(
    events: Sequence[RecordedEvent],
    contents: Mapping[PayloadKind, Payload],
    timeout_seconds: float,
) -> Recorded:
    """Return the run that completed a task.

    Args:
        events: all of the task's.
        contents: its payload rows.
        timeout_seconds: for the run that is to be made.

    Raises:
        CannotRerun: it has no result, or parts of it were erased.
        Altered: its circuit, parameters or result are not what was recorded.
        InvalidEvent: the events are not a stream that we wrote.
    """
    task = fold(events)
    completion = next((e.event for e in events if isinstance(e.event, TaskCompleted)), None)
    if task is None or completion is None:
        status = "unknown" if task is None else task.status
        raise CannotRerun(f"it is {status} and has no result")
    _check_contents(events, contents)
    request = run_request(task, {str(kind): row for kind, row in contents.items()})
    if isinstance(request, RunFailed):
        raise CannotRerun(request.message)
    execution = completion.execution
    try:
        options = replace(
            task.options,
            shots=execution["shots"],
            seed=execution["seed"],
            method=execution["method"],
            timeout_seconds=timeout_seconds,
        )
    except KeyError as error:
        raise CannotRerun(f"its execution records no {error}") from None
    memory = contents.get(PayloadKind.MEMORY)
    return Recorded(
        task,
        completion,
        replace(request, options=options),
        json.loads(contents[PayloadKind.RESULT].body),
        None if memory is None else json.loads(memory.body),
    )


def compare(recorded: Recorded, outcome: RunOutcome, engine: Mapping[str, Any]) -> Compare:
    """Return what is to be recorded of the run that was made again.

    Args:
        engine: its versions and processor, for a run that gives no account of itself.

    Raises:
        CannotRerun: the run failed for a reason of this machine.
    """
    then = recorded.completion.execution
    if isinstance(outcome, RunFailed):
        if outcome.code in _DEPENDS_ON_THE_MACHINE:
            raise CannotRerun(f"{outcome.code}: {outcome.message}")
        why = f"it cannot be run any more: {outcome.code}: {outcome.message}"
        return Compare(1.0, dict(_differences(then, engine)), {}, why)
    return Compare(
        total_variation_distance(recorded.counts, outcome.counts),
        dict(_differences(then, outcome.execution)),
        outcome.execution,
        _divergence(recorded, outcome),
    )


def total_variation_distance(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Return half the sum of the differences of frequencies: 0 for equal, 1 for disjoint."""
    first_shots, second_shots = sum(first.values()), sum(second.values())
    # In whole numbers, so that equal is exactly 0.
    apart = sum(
        abs(first.get(key, 0) * second_shots - second.get(key, 0) * first_shots)
        for key in first.keys() | second.keys()
    )
    return apart / (2 * first_shots * second_shots)


def _check_contents(
    events: Sequence[RecordedEvent], contents: Mapping[PayloadKind, Payload]
) -> None:
    for event in events:
        for kind, commitment in commitments(event.event).items():
            payload = contents.get(kind)
            if payload is None:
                raise CannotRerun(f"its {kind} was erased")
            if not payload.matches(commitment):
                raise Altered(f"its {kind} is not what version {event.version} commits to")


def _differences(
    recorded: Mapping[str, Any], engine: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in ("versions", "simulator"):
        then, now = recorded.get(part, {}), engine.get(part, recorded.get(part, {}))
        for name in sorted(then.keys() | now.keys()):
            if then.get(name) != now.get(name) and name not in _HARMLESS_OPTIONS:
                yield f"{part}.{name}", {"recorded": then.get(name), "present": now.get(name)}
    if recorded.get("cpu") != engine.get("cpu"):
        yield "cpu", {"recorded": recorded.get("cpu"), "present": engine.get("cpu")}


def _divergence(recorded: Recorded, outcome: RunSucceeded) -> str | None:
    """Say what came out otherwise; `None` if nothing did, to the last shot."""
    if dict(outcome.counts) != dict(recorded.counts):
        what = "the counts are not the same"
    elif recorded.memory is not None and list(recorded.memory) != list(outcome.memory or ()):
        what = "the counts are the same, the order of the shots is not"
    else:
        return None
    for name, meaning in (
        ("normalised_sha256", "the circuit was read as other operations"),
        ("sampler", "the shots were drawn in another way"),
    ):
        if recorded.completion.execution.get(name) != outcome.execution.get(name):
            what += f"; {meaning}"
    return what
