"""What a fault has to work with: the topology, the clients, the truth, and its own chance."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import psutil

from tests.faults.chaos import circuits
from tests.faults.chaos.load import Load
from tests.faults.chaos.metrics import scrape
from tests.faults.chaos.truth import Truth
from tests.support.topology import Member, Topology

POLL_SECONDS = 0.05
BITE_SECONDS = 20.0
RESTART_SECONDS = 60.0
RUNS_AFTER_SECONDS = 0.25


class DidNotBite(Exception):
    """The fault was made and met nothing that it could have harmed."""


class NotAvailable(Exception):
    """This machine lacks what the fault needs; the message says what."""


class Broken(AssertionError):
    """ketlog did something that it must never do; the message says what."""


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run that ended with its worker.

    Attributes:
        at: seconds since the epoch, when the worker was killed.
        alone: whether no other fault was made at the time.
    """

    task_id: UUID
    attempt: int
    at: float
    alone: bool


@dataclass
class Ledger:
    """What the faults have measured.

    Attributes:
        takeovers: seconds from the end of a leader to the next one's beginning.
        drains: seconds from SIGTERM to the end of a process.
        lost_runs: what killed workers were running.
    """

    takeovers: list[float] = field(default_factory=list)
    drains: list[float] = field(default_factory=list)
    lost_runs: list[LostRun] = field(default_factory=list)


@dataclass
class Stage:
    """One fault's view of everything.

    Attributes:
        chance: decides on whom and how much; seeded by the schedule.
        alone: whether no other fault is made meanwhile.
    """

    topology: Topology
    load: Load
    truth: Truth
    ledger: Ledger
    chance: random.Random = field(default_factory=random.Random)
    alone: bool = True

    def any(self, *kinds: str, proxied: bool = False) -> Member:
        """Choose a process of these kinds."""
        members = [
            member
            for kind in kinds
            for member in self.topology.of_kind(kind)
            if not proxied or member.proxies
        ]
        return self.chance.choice(members)

    async def leader(self) -> Member:
        """Return the relay that leads, once one does."""
        found: list[Member] = []

        async def known() -> bool:
            for relay in self.topology.of_kind("relay"):
                if relay.running and (await scrape(relay)).get("leading"):
                    found.append(relay)
                    return True
            return False

        await self.until(known, "a relay leads")
        return found[0]

    async def takeover(self, former: Member, since: float) -> Member:
        """Return the relay that leads after another one, and note how long that took.

        Args:
            since: `time.monotonic()` of the former leader's end.
        """
        heirs = [relay for relay in self.topology.of_kind("relay") if relay is not former]

        async def led() -> bool:
            return any([(await scrape(heir)).get("leading") for heir in heirs if heir.running])

        await self.until(led, "another relay leads")
        self.ledger.takeovers.append(time.monotonic() - since)
        return await self.leader()

    async def busy_worker(self, seconds: float = 2.0) -> tuple[Member, UUID]:
        """Return a worker and the task that it runs, which takes about so many seconds."""
        task_id = await self.load.submit(circuits.long(seconds))
        workers = {worker.name: worker for worker in self.topology.of_kind("worker")}
        claimed: tuple[str, int] | None = None
        since = 0.0

        async def runs() -> bool:
            nonlocal claimed, since
            status, _ = await self.truth.attempt(task_id)
            if status in {"completed", "failed"}:
                raise DidNotBite("the task was too quick")
            held = await self.truth.holder(task_id)
            if held != claimed:
                claimed, since = held, time.monotonic()
            # What only waits behind another run is handed back before so long.
            return claimed is not None and time.monotonic() - since > RUNS_AFTER_SECONDS

        await self.until(runs, "a worker runs a task")
        assert claimed is not None
        return workers[claimed[0]], task_id

    async def publishes(self, relay: Member) -> None:
        """Wait until a relay that was just made the leader has sent messages."""
        before = (await scrape(relay)).get("messages published", 0.0)

        async def published() -> bool:
            return (await scrape(relay)).get("messages published", 0.0) > before

        await self.until(published, f"{relay.name} publishes")

    async def messages_wait(self, count: int = 3) -> None:
        """Wait until the broker holds messages for so many tasks that nobody has claimed."""
        query = "SELECT count(*) FROM outbox WHERE dispatch_number IS NOT NULL"

        async def wait() -> bool:
            return int(await self.truth.value(query)) >= count

        await self.until(wait, "messages wait")

    async def completes(self, worker: Member) -> None:
        """Wait until a worker that was just started has completed a task."""

        async def completed() -> bool:
            return bool((await scrape(worker)).get("completed"))

        await self.until(completed, f"{worker.name} completes a task", RESTART_SECONDS)

    async def until(
        self, condition: Callable[[], Awaitable[bool]], what: str, within: float = BITE_SECONDS
    ) -> None:
        """Wait for a condition that the fault needs.

        Raises:
            DidNotBite: it does not come.
        """
        deadline = time.monotonic() + within
        while not await condition():
            if time.monotonic() > deadline:
                raise DidNotBite(f"not within {within:g} s: {what}")
            await asyncio.sleep(POLL_SECONDS)

    async def held(self, event: asyncio.Event, what: str, within: float = BITE_SECONDS) -> None:
        """Wait for something that a proxy sees; raises `DidNotBite`."""
        try:
            await asyncio.wait_for(event.wait(), within)
        except TimeoutError:
            raise DidNotBite(f"not within {within:g} s: {what}") from None

    async def kill(self, member: Member) -> float:
        """SIGKILL a process; returns when, in seconds since the epoch."""
        at = time.time()
        await asyncio.to_thread(member.process.kill)
        return at

    async def kill_worker(self, worker: Member) -> None:
        """SIGKILL a worker, and note what it was running."""
        held = (await self.truth.leases()).get(worker.name, [])
        at = await self.kill(worker)
        self.ledger.lost_runs += [
            LostRun(task_id, attempt, at, self.alone) for task_id, attempt in held
        ]

    async def terminate(self, member: Member) -> None:
        """SIGTERM a process and wait for its orderly end.

        Raises:
            Broken: it took too long, or ended with an error.
        """
        began = time.monotonic()
        try:
            code = await asyncio.to_thread(member.process.stop, RESTART_SECONDS)
        except TimeoutError:
            code = -1
        took = time.monotonic() - began
        self.ledger.drains.append(took)
        if code != 0:
            raise Broken(f"{member.name} ended with {code} {took:.1f} s after SIGTERM")

    async def start(self, member: Member) -> None:
        """Start a process that has ended, and wait until it is at work."""
        await asyncio.to_thread(member.process.start)
        await self.ready(member)

    async def ready(self, member: Member) -> None:
        """Wait until a process is at work."""

        async def ready() -> bool:
            return await asyncio.to_thread(member.ready)

        await self.until(ready, f"{member.name} is ready", RESTART_SECONDS)


def simulators(worker: Member) -> list[psutil.Process]:
    """Return the simulator processes of a worker."""
    return [
        child
        for child in psutil.Process(worker.process.pid).children()
        if "infrastructure.quantum.child" in child.cmdline()
    ]
