"""Batches in the store in memory."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from domain.batches import SHOWN_FAILURES, BatchFailure, BatchView
from domain.codec import recorded
from domain.log import RecordedEvent
from domain.ports import TaskView
from domain.status import Status
from infrastructure.memory.store import MemoryStore


class MemoryBatches:
    """`domain.batches.BatchQueries` over a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def view(self, batch_id: UUID, tenant: str | None = None) -> BatchView | None:
        """See `domain.batches.BatchQueries.view`."""
        tasks = await self._tasks(batch_id, tenant)
        if not tasks:
            return None
        counts = Counter(task.status for task in tasks)
        return BatchView(
            batch_id,
            {status: counts[status] for status in Status},
            min(task.correlation_id for task in tasks),
            min(task.submitted_at for task in tasks),
            min((task.started_at for task in tasks if task.started_at), default=None),
            max((task.completed_at for task in tasks if task.completed_at), default=None),
            _failures(tasks),
        )

    async def open_streams(
        self, batch_id: UUID, tenant: str | None, limit: int
    ) -> list[Sequence[RecordedEvent]]:
        """See `domain.batches.BatchQueries.open_streams`."""
        tasks = await self._tasks(batch_id, tenant)
        ids = [task.task_id for task in tasks if not task.status.terminal][:limit]
        return [tuple(map(recorded, self._store.streams[task_id])) for task_id in ids]

    async def _tasks(self, batch_id: UUID, tenant: str | None) -> list[TaskView]:
        """Return the tasks of a batch, in its order."""
        views = [await self._store.view(task_id, tenant) for task_id in sorted(self._store.streams)]
        return [view for view in views if view is not None and view.labels.batch_id == batch_id]


def _failures(tasks: Sequence[TaskView]) -> list[BatchFailure]:
    failed = [
        (task.completed_at, task.task_id, task)
        for task in tasks
        if task.status is Status.FAILED and task.completed_at is not None
    ]
    return [
        BatchFailure(task_id, task.error_code or "", task.error_message or "")
        for _, task_id, task in sorted(failed, key=lambda each: each[:2])[:SHOWN_FAILURES]
    ]
