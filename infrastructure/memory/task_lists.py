"""Lists of the tasks of the in-memory store."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from domain.listing import (
    ListedTask,
    Place,
    TaskFilter,
    TaskPage,
    bounded,
    cut,
    with_contents,
)
from domain.payloads import PayloadKind
from domain.ports import TaskView
from infrastructure.memory.store import MemoryStore


@dataclass(slots=True)
class MemoryTaskLists:
    """`domain.listing.TaskLists` of a log in memory."""

    store: MemoryStore

    async def page(
        self,
        after: Place | None,
        limit: int,
        chosen: TaskFilter,
        contents: Collection[PayloadKind] = (),
    ) -> TaskPage:
        """See `domain.listing.TaskLists.page`."""
        views = [await self.store.view(task_id, chosen.tenant) for task_id in self.store.streams]
        tasks = [_listed(view) for view in views if view is not None and _passes(view, chosen)]
        tasks = sorted(
            (task for task in tasks if after is None or task.place < after),
            key=lambda task: task.place,
            reverse=True,
        )
        page = cut(tasks, limit)
        if not contents:
            return page
        found = {task.task_id: self._contents(task.task_id, contents) for task in page.tasks}
        octets = {task_id: sum(map(len, bodies.values())) for task_id, bodies in found.items()}
        return with_contents(bounded(page, octets), found)

    def _contents(self, task_id: UUID, kinds: Collection[PayloadKind]) -> dict[PayloadKind, bytes]:
        rows = self.store.payload_rows[task_id]
        return {kind: rows[kind].body for kind in kinds if kind in rows}


def _passes(view: TaskView, chosen: TaskFilter) -> bool:
    labels = view.labels
    return (
        (chosen.statuses is None or view.status in chosen.statuses)
        and chosen.tags.items() <= labels.tags.items()
        and (chosen.since is None or view.submitted_at >= chosen.since)
        and (chosen.until is None or view.submitted_at < chosen.until)
        and chosen.batch_id in {None, labels.batch_id}
        and chosen.correlation_id in {None, view.correlation_id}
        and chosen.name in {None, labels.name}
    )


def _listed(view: TaskView) -> ListedTask:
    return ListedTask(
        task_id=view.task_id,
        version=view.version,
        status=view.status,
        shots=view.shots,
        attempt=view.attempt,
        correlation_id=view.correlation_id,
        submitted_at=view.submitted_at,
        started_at=view.started_at,
        completed_at=view.completed_at,
        error_code=view.error_code,
        error_message=view.error_message,
        labels=view.labels,
    )
