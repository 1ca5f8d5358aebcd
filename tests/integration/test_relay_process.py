"""The relay as a process between a real database and a real broker."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from domain.labels import Labels
from domain.log import Append
from domain.ports import TaskView
from domain.status import Status
from infrastructure.heartbeat import is_fresh
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog
from infrastructure.postgres.notifications import OutboxNotifier
from infrastructure.postgres.task_queries import PostgresTaskQueries
from infrastructure.rabbitmq.topology import DEAD_QUEUE
from tests import servers
from tests.support import tasks
from tests.support.amqp import Operator, operator
from tests.support.processes import Process, System, system
from tests.support.waiting import eventually

NEVER = "3600"


class Log:
    """Puts tasks into the log and looks at them."""

    def __init__(self, database: Database) -> None:
        self.events = PostgresEventLog(database)
        self._database = database
        self._queries = PostgresTaskQueries(database)

    async def submit(self, count: int) -> list[UUID]:
        appends = [tasks.submission() for _ in range(count)]
        for start in range(0, count, 250):
            await self.events.append(appends[start : start + 250])
        return [append.task_id for append in appends]

    async def claim(self, task_ids: list[UUID], lease_seconds: float = 60.0) -> None:
        appends: list[Append] = []
        for task_id in task_ids:
            task = await tasks.load(self.events, task_id)
            appends.append(tasks.claim(task, "a-worker", lease_seconds))
        await self.events.append(appends)

    async def dispatched(self) -> list[UUID]:
        """The tasks that are dispatched and unclaimed, in the order in which they were sent."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT task_id FROM outbox WHERE dispatch_number IS NOT NULL"
                " ORDER BY dispatch_number"
            )
        return [row["task_id"] for row in rows]

    async def now(self) -> datetime:
        """The database's time."""
        async with self._database.connection() as connection:
            moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return moment

    async def view(self, task_id: UUID) -> TaskView:
        view = await self._queries.view(task_id)
        assert view is not None
        return view


@pytest.fixture
def processes(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[System]:
    """A place for relay processes."""
    with system(database_url, rabbitmq_url, tmp_path) as made:
        made.settings |= {"RELAY_POLL_SECONDS": "0.1", "REDISPATCH_SECONDS": NEVER}
        # There is no worker, whose claims would make the window wider.
        made.settings["DISPATCH_WINDOW_LEAST"] = "64"
        yield made


@pytest.fixture
async def log(database_url: str) -> AsyncIterator[Log]:
    database = Database(database_url, size=4, application_name="test")
    yield Log(database)
    await database.close()


@pytest.fixture
async def looker(rabbitmq_url: str) -> AsyncIterator[Operator]:
    async with operator(rabbitmq_url) as made:
        yield made


async def in_queue(looker: Operator, count: int, within: float = 10.0) -> None:
    async def holds() -> bool:
        return await looker.ready() == count

    await eventually(holds, within, f"{count} messages in the queue")


async def dispatched(log: Log, count: int) -> bool:
    return len(await log.dispatched()) == count


async def working(relay: Process) -> None:
    await eventually(lambda: is_fresh(relay.heartbeat_path), 20, "a heartbeat")


async def test_every_task_gets_one_message(processes: System, log: Log, looker: Operator) -> None:
    processes.relay(DISPATCH_WINDOW_LEAST="1000")
    await log.submit(1_500)
    await in_queue(looker, 1_000, within=20)
    assert await looker.ready() == 1_000


async def test_a_wake_up_beats_the_poll(
    processes: System, log: Log, looker: Operator, database_url: str
) -> None:
    relay = processes.relay(RELAY_POLL_SECONDS=NEVER)
    await working(relay)
    notifier = OutboxNotifier(database_url)
    # Until the pauses between polls have grown to seconds, polling alone would find the tasks.
    for count in range(1, 40):
        await log.submit(1)
        notifier.wake()
        await in_queue(looker, count, within=1)
    await notifier.close()


async def test_the_window_bounds_what_is_in_the_queue(
    processes: System, log: Log, looker: Operator
) -> None:
    await log.submit(5_000)
    processes.relay()
    await in_queue(looker, 64, within=20)
    await eventually(lambda: dispatched(log, 64))
    await log.claim((await log.dispatched())[:40])
    await in_queue(looker, 104)
    assert await looker.ready() == 104


async def test_a_task_goes_out_when_its_time_has_come(
    processes: System, log: Log, looker: Operator
) -> None:
    start = await log.now() + timedelta(seconds=2)
    labels = Labels(not_before=start)
    held = await tasks.put(log.events, tasks.submission(labels=labels))
    processes.relay()
    (task_id,) = await log.submit(1)
    await in_queue(looker, 1, within=20)
    assert await log.dispatched() == [task_id]
    await in_queue(looker, 2)
    view = await log.view(held.task_id)
    assert view.labels == labels
    assert await log.now() >= start


async def test_a_purged_queue_is_filled_again(
    processes: System, log: Log, looker: Operator
) -> None:
    processes.relay(REDISPATCH_SECONDS="1")
    await log.submit(50)
    await in_queue(looker, 50, within=20)
    await looker.purge()
    # On a busy machine the relay starts to watch anew whenever it was held up for half a second.
    await in_queue(looker, 50, within=40)


async def test_a_lost_message_is_sent_again_once_later_ones_were_claimed(
    processes: System, log: Log, looker: Operator
) -> None:
    processes.relay(REDISPATCH_SECONDS="1")
    await log.submit(50)
    await in_queue(looker, 50, within=20)
    await eventually(lambda: dispatched(log, 50))
    lost, *others = await log.dispatched()
    message = await looker.get()
    assert message is not None
    assert str(lost) in message.decode()
    await log.claim(others[:40])
    # The messages of the claimed ones are still there, so the queue is never empty.
    await in_queue(looker, 50)


async def test_a_deleted_queue_is_filled_again_at_once(
    processes: System, log: Log, looker: Operator
) -> None:
    processes.relay()
    await log.submit(50)
    await in_queue(looker, 50, within=20)
    await looker.delete_queue()
    await in_queue(looker, 50, within=5)


async def test_a_deleted_vhost_costs_nothing_once_it_is_back(
    processes: System,
    log: Log,
    rabbitmq_server: servers.BrokerServer,
    rabbitmq_vhost: str,
    rabbitmq_url: str,
) -> None:
    processes.relay()
    await log.submit(50)
    async with operator(rabbitmq_url) as looker:
        await in_queue(looker, 50, within=20)
    rights = f"/api/permissions/{rabbitmq_vhost}/{rabbitmq_server.user}"
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    await asyncio.to_thread(rabbitmq_server.manage, "DELETE", f"/api/vhosts/{rabbitmq_vhost}")
    await asyncio.to_thread(rabbitmq_server.manage, "PUT", f"/api/vhosts/{rabbitmq_vhost}")
    await asyncio.to_thread(rabbitmq_server.manage, "PUT", rights, everything)
    async with operator(rabbitmq_url) as looker:
        await in_queue(looker, 50, within=15)


async def test_a_broker_that_goes_and_comes_costs_nothing(
    processes: System, log: Log, rabbitmq_server: servers.BrokerServer, rabbitmq_url: str
) -> None:
    relay = processes.relay()
    await working(relay)
    await log.submit(10)
    async with operator(rabbitmq_url) as looker:
        await in_queue(looker, 10, within=20)
    await asyncio.to_thread(rabbitmq_server.stop)
    await log.submit(10)
    await eventually(lambda: "Dispatch waits" in relay.log())
    await asyncio.to_thread(rabbitmq_server.start)
    async with operator(rabbitmq_url) as looker:
        await in_queue(looker, 20, within=15)
    assert relay.log().count("Dispatch waits") == 1


async def test_a_database_that_goes_and_comes_costs_nothing(
    processes: System, log: Log, looker: Operator, postgres_server: servers.DatabaseServer
) -> None:
    relay = processes.relay()
    await working(relay)
    await log.submit(10)
    await in_queue(looker, 10)
    await asyncio.to_thread(postgres_server.stop)
    await eventually(lambda: not is_fresh(relay.heartbeat_path), 15)
    await asyncio.to_thread(postgres_server.start)
    await log.submit(10)
    await in_queue(looker, 20, within=15)
    await working(relay)


async def test_of_two_relays_one_publishes(processes: System, log: Log, looker: Operator) -> None:
    relays = [processes.relay("one"), processes.relay("two")]
    for relay in relays:
        await working(relay)
    await log.submit(60)
    await in_queue(looker, 60)
    assert sum("Leading" in relay.log() for relay in relays) == 1
    assert sum("Standing by" in relay.log() for relay in relays) == 1


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_another_relay_takes_over_within_seconds(
    processes: System, log: Log, looker: Operator, how: str
) -> None:
    relays = [processes.relay("one"), processes.relay("two")]
    for relay in relays:
        await working(relay)
    (leader,) = [relay for relay in relays if "Leading" in relay.log()]
    (other,) = [relay for relay in relays if relay is not leader]
    await log.submit(10)
    # A crash between confirm and record sends again what was not recorded, as it should.
    await eventually(lambda: dispatched(log, 10))
    await in_queue(looker, 10)
    getattr(leader, how)()
    await log.submit(10)
    await in_queue(looker, 20, within=5)
    assert "Leading" in other.log()
    if how == "pause":
        # The one that wakes up sends once more what is not recorded by then.
        await eventually(lambda: dispatched(log, 20))
        leader.resume()
        await eventually(lambda: leader.log().count("Standing by") == 1)
        await log.submit(10)
        await in_queue(looker, 30)


async def test_a_lost_worker_costs_one_attempt(
    processes: System, log: Log, looker: Operator
) -> None:
    relay = processes.relay(LEASE_SECONDS="0.2", MAX_ATTEMPTS="2")
    (task_id,) = await log.submit(1)
    await in_queue(looker, 1, within=20)
    await log.claim([task_id], lease_seconds=0.2)

    async def has(status: Status) -> bool:
        return (await log.view(task_id)).status is status

    await eventually(lambda: has(Status.PENDING), 10)
    await in_queue(looker, 2)
    await log.claim([task_id], lease_seconds=0.2)
    await eventually(lambda: has(Status.FAILED), 10)
    view = await log.view(task_id)
    assert view.error_code == "worker_lost"
    assert [entry.status for entry in view.history] == [
        "pending", "processing", "pending", "processing", "failed",
    ]  # fmt: skip
    assert relay.log().count("its lease ran out") == 2


async def test_a_new_leader_lets_two_leases_pass(
    processes: System, log: Log, looker: Operator
) -> None:
    (task_id,) = await log.submit(1)
    await log.claim([task_id], lease_seconds=0.1)
    began = asyncio.get_running_loop().time()
    processes.relay(LEASE_SECONDS="2")

    async def requeued() -> bool:
        return (await log.view(task_id)).status is Status.PENDING

    await eventually(requeued, 20)
    assert asyncio.get_running_loop().time() - began >= 4.0


async def test_dead_letters_about_tasks_are_settled_and_others_kept(
    processes: System, log: Log, looker: Operator
) -> None:
    relay = processes.relay()
    await working(relay)
    (task_id,) = await log.submit(1)
    await in_queue(looker, 1)
    body = await looker.get()
    assert body is not None
    task = await tasks.load(log.events, task_id)
    await looker.put(b"not a task", DEAD_QUEUE)
    await looker.put(body, DEAD_QUEUE, str(task.last_event_id))
    await eventually(lambda: "A dead letter is kept" in relay.log(), 15)

    async def only_the_other_is_left() -> bool:
        return await looker.ready(DEAD_QUEUE) == 1

    await eventually(only_the_other_is_left)
    assert "A dead letter was put right" in relay.log()
    await in_queue(looker, 1)
    history = (await log.events.histories([task_id]))[task_id]
    assert [event.metadata.actor for event in history.events] == ["test", "relay"]
    assert await looker.get(DEAD_QUEUE) == b"not a task"


async def test_sigterm_ends_it_in_good_order(processes: System, log: Log, looker: Operator) -> None:
    relays = [processes.relay("one"), processes.relay("two")]
    for relay in relays:
        await working(relay)
    await log.submit(100)
    for relay in relays:
        assert await asyncio.to_thread(relay.stop, 10) == 0
        assert "Traceback" not in relay.log()
        assert not relay.heartbeat_path.exists()


async def test_it_is_small(processes: System) -> None:
    relay = processes.relay()
    await working(relay)
    assert psutil.Process(relay.pid).memory_info().rss < 100 * 2**20


def test_it_imports_neither_the_simulator_nor_the_web_server() -> None:
    program = (
        "import sys, relay.__main__;"
        "print([name for name in ('qiskit', 'qiskit_aer', 'starlette') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout.strip() == "[]"
