"""The worker's side of RabbitMQ: deliveries on demand, over a connection that mends itself.

Everything that was delivered and not acknowledged is void once its channel is gone: RabbitMQ gives
it to someone else. Each delivery carries the generation of its channel, and what is said about a
delivery of an older generation is quietly dropped.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from infrastructure.rabbitmq.message import Decoded


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message in hand, unacknowledged.

    Attributes:
        tag: the broker's number for it within its channel.
        generation: which channel brought it; see `Consumer.generation`.
        message: what it says, or why it cannot be read.
    """

    tag: int
    generation: int
    message: Decoded


class Consumer:
    """Consumes the task queue with adjustable demand.

    Reconnects with backoff and jitter, waits for the queue while the relay has not declared it
    yet, and sets itself up again when the broker cancels it or goes silent. No method raises
    because the broker is away.

    Args:
        url: `amqp://` or `amqps://` URL.
        name: shown as the connection's name in the management page, e.g. `worker/host-1`.
    """

    def __init__(self, url: str, name: str) -> None: ...

    @property
    def connected(self) -> bool:
        """Whether there is a channel on which messages can arrive."""

    @property
    def generation(self) -> int:
        """Number of the present channel; 0 before the first. Deliveries of others are void."""

    async def start(
        self,
        on_delivery: Callable[[Delivery], None],
        on_void: Callable[[int], None],
    ) -> None:
        """Begin to connect, in the background; returns at once.

        Args:
            on_delivery: called in the event loop for each delivery; must not block.
            on_void: called when a channel is gone, with its generation: its unacknowledged
                deliveries belong to the broker again.
        """

    async def set_demand(self, count: int) -> None:
        """Say how many deliveries may be unacknowledged at a time; 0 stops them.

        Remembered over reconnections. Once `set_demand(0)` has returned, no further delivery
        arrives until the demand is raised, whatever is acknowledged in the meantime. After a
        change the new demand counts from zero: deliveries in hand from before do not use it up.
        """

    async def ack(self, deliveries: Collection[Delivery]) -> None:
        """Tell the broker that these are dealt with (runs of them in one frame)."""

    async def give_back(self, deliveries: Collection[Delivery]) -> None:
        """Return these to the queue for another worker; counts towards `x-delivery-limit`."""

    async def reject(self, deliveries: Collection[Delivery]) -> None:
        """Send these to the dead-letter queue: they can never be understood."""

    async def close(self) -> None:
        """Stop; what is unacknowledged goes back to the queue. Takes no longer than 2 s."""
