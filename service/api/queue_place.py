"""`GET /tasks/{task_id}/queue`: where a task stands in the line, and when it may start.

A resource of its own: to count a line costs more than to look at a task, and most who look at a
task don't ask.
"""

from collections.abc import Iterator
from typing import Final

from starlette.types import Receive, Scope, Send

from domain.codec import to_json
from domain.waiting import QueuePlace, QueueQueries, WaitReason
from service.api.admission import Admission
from service.api.answers import moment, send_json
from service.api.caller import caller_of
from service.api.lookup import no_such_task, task_id_of, within

SAID: Final = {
    WaitReason.NOT_BEFORE: "It does not go before its earliest start.",
    WaitReason.PAUSED: "An operator has paused dispatch. It goes on when that ends.",
    WaitReason.NO_WORKER: "No worker takes tasks. It goes on when one does.",
    WaitReason.TURN: "Others go first. It is sent to the workers when its turn comes.",
    WaitReason.WORKER: "It goes to the next worker with a free slot.",
}
"""For people, what each reason means."""


class QueuePlaceEndpoint:
    """Answers with a task's place in the line.

    Args:
        deadline_seconds: longest wait for the store.
    """

    def __init__(
        self, queries: QueueQueries, admission: Admission, *, deadline_seconds: float
    ) -> None:
        self._queries = queries
        self._admission = admission
        self._deadline = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Handle one request."""
        task_id = task_id_of(scope)
        self._admission.enter(0)
        try:
            reading = self._queries.place(task_id, caller_of(scope).sees)
            place = await within(self._deadline, reading)
        finally:
            self._admission.leave(0)
        if place is None:
            raise no_such_task(task_id)
        await send_json(send, to_json(dict(_fields(place))).encode())


def _fields(place: QueuePlace) -> Iterator[tuple[str, object]]:
    yield "task_id", str(place.task_id)
    yield "status", place.status
    if (position := place.position) is not None:
        yield "position", position
    if (reason := place.reason) is not None:
        yield "reason", reason
        yield "detail", SAID[reason]
    if (start := place.estimated_start) is not None:
        yield "estimated_start", moment(start)
