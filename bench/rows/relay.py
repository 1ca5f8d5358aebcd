"""`relay`: outbox rows published, confirmed and recorded, beside plain publishes of the same bytes.

The dispatch window is wide open and the rows are sealed already, so that sending is all there is to
do. The baseline is aiormq: persistent, mandatory, confirmed, a thousand on their way at a time, to
a quorum queue like ours.
"""

import asyncio
import time

import aiormq
import psycopg

from bench.figures import Figure, at_least
from bench.queries import query
from bench.run import Run
from bench.stack import Installation
from bench.submissions import UNSEALED, WAITING, submit, wait_for
from domain.identifiers import new_traceparent, uuid7
from domain.ports import OutboxRow
from infrastructure.postgres.notifications import CHANNEL
from infrastructure.rabbitmq.message import encode
from infrastructure.rabbitmq.topology import QUEUE

ROWS = 10_000
IN_FLIGHT = 1_000
WINDOW = "1000000"
PLAIN_QUEUE = "bench"


def measure(run: Run) -> list[Figure]:
    """Send in turns; both queues are emptied in between."""
    installation = run.servers.installation()
    rows = run.size(ROWS)
    rates: dict[str, list[float]] = {"bare": [], "ketlog": []}
    with installation.relay(DISPATCH_WINDOW_LEAST=WINDOW):
        submit(installation.dsn, range(rows))
        wait_for(installation.dsn, WAITING, what="the relay")
        wait_for(installation.dsn, UNSEALED, what="the sealer")
        for number in range(run.rounds + 1):
            bare = asyncio.run(_publish(installation.broker_url, rows))
            ours = _relay(installation, rows)
            if number:
                rates["bare"].append(bare)
                rates["ketlog"].append(ours)
                run.say(f"round {number} aiormq {bare:6.0f}/s  relay {ours:6.0f}/s")
    return [
        at_least(
            "relay",
            f"{rows:,} outbox rows, window open",
            "/s",
            rates["ketlog"],
            rates["bare"],
            goal=0.6,
            stretch=0.8,
            rows=rows,
        )
    ]


def _relay(installation: Installation, rows: int) -> float:
    """Make all rows wait again and tell the relay; each has to arrive in the queue once."""
    asyncio.run(_empty(installation.broker_url, QUEUE))
    with psycopg.connect(installation.dsn, autocommit=True) as connection:
        connection.execute(query("forget_all").encode())
        began = time.perf_counter()
        connection.execute(f"NOTIFY {CHANNEL}".encode())
        ended = wait_for(installation.dsn, WAITING, what="the relay", interval=0.005)
    arrived = asyncio.run(_empty(installation.broker_url, QUEUE))
    assert arrived == rows, f"{arrived} of {rows} messages are in the queue"
    return rows / (ended - began)


async def _publish(url: str, rows: int) -> float:
    """Publish as many messages of the same size by aiormq's own calls."""
    messages = [encode(_row(number)) for number in range(rows)]
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=True)
    await channel.queue_declare(PLAIN_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    began = time.perf_counter()
    for begin in range(0, rows, IN_FLIGHT):
        await asyncio.gather(
            *(
                channel.basic_publish(
                    body, routing_key=PLAIN_QUEUE, properties=properties, mandatory=True
                )
                for body, properties in messages[begin : begin + IN_FLIGHT]
            )
        )
    seconds = time.perf_counter() - began
    await connection.close()
    arrived = await _empty(url, PLAIN_QUEUE)
    assert arrived == rows, f"{arrived} of {rows} messages are in the queue"
    return rows / seconds


async def _empty(url: str, queue: str) -> int:
    """Remove what is in a queue; returns how many messages that were."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    purged = await channel.queue_purge(queue)
    await connection.close()
    return int(purged.message_count or 0)


def _row(number: int) -> OutboxRow:
    traceparent = new_traceparent()
    return OutboxRow(
        row_id=number,
        task_id=uuid7(),
        message_id=uuid7(),
        correlation_id=traceparent[3:35],
        traceparent=traceparent,
    )
