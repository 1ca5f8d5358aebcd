"""Every error ketlog raises on purpose.

    KetlogError
    ├── TransitionRefused      the task's state does not allow the command
    ├── InvalidEvent           stored data that no known event type explains
    ├── InvalidCheckpoint      text that is not a checkpoint, or a key that cannot sign one
    ├── InvalidExport          a line of an exported log that does not fit those before it
    ├── LogForked              the log does not continue what was signed of it
    ├── EmptyAppend            an append call without appends
    ├── AppendRefused          this one append can never be stored (its data is not storable)
    ├── StoreError
    │   ├── StoreUnavailable   nothing was written; try again later
    │   └── OutcomeUnknown     the connection broke during the commit and time ran out
    ├── BrokerUnavailable      RabbitMQ cannot be reached or does not take messages
    │   └── BrokerBlocked      it asks not to publish: it lacks memory or disk
    ├── InspectionRefused      a question about a circuit has no answer now
    │   ├── InspectorAway      nobody is there who could answer
    │   ├── InspectorBusy      too many questions wait already
    │   └── InspectionTooLong  the circuit takes longer to look at than one may
    └── SimulatorDied          a simulator child ended by itself while it ran a circuit

A lost compare-and-set is no error: it is the `Conflict` value of `domain.log`.
"""


class KetlogError(Exception):
    """Base of every error that ketlog raises on purpose."""


class TransitionRefused(KetlogError):
    """The task's state does not allow the command."""


class InvalidEvent(KetlogError):
    """A stored event has a type, schema version or data that this version cannot read."""


class InvalidCheckpoint(KetlogError):
    """A checkpoint or a verifier key has another form than `domain.checkpoint` writes."""


class InvalidExport(KetlogError):
    """An exported log, or the log that is to be exported, is not what was recorded."""


class LogForked(KetlogError):
    """The tree over the log does not continue one that was signed: the log was changed or cut."""


class EmptyAppend(KetlogError):
    """An append call carried no append: a caller's bug, refused before it reaches the log."""


class AppendRefused(KetlogError):
    """The database refused this append's data; its neighbours were stored without it."""


class StoreError(KetlogError):
    """The event log could not do what was asked."""


class StoreUnavailable(StoreError):
    """The event log cannot be reached in time; nothing was written."""


class OutcomeUnknown(StoreError):
    """The connection broke while a commit was under way and its outcome could not be learnt."""


class BrokerUnavailable(KetlogError):
    """RabbitMQ cannot be reached, or refuses or delays what was sent to it."""


class BrokerBlocked(BrokerUnavailable):
    """RabbitMQ has raised an alarm and takes no messages until it has memory and disk again."""


class InspectionRefused(KetlogError):
    """A question about a circuit has no answer now; nothing is wrong with the circuit."""


class InspectorAway(InspectionRefused):
    """Nobody is there who could answer: no worker, or no way to one."""


class InspectorBusy(InspectionRefused):
    """Too many questions about circuits wait already."""


class InspectionTooLong(InspectionRefused):
    """A question about a circuit was not answered within the time that it may take."""


class SimulatorDied(KetlogError):
    """A simulator child ended by itself while it ran a circuit."""
