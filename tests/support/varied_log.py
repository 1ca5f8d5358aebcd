"""A log with a task in every state that a task can be in."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from domain.events import RequeueReason
from domain.execution import RunFailed, RunOptions
from domain.labels import NO_LABELS, Labels, Priority
from domain.log import Append
from domain.payloads import Payload, PayloadKind
from domain.ports import EventLog
from domain.task import Cancel, Claim, Command, Compare, Complete, Erase, Fail, GiveUp, Requeue
from tests.support import tasks

RESULT = Payload(PayloadKind.RESULT, b'{"0":500,"1":524}')
LOST = GiveUp(1, RequeueReason.WORKER_LOST, "its lease ran out")
BACK = GiveUp(1, RequeueReason.HANDED_BACK, "the worker drains")
COMPLETE = Complete(1, RESULT.commitment(), {"seed": 7, "method": "stabilizer"})

LIVES: dict[str, Sequence[Command]] = {
    "pending": (),
    "processing": (Claim("worker-1"),),
    "completed": (Claim("worker-1"), COMPLETE),
    "failed": (Claim("worker-2"), Fail(1, RunFailed("parse_error", "a semicolon is missing", 3))),
    "cancelled": (Cancel("no longer needed"),),
    "cancelled while it ran": (Claim("worker-1"), Cancel("no longer needed")),
    "requeued": (Claim("worker-1"), LOST),
    "handed back": (Claim("worker-1"), BACK),
    "sent again": (Requeue("its message was rejected"),),
    "in its second attempt": (Claim("worker-1"), LOST, Claim("worker-2")),
    "completed in its second attempt": (
        Claim("worker-1"),
        LOST,
        Claim("worker-2"),
        Complete(2, RESULT.commitment(), {"seed": 8}),
    ),
    "failed in its last attempt": (
        Claim("worker-1"),
        GiveUp(1, RequeueReason.SIMULATOR_DIED, "it was killed", max_attempts=1),
    ),
    "cancelled after it was requeued": (Claim("worker-1"), LOST, Cancel("enough")),
    "reproduced": (Claim("worker-1"), COMPLETE, Compare(0.0, {}, {"seed": 7})),
    "diverged": (
        Claim("worker-1"),
        COMPLETE,
        Compare(0.0, {}, {"seed": 7}),
        Compare(0.5, {}, {"seed": 7}, "the counts are not the same"),
    ),
    "erased": (
        Claim("worker-1"),
        COMPLETE,
        Compare(0.0, {}, {"seed": 7}),
        Erase((PayloadKind.CIRCUIT, PayloadKind.RESULT)),
    ),
    "cancelled and erased": (Cancel("no longer needed"), Erase((PayloadKind.CIRCUIT,))),
}

TENANTS = {"processing": "south", "requeued": "north", "sent again": "south"}
LABELS = {
    "completed": Labels("a Bell pair", {"device": "north", "größe": "ж"}),
    "processing": Labels(priority=Priority.HIGH),
    "requeued": Labels(priority=Priority.LOW, tags={"run": "7"}),
    "sent again": Labels(
        priority=Priority.HIGH,
        not_before=datetime(2100, 1, 1, tzinfo=UTC),
        batch_id=UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
        origin=UUID("01890a5d-ac96-774b-bcce-b302099a8058"),
    ),
}


async def varied_log(log: EventLog) -> dict[str, UUID]:
    """Make a task for each of `LIVES`; returns their ids."""
    return {
        name: await live(log, commands, TENANTS.get(name, ""), LABELS.get(name, NO_LABELS))
        for name, commands in LIVES.items()
    }


async def live(
    log: EventLog, commands: Sequence[Command], tenant: str = "", labels: Labels = NO_LABELS
) -> UUID:
    """Submit a task and have this happen to it."""
    submission = tasks.submission(
        options=RunOptions(shots=1024, seed=7), tenant=tenant, labels=labels
    )
    task_id = (await tasks.put(log, submission)).task_id
    for command in commands:
        await tasks.put(log, await following(log, task_id, command))
    return task_id


async def following(log: EventLog, task_id: UUID, command: Command) -> Append:
    """The append of a command on a task as it stands."""
    payloads = (RESULT,) if isinstance(command, Complete) else ()
    return tasks.following(await tasks.load(log, task_id), command, *payloads)
