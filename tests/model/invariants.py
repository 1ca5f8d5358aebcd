"""What has to hold at the end of every schedule."""

from uuid import UUID

from domain.codec import recorded
from domain.errors import InvalidEvent
from domain.events import ProcessingStarted, TaskCompleted, TaskFailed, TaskRequeued
from domain.log import RecordedEvent
from domain.task import fold
from tests.model.world import World


def violations(world: World) -> list[str]:
    """Return what is wrong, in words; empty where nothing is."""
    found = [f"{task_id} was accepted and is not in the log" for task_id in _missing(world)]
    for task_id, stream in world.store.streams.items():
        events = tuple(map(recorded, stream))
        found += [f"{task_id}: {wrong}" for wrong in _wrong(events)]
    found += world.store.wrongs
    found += world.loop.errors
    found += [
        f"a process ran into something unforeseen: {line}"
        for line in world.journal
        if line.level in {"error", "exception", "critical"}
    ]
    return found


def lost_attempts(world: World) -> int:
    """Return how many attempts have ended without an outcome, as those of a lost worker do."""
    events = (
        recorded(stored).event for stream in world.store.streams.values() for stored in stream
    )
    return sum(isinstance(event, TaskRequeued) and event.reason.counts for event in events)


def _missing(world: World) -> set[UUID]:
    return world.accepted - world.store.streams.keys()


def _wrong(events: tuple[RecordedEvent, ...]) -> list[str]:
    wrong = []
    if [event.version for event in events] != list(range(1, len(events) + 1)):
        wrong.append("its versions have a hole or a twin")
    ends = sum(event.event.status is not None and event.event.status.terminal for event in events)
    if ends != 1:
        wrong.append(f"it has {ends} terminal events")
    try:
        fold(events)
    except InvalidEvent as error:
        wrong.append(str(error))
    return wrong + _stale(events)


def _stale(events: tuple[RecordedEvent, ...]) -> list[str]:
    """Return the ends of attempts that are not the running one, or that others have written."""
    wrong = []
    running: ProcessingStarted | None = None
    for recorded_event in events:
        event, actor = recorded_event.event, recorded_event.metadata.actor
        if isinstance(event, ProcessingStarted):
            running = event
        elif isinstance(event, TaskCompleted | TaskFailed | TaskRequeued):
            holder = None if running is None else f"worker/{running.worker_id}"
            if (
                running is None
                or event.attempt != running.attempt
                or actor not in {holder, "relay"}
            ):
                wrong.append(f"{type(event).__name__} of {actor} counts and is stale")
            running = None
    return wrong
