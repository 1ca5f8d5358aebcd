"""What clients remember: what they sent, and what they were told about it."""

import enum
from dataclasses import dataclass, field
from uuid import UUID

from domain.identifiers import task_id_for_key
from tests.faults.chaos.circuits import Job


class Told(enum.StrEnum):
    """An answer to a submission, as far as it matters."""

    ACCEPTED = enum.auto()
    REFUSED = enum.auto()
    UNKNOWN = enum.auto()
    NO_ANSWER = enum.auto()


@dataclass(slots=True)
class Note:
    """One submission over all its tries.

    Attributes:
        told: in order.
        ids: the task ids that answers have named; more than one would be wrong.
        wrong: answers that no client should ever get.
        seen: the last status and result that the client has read, if it has looked.
        cancels: whether the client has asked to cancel the task.
        cancelled: what it was told: it is cancelled, or had ended before; `None` without an answer.
    """

    key: str
    job: Job
    told: list[Told] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    seen: tuple[str, dict[str, int]] | None = None
    cancels: bool = False
    cancelled: bool | None = None

    @property
    def task_id(self) -> UUID:
        """The id that the key stands for."""
        return task_id_for_key("", self.key)

    @property
    def accepted(self) -> bool:
        """Whether an answer has said so; the task has to exist then."""
        return Told.ACCEPTED in self.told

    @property
    def settled(self) -> bool:
        """Whether the client knows what became of it."""
        return self.accepted or not self.may_exist

    @property
    def may_exist(self) -> bool:
        """Whether the task may exist: every answer that was not a refusal allows it."""
        return any(told is not Told.REFUSED for told in self.told)


@dataclass
class Notes:
    """Those of all clients."""

    all: list[Note] = field(default_factory=list)

    @property
    def accepted(self) -> list[Note]:
        """Submissions with a 202."""
        return [note for note in self.all if note.accepted]

    @property
    def cancelled(self) -> list[Note]:
        """Submissions whose client was told that the task is cancelled."""
        return [note for note in self.all if note.cancelled]

    @property
    def open(self) -> list[Note]:
        """Submissions whose client gave up without knowing what became of them."""
        return [note for note in self.all if not note.settled]

    @property
    def refused(self) -> list[Note]:
        """Submissions of which nothing may exist."""
        return [note for note in self.all if note.told and not note.may_exist]
