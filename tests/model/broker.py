"""A broker with one queue: at least once, in order as far as a broker can, never more than that.

What was delivered and not acknowledged returns when its connection is gone. What is published may
be in the queue although its confirm was lost. The queue can be purged, deleted or wiped.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.message import TaskMessage
from infrastructure.rabbitmq.topology import DELIVERY_LIMIT
from tests.model.database import LATENCIES
from tests.model.loop import Process, current

T = TypeVar("T")


@dataclass(eq=False)
class Message:
    """One copy of a message in the broker's hands."""

    content: TaskMessage
    returns: int = 0


class Connection:
    """Two directions; what is sent arrives in the order in which it was sent, or never.

    Attributes:
        ended: set in the client once it knows that the connection is gone.
    """

    def __init__(self, broker: "BrokerServer") -> None:
        self.client = current()
        self.broken = False
        self.ended = asyncio.Event()
        self._broker = broker
        self._questions: set[asyncio.Future[Any]] = set()
        self._to_server = self._to_client = 0.0

    async def ask(self, question: Callable[[], T]) -> T:
        """Return what the broker answers; raises `BrokerUnavailable`."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._questions.add(answer)
        if self.broken:
            self._over()
        self.tell_server(lambda: self.tell_client(_answer, answer, question()))
        try:
            return await answer
        finally:
            self._questions.discard(answer)

    def tell_server(self, callback: Callable[..., None], *args: object) -> None:
        """Have the broker do something."""
        self._to_server = self._send(self._broker.process, self._to_server, callback, args)

    def tell_client(self, callback: Callable[..., None], *args: object) -> None:
        """Have the client do something."""
        self._to_client = self._send(self.client, self._to_client, callback, args)

    def break_off(self) -> None:
        """End it: nothing arrives any more, and the client finds out."""
        self.broken = True
        if self.client.alive:
            self.client.call(self._over)

    def _over(self) -> None:
        self.ended.set()
        for answer in self._questions:
            if not answer.done():
                answer.set_exception(BrokerUnavailable("the connection broke"))

    def _send(
        self, to: Process, last: float, callback: Callable[..., None], args: tuple[object, ...]
    ) -> float:
        loop = asyncio.get_running_loop()
        arrives = max(last, loop.time() + self._broker.latency())
        loop.call_at(arrives, self._arrive, callback, args, context=to.context)
        return arrives

    def _arrive(self, callback: Callable[..., None], args: tuple[object, ...]) -> None:
        if not self.broken:
            callback(*args)


def _answer(answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        answer.set_result(value)


class Subscription:
    """A consumer as the broker knows it: its credit, and what it has in hand."""

    def __init__(self, connection: Connection, deliver: Callable[[int, TaskMessage], None]) -> None:
        self.connection = connection
        self.deliver = deliver
        self.credit = 0
        self.in_hand: dict[int, Message] = {}
        self.counted: set[int] = set()


class BrokerServer:
    """The server.

    Attributes:
        up: whether it takes connections.
        queue: what waits; `None` where there is no queue.
        published: how often a message for each event got into the queue, duplicates by faults
            apart.
    """

    def __init__(self, process: Process, chance: random.Random) -> None:
        self.process = process
        self.up = True
        self.queue: deque[Message] | None = None
        self.published: Counter[UUID] = Counter()
        self.subscriptions: list[Subscription] = []
        self._chance = chance
        self._tags = 0
        self._connections: list[Connection] = []

    def latency(self) -> float:
        """Return how long something takes through the network."""
        return self._chance.choice(LATENCIES)

    def connect(self) -> Connection:
        """Return a new connection of the process whose step this is."""
        connection = Connection(self)
        self._connections.append(connection)
        return connection

    # What clients say, each in one moment of the server.

    def enqueue(self, message: TaskMessage) -> bool:
        """Take a message; tells whether there is a queue for it."""
        if self.queue is None:
            return False
        self.published[message.message_id] += 1
        self.queue.append(Message(message))
        self.pump()
        return True

    def declare(self) -> None:
        """Make the queue where it is missing."""
        if self.queue is None:
            self.queue = deque()

    def set_credit(self, subscription: Subscription, credit: int) -> None:
        """Let a consumer have so many more in hand, beside those that it has."""
        subscription.credit = credit
        subscription.counted.clear()
        self.pump()

    def settle(self, subscription: Subscription, tags: list[int], *, requeue: bool) -> None:
        """Take back what a consumer had in hand, into the queue or for good."""
        for tag in tags:
            message = subscription.in_hand.pop(tag)
            subscription.credit += tag in subscription.counted
            subscription.counted.discard(tag)
            message.returns += 1
            if requeue and self.queue is not None and message.returns <= DELIVERY_LIMIT:
                self.queue.append(message)
        self.pump()

    def pump(self) -> None:
        """Deliver what there is credit for."""
        while self.queue and (hungry := [s for s in self.subscriptions if s.credit > 0]):
            subscription = self._chance.choice(hungry)
            message = self.queue.popleft()
            self._tags += 1
            subscription.credit -= 1
            subscription.in_hand[self._tags] = message
            subscription.counted.add(self._tags)
            subscription.connection.tell_client(subscription.deliver, self._tags, message.content)

    # Faults.

    def cut(self, process: Process | None) -> None:
        """Break the connections of a process, or all."""
        for connection in list(self._connections):
            if process is None or connection.client is process:
                self.close(connection)

    def close(self, connection: Connection) -> None:
        """End a connection; what was in hand over it waits again."""
        if connection.broken:
            return
        self._connections.remove(connection)
        connection.break_off()
        for subscription in list(self.subscriptions):
            if subscription.connection is connection:
                self.subscriptions.remove(subscription)
                if self.queue is not None:
                    self.queue.extendleft(reversed(subscription.in_hand.values()))
        self.pump()

    def stop(self) -> None:
        """Go away; what is in the queue stays there."""
        self.up = False
        self.cut(None)

    def start(self) -> None:
        """Be there again."""
        self.up = True

    def delete_queue(self) -> None:
        """Lose the queue, and with it every message."""
        self.queue = None
        for subscription in self.subscriptions:
            subscription.in_hand.clear()
        self.cut(None)

    def purge(self) -> None:
        """Lose what waits."""
        if self.queue is not None:
            self.queue.clear()

    def duplicate(self) -> None:
        """Have every message that waits or is in hand twice."""
        if self.queue is not None:
            in_hand = [message for s in self.subscriptions for message in s.in_hand.values()]
            self.queue.extend([Message(m.content) for m in (*self.queue, *in_hand)])
            self.pump()
