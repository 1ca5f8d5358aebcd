"""What live reading costs and how late it is: `python -m bench.streams`.

One API as it is shipped, on a private PostgreSQL. Tasks are submitted, claimed and completed in the
log at a steady pace, as relay and worker would, while a client in a process of its own listens.
Lateness counts from the time that the database has recorded to the arrival at the client.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from tempfile import NamedTemporaryFile

from bench.generate import execution
from bench.listen import Heard, Order
from bench.load import SHOTS, run_load
from bench.load import Order as LoadOrder
from bench.machine import CHECKOUT, machine
from bench.memory import resident
from bench.processor import tree_seconds
from bench.stack import Installation, Process, Servers
from bench.submissions import submission
from domain.codec import to_json
from domain.log import Append, Appended, RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.task import Claim, Command, Complete, Task, decide, evolve
from infrastructure.local.ports import LOOPBACK, wait_until
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog

MIB = 2**20
_READERS = re.compile(r'^ketlog_readers\{kind="\w+"\} (\S+)$', re.MULTILINE)
WORKER = "bench"
LEASE_SECONDS = 60.0


class Lives:
    """Tasks that are born, run and end in the log."""

    def __init__(self, log: PostgresEventLog) -> None:
        self._log = log
        self._number = 0

    async def submit(self, count: int) -> list[Task]:
        """Submit so many tasks in one transaction."""
        appends = [submission(self._number + number) for number in range(count)]
        self._number += count
        return await self._store(appends, [None] * count)

    async def claim(self, tasks: Sequence[Task]) -> list[Task]:
        """Have a worker claim tasks."""
        return await self._follow(tasks, lambda _task: (Claim(WORKER), ()))

    async def complete(self, tasks: Sequence[Task]) -> list[Task]:
        """Have a worker complete tasks."""
        body = to_json({"00": SHOTS // 2, "11": SHOTS // 2}).encode()

        def ends(task: Task) -> tuple[Command, tuple[Payload, ...]]:
            result = Payload(PayloadKind.RESULT, body)
            record = execution(WORKER, task.attempt, SHOTS, 7)
            return Complete(task.attempt, result.commitment(), record), (result,)

        return await self._follow(tasks, ends)

    async def _follow(
        self,
        tasks: Sequence[Task],
        command_of: Callable[[Task], tuple[Command, tuple[Payload, ...]]],
    ) -> list[Task]:
        appends = []
        for task in tasks:
            command, payloads = command_of(task)
            metadata = task.metadata.followed_by(f"worker/{WORKER}", task.last_event_id)
            event = decide(task, command)
            appends.append(
                Append(task.task_id, task.version, event, metadata, payloads, LEASE_SECONDS)
            )
        return await self._store(appends, tasks)

    async def _store(self, appends: Sequence[Append], tasks: Sequence[Task | None]) -> list[Task]:
        moved = []
        results = await self._log.append(appends)
        for task, append, result in zip(tasks, appends, results, strict=True):
            assert isinstance(result, Appended), result
            recorded = RecordedEvent(
                append.event_id,
                append.task_id,
                result.version,
                append.event,
                append.metadata,
                result.recorded_at,
            )
            moved.append(evolve(task, recorded))
        return moved


@dataclass(frozen=True, slots=True)
class Bench:
    """An API, the log under it, and what is asked of them.

    Attributes:
        subscribers: streams or waiting requests at a time.
        per_second: tasks, each of which has three events, where everybody listens to everything.
        seconds: length of each part.
    """

    api: Process
    lives: Lives
    subscribers: int
    per_second: float
    seconds: float

    @property
    def tasks(self) -> int:
        """Tasks of one part."""
        return int(self.per_second * self.seconds)

    async def paced(self, count: int, step: Callable[[int], Awaitable[object]]) -> None:
        """Take steps at a steady pace, all within the length of a part."""
        began = time.perf_counter()
        for number in range(count):
            due = began + number * self.seconds / count
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await step(number)

    async def whole_log(self) -> None:
        """Everybody listens to everything."""

        async def one(_number: int) -> None:
            tasks = await self.lives.submit(1)
            await self.lives.complete(await self.lives.claim(tasks))

        with self._listening(["/stream"] * self.subscribers, 3 * self.tasks, "/stream"):
            await self.paced(self.tasks, one)

    async def single_tasks(self) -> None:
        """Everybody follows a task of its own."""
        tasks = await self.lives.submit(self.subscribers)
        paths = [f"/tasks/{task.task_id}/stream" for task in tasks]

        async def one(number: int) -> None:
            await self.lives.complete(await self.lives.claim([tasks[number]]))

        # The submission is told as well, and it is as old as the connections took.
        with self._listening(paths, 3, "/tasks/{id}/stream", skip=1):
            await self.paced(self.subscribers, one)

    async def waiting(self) -> None:
        """Everybody waits for the end of a task of its own."""
        tasks = await self.lives.claim(await self.lives.submit(self.subscribers))
        paths = [f"/tasks/{task.task_id}?wait=60" for task in tasks]

        async def one(number: int) -> None:
            await self.lives.complete([tasks[number]])

        with self._listening(paths, 0, "?wait=60"):
            await self.paced(self.subscribers, one)

    async def others(self) -> None:
        """Somebody looks at tasks, alone and while everybody listens to everything."""
        done = await self.lives.complete(await self.lives.claim(await self.lives.submit(500)))
        with NamedTemporaryFile("w", suffix=".ids") as ids:
            ids.write("\n".join(str(task.task_id) for task in done))
            ids.flush()
            order = LoadOrder(self.api.port, self.seconds, ids=ids.name, connections=4)
            alone = await asyncio.to_thread(run_load, order)

            async def one(_number: int) -> None:
                tasks = await self.lives.submit(1)
                await self.lives.complete(await self.lives.claim(tasks))

            with self._listening(["/stream"] * self.subscribers, 3 * self.tasks, "/stream, others"):
                beside, _ = await asyncio.gather(
                    asyncio.to_thread(run_load, order), self.paced(self.tasks, one)
                )
        for name, seen in (("alone", alone), ("beside them", beside)):
            print(
                f"GET /tasks/{{id}} {name}: {seen.per_second:.0f}/s, "
                f"p50 {seen.p50_ms:.1f} ms, p99 {seen.p99_ms:.1f} ms",
                flush=True,
            )

    def _readers(self) -> int:
        """Return how many readers the API says it has."""
        url = f"http://{LOOPBACK}:{self.api.port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        return sum(int(float(count)) for count in _READERS.findall(text))

    @contextmanager
    def _listening(
        self, paths: Sequence[str], events: int, what: str, skip: int = 0
    ) -> Iterator[None]:
        order = Order(self.api.port, paths, events, skip)
        before = resident(self.api.pid)
        with subprocess.Popen(
            [sys.executable, "-m", "bench.listen"],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(json.dumps(asdict(order)) + "\n")
            client.stdin.flush()
            assert client.stdout.readline() == "listening\n"
            wait_until(lambda: self._readers() == len(paths), what="readers", timeout=60)
            opened = resident(self.api.pid)
            processor, began = tree_seconds(self.api.pid), time.perf_counter()
            yield
            heard = Heard(**json.loads(client.stdout.readline()))
            took = time.perf_counter() - began
            used = (tree_seconds(self.api.pid) - processor) / took
        kilobytes = (opened - before) / len(paths) / 1024
        print(
            f"{what:20} {len(paths)} at a time: {heard.arrivals} arrivals, lateness "
            f"p50 {heard.p50_ms:.1f} ms, p99 {heard.p99_ms:.1f} ms, most {heard.most_ms:.1f} ms; "
            f"API {before / MIB:.0f} MB before, {opened / MIB:.0f} MB with them "
            f"({kilobytes:.0f} kB each), {resident(self.api.pid) / MIB:.0f} MB after; "
            f"{100 * used:.0f} % of a processor",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--per-second", type=float, default=10.0, help="tasks, of 3 events each")
    parser.add_argument("--seconds", type=float, default=15.0, help="of the stream of the log")
    parser.add_argument("--only", default="", help="one part: log, tasks, wait, others")
    options = parser.parse_args()
    print(json.dumps(machine()))
    with Servers() as servers:
        installation = servers.installation(broker=False)
        with installation.api(OTEL_SDK_DISABLED="true") as api:
            asyncio.run(_measure(installation, api, options))


async def _measure(installation: Installation, api: Process, options: argparse.Namespace) -> None:
    database = Database(installation.dsn, size=2, application_name="bench")
    bench = Bench(
        api,
        Lives(PostgresEventLog(database)),
        options.subscribers,
        options.per_second,
        options.seconds,
    )
    parts = {
        "log": bench.whole_log,
        "tasks": bench.single_tasks,
        "wait": bench.waiting,
        "others": bench.others,
    }
    for name, part in parts.items():
        if options.only in {"", name}:
            await part()
    await database.close()


if __name__ == "__main__":
    main()
