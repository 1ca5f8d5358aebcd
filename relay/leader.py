"""What the leading relay does: all loops side by side, each begun anew when it fails."""

import asyncio

from domain.ports import EventLog, Outbox
from domain.seals import Seals
from infrastructure.checkpoint_folder import CheckpointFolder
from infrastructure.postgres.notifications import OutboxListener
from infrastructure.rabbitmq.dead_letters import DeadLetterQueue
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Topology
from infrastructure.rabbitmq.watch import QueueWatch
from infrastructure.settings import RelaySettings
from infrastructure.supervision import supervised
from infrastructure.telemetry.tracing import NO_TRACING, Tracing
from relay.dead_letters import DeadLetters
from relay.dispatch import Dispatcher
from relay.redispatch import Redispatcher
from relay.schedule import Schedule
from relay.sealer import Sealer
from relay.window import Window

NAME = "ketlog relay"


class Leader:
    """One term of leadership.

    Args:
        settings: the relay's.
        event_log: where given-up attempts end.
        outbox: the pending tasks.
        seals: leaves and checkpoints of the log.
        tracing: makes spans.
    """

    def __init__(
        self,
        settings: RelaySettings,
        event_log: EventLog,
        outbox: Outbox,
        seals: Seals,
        *,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        url = settings.rabbitmq_url
        topology = Topology(self._forget_all)
        self._publisher = Publisher(url, f"{NAME} publisher", topology)
        self._watch = QueueWatch(url, f"{NAME} watch", topology)
        self._dead_letter_queue = DeadLetterQueue(url, f"{NAME} dead letters")
        self._window = Window(settings.dispatch_window_least, settings.dispatch_window)
        self._dispatcher = Dispatcher(
            outbox,
            self._publisher,
            self._window,
            settings.relay_poll_seconds,
            tracing=tracing,
        )
        self._redispatcher = Redispatcher(
            outbox,
            self._watch,
            settings.redispatch_seconds,
            self._dispatcher.wake,
            self._window.observe,
        )
        self._schedule = Schedule(outbox, self._dispatcher.wake)
        self._dead_letters = DeadLetters(self._dead_letter_queue, event_log, self._dispatcher.wake)
        sink = settings.checkpoint_sink
        self._sealer = Sealer(
            seals,
            settings.signing_key_file,
            settings.log_origin,
            None if sink is None else CheckpointFolder(sink),
            settings.seal_seconds,
        )
        self._listener = OutboxListener(
            settings.database_url, self._dispatcher.wake, f"{NAME} listener"
        )

    @property
    def connected(self) -> bool:
        """Whether the broker was seen a moment ago."""
        return self._redispatcher.connected

    @property
    def queue_ready(self) -> int | None:
        """Messages in the task queue, where it can be seen."""
        depth = self._redispatcher.depth
        return None if depth is None else depth.ready

    @property
    def queue_consumers(self) -> int | None:
        """Consumers of the task queue, where it can be seen."""
        depth = self._redispatcher.depth
        return None if depth is None else depth.consumers

    @property
    def window(self) -> int:
        """Most tasks that may be with the broker at a time, at present."""
        return self._window.size

    @property
    def dead_letters(self) -> int | None:
        """Messages in the dead-letter queue, where it can be seen."""
        return self._dead_letters.count

    @property
    def seal_lag_seconds(self) -> float:
        """Age of the oldest event under no checkpoint."""
        return self._sealer.lag_seconds

    @property
    def sealed_events(self) -> int:
        """Events in the tree."""
        return self._sealer.size

    def wake(self) -> None:
        """Look at the outbox now."""
        self._dispatcher.wake()

    def stop(self) -> None:
        """Finish what is on its way to the broker, and let `lead` return."""
        self._dispatcher.stop()

    async def lead(self) -> None:
        """Work until stopped or cancelled."""
        helpers = [
            asyncio.create_task(supervised(name, loop), name=name)
            for name, loop in {
                "outbox listener": self._listener.run,
                "redispatch": self._redispatcher.run,
                "schedule": self._schedule.run,
                "dead letters": self._dead_letters.run,
                "sealer": self._sealer.run,
            }.items()
        ]
        try:
            await supervised("dispatch", self._dispatcher.run)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            await self._close()

    async def _forget_all(self) -> None:
        await self._redispatcher.forget_all()

    async def _close(self) -> None:
        connections = (self._publisher, self._watch, self._dead_letter_queue)
        await asyncio.gather(
            *(connection.close() for connection in connections), return_exceptions=True
        )
