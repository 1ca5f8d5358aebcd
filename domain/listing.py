"""Tasks as lists show them, newest first, and what can be asked for."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from domain.labels import NO_LABELS, Labels
from domain.payloads import PayloadKind
from domain.status import Status

MOST_CONTENT_BYTES: Final = 8 * 1024 * 1024
"""A page ends where the contents that are asked for with its tasks would have more."""

LAST_ID: Final = UUID(int=2**128 - 1)


class Place(NamedTuple):
    """A place in a list: before it come the tasks that are newer. Tasks of one time go by id."""

    submitted_at: datetime
    task_id: UUID


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks are wanted; `None` and nothing want them all.

    Attributes:
        tenant: whose tasks there are; `None` for those of all tenants.
        statuses: one of these.
        tags: all of these, with these values.
        since: earliest submission, itself included.
        until: latest submission, itself not included.
    """

    tenant: str | None = None
    statuses: frozenset[Status] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    batch_id: UUID | None = None
    correlation_id: str | None = None
    name: str | None = None

    @property
    def picks(self) -> bool:
        """Whether it leaves out some of the tasks of a tenant and a time."""
        return bool(
            self.statuses is not None
            or self.tags
            or self.batch_id is not None
            or self.correlation_id is not None
            or self.name is not None
        )


@dataclass(frozen=True, slots=True)
class ListedTask:
    """A task in a list.

    Attributes:
        contents: those that were asked for and are there, as stored.
    """

    task_id: UUID
    version: int
    status: Status
    shots: int
    attempt: int
    correlation_id: str
    submitted_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_code: str | None
    error_message: str | None
    labels: Labels = NO_LABELS
    contents: Mapping[PayloadKind, bytes] = field(default_factory=dict)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.submitted_at, self.task_id)


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A piece of a list.

    Attributes:
        end: where the next piece begins; `None` when there is none.
    """

    tasks: Sequence[ListedTask]
    end: Place | None


class TaskLists(Protocol):
    """Lists of tasks."""

    async def page(
        self,
        after: Place | None,
        limit: int,
        chosen: TaskFilter,
        contents: Collection[PayloadKind] = (),
    ) -> TaskPage:
        """Return the next tasks that a filter lets through, newest first.

        A call looks at a bounded number of tasks, so a page may be empty and not the last. A task
        that is submitted while somebody reads on is not in the pages behind that place.

        Args:
            after: the end of the page before; `None` to begin.
            contents: what to return of each task beside; it makes pages shorter.

        Raises:
            StoreUnavailable: the list cannot be read now.
        """
        ...


def cut(tasks: Sequence[ListedTask], limit: int) -> TaskPage:
    """Return the page of the first `limit` of some tasks; more of them mean that it goes on."""
    page = tasks[:limit]
    return TaskPage(page, page[-1].place if len(tasks) > limit else None)


def bounded(page: TaskPage, octets: Mapping[UUID, int]) -> TaskPage:
    """Return as much of a page as its contents may have bytes, and one task in any case.

    Args:
        octets: size of each task's contents; those without any may be missing.
    """
    total = 0
    for number, task in enumerate(page.tasks):
        total += octets.get(task.task_id, 0)
        if number and total > MOST_CONTENT_BYTES:
            kept = page.tasks[:number]
            return TaskPage(kept, kept[-1].place)
    return page


def with_contents(page: TaskPage, found: Mapping[UUID, Mapping[PayloadKind, bytes]]) -> TaskPage:
    """Return a page whose tasks have contents."""
    tasks = [replace(task, contents=found.get(task.task_id, {})) for task in page.tasks]
    return TaskPage(tasks, page.end)
