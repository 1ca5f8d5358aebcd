"""What an audit finds: which task, which version, what is wrong."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """What is wrong, for programs."""

    ALTERED = "altered event"
    REWRITTEN = "rewritten event"
    CHANGED_HASH = "changed hash"
    MISSING = "missing event"
    INSERTED = "inserted event"
    MOVED = "moved event"
    UNREADABLE = "unreadable event"
    IMPOSSIBLE = "impossible event"
    OUT_OF_ORDER = "times out of order"
    PROJECTION = "changed projection"
    OUTBOX = "changed outbox"
    LEASES = "changed leases"
    PAYLOAD = "altered payload"
    FOREIGN_PAYLOAD = "inserted payload"
    TREE = "changed tree"
    MISSING_LEAF = "missing leaf"
    CHECKPOINT = "changed checkpoint"
    WRONG_KEY = "wrong key"
    FORKED = "rewritten log"
    CUT = "cut log"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was recorded.

    Attributes:
        what: a sentence that goes on after the task and version.
    """

    kind: Kind
    what: str
    task_id: UUID | None = None
    version: int | None = None

    def __str__(self) -> str:
        where = "" if self.task_id is None else f"task {self.task_id}"
        if self.version is not None:
            where += f", version {self.version}"
        return f"{self.kind.upper()}: {where}{': ' if where else ''}{self.what}"


@dataclass(slots=True)
class Tally:
    """What was looked at.

    Attributes:
        erased: contents that are not there any more, as an event of their task says.
        missing: contents that are not there, of which no event says so.
        tree_is_sound: whether all leaves are what was signed.
        vouched: so many events are under a signed checkpoint in the table.
        vouched_elsewhere: so many are under one that was shipped.
        tail_seconds: age of the first event that has no leaf; 0 for none.
        rate: how much was done and how fast, for people.
    """

    events: int = 0
    tasks: int = 0
    leaves: int = 0
    erased: int = 0
    missing: int = 0
    checkpoints: int = 0
    shipped: int = 0
    vouched: int = 0
    vouched_elsewhere: int = 0
    tree_is_sound: bool = True
    tail_seconds: float = 0.0
    rate: str = ""

    def add(self, other: "Tally") -> None:
        """Count what was looked at elsewhere, in streams."""
        self.events += other.events
        self.tasks += other.tasks
        self.erased += other.erased
        self.missing += other.missing
