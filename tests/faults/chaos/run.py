"""One chaos run: start everything, let faults happen under load, let it come to rest, judge."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.chaos import circuits
from tests.faults.chaos.load import Load
from tests.faults.chaos.logs import LogCounts, read_logs
from tests.faults.chaos.metrics import Sampler
from tests.faults.chaos.scenario import Part, Scenario
from tests.faults.chaos.schedule import Planned, Round, rounds
from tests.faults.chaos.stage import Broken, DidNotBite, Ledger, NotAvailable, Stage
from tests.faults.chaos.truth import Truth
from tests.faults.chaos.verdict import Verdict, judge
from tests.support.topology import Topology, topology

RECOVERY_SECONDS = 60.0
SETTLE_SECONDS = 60.0
PASS_MINUTES = 2.0
AFTERMATH_SECONDS = 6.0
"""So long after most faults no lease counts as lost; a fault of one worker alone waits for that."""
WARM_UP_SECONDS = 2.0
POLL_SECONDS = 0.05
ALL_IS_SEALED = """
    SELECT (SELECT count(*) FROM events) = coalesce((SELECT max(size) FROM checkpoints), 0)
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for.

    It ends after the passes, or once the minutes are over and every kind of fault was made at least
    once for every two of them.
    """

    minutes: float
    passes: int
    seed: int
    rate: float

    def over(self, seconds: float, planned: Round) -> bool:
        """Tell whether the run ends before that round."""
        done = planned.in_pass - 1
        return done >= self.passes or (
            seconds > 60 * self.minutes and done >= self.minutes / PASS_MINUTES
        )


@dataclass(slots=True)
class Fault:
    """One fault that was made.

    Attributes:
        note: on whom, or why it did not bite.
    """

    scenario: str
    bit: bool
    note: str
    available: bool = True


@dataclass(slots=True)
class Recovered:
    """A round, and how long the system took to recover from it."""

    faults: list[Fault]
    seconds: float | None


@dataclass
class Outcome:
    """All that a run has shown."""

    options: Options
    rounds: list[Recovered] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    load_seconds: float = 0.0
    answers: Mapping[int, int] = field(default_factory=dict)
    submitted: int = 0
    accepted: int = 0
    refused: int = 0
    unknown: int = 0
    cancelled: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    logs: LogCounts = field(default_factory=LogCounts)
    memory: dict[str, tuple[int, int]] = field(default_factory=dict)
    verdict: Verdict | None = None

    @property
    def faults(self) -> list[Fault]:
        """Every fault of every round."""
        return [fault for made in self.rounds for fault in made.faults]


class Run:
    """Makes faults by the schedule until the time is over.

    Args:
        say: prints a line.
        progress: shows where the run is.
    """

    def __init__(
        self,
        options: Options,
        scenarios: Mapping[str, Scenario],
        say: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._options = options
        self._scenarios = scenarios
        self._say = say
        self._progress = progress
        self._outcome = Outcome(options)
        self._over_at = 0.0

    async def run(self, folder: Path) -> Outcome:
        """Run everything; logs and heartbeats of the processes go to the folder."""
        async with topology(folder) as everything:
            self._say("Two APIs, two relays and three workers are ready.")
            urls = [api.url for api in everything.of_kind("api")]
            async with Load(urls, self._options.rate, self._options.seed) as load:
                await self._torment(everything, load)
        return self._outcome

    async def _torment(self, everything: Topology, load: Load) -> None:
        outcome, truth, sampler = self._outcome, Truth(everything.database_url), Sampler(everything)
        before = _memory(everything)
        sampling = asyncio.create_task(sampler.run())
        stage = Stage(everything, load, truth, outcome.ledger)
        began = time.monotonic()
        load.start()
        await asyncio.sleep(WARM_UP_SECONDS)
        for planned in rounds(self._options.seed, self._scenarios):
            if self._options.over(time.monotonic() - began, planned):
                break
            if not await self._round(planned, stage, began):
                break
        outcome.load_seconds = time.monotonic() - began
        await self._settle(load, truth)
        await sampler.sample()
        sampling.cancel()
        after = _memory(everything)
        outcome.memory = {name: (before[name], after[name]) for name in before}
        outcome.counters, outcome.logs = sampler.totals, read_logs(everything)
        await truth.close()
        self._progress("checking")
        # Judging keeps this process busy, and with it the proxies: nobody may need them any more.
        await asyncio.to_thread(everything.system.end)
        outcome.verdict = await judge(everything, load.notes, outcome.ledger.lost_runs)

    async def _round(self, planned: Round, stage: Stage, began: float) -> bool:
        """Make the faults of a round; tells whether the system has recovered from them."""
        alone = len(planned.faults) == 1
        self._progress(f"round {planned}")
        if alone and Part.WORKER in self._scenarios[planned.faults[0].scenario].touches:
            await asyncio.sleep(self._over_at + AFTERMATH_SECONDS - time.monotonic())
        faults = await asyncio.gather(
            *(self._make(fault, stage, alone) for fault in planned.faults)
        )
        self._over_at = time.monotonic()
        seconds = await self._recover(stage)
        self._outcome.rounds.append(Recovered(list(faults), seconds))
        done = " + ".join(
            f"{fault.scenario} ({fault.note}{'' if fault.bit else ', DID NOT BITE'})"
            for fault in faults
        )
        end = "no recovery" if seconds is None else f"recovered in {seconds:.1f} s"
        told = len(stage.load.notes.accepted)
        self._say(f"{time.monotonic() - began:6.1f} s  {told:6} accepted  {end:20}  {done}")
        return seconds is not None

    async def _make(self, planned: Planned, stage: Stage, alone: bool) -> Fault:
        await asyncio.sleep(planned.delay)
        act = self._scenarios[planned.scenario].act
        own = Stage(
            stage.topology,
            stage.load,
            stage.truth,
            stage.ledger,
            random.Random(planned.seed),
            alone,
        )
        try:
            return Fault(planned.scenario, bit=True, note=await act(own))
        except DidNotBite as reason:
            return Fault(planned.scenario, bit=False, note=str(reason))
        except NotAvailable as reason:
            return Fault(planned.scenario, bit=False, note=str(reason), available=False)
        except Broken as fault:
            self._outcome.broken.append(f"{planned.scenario}: {fault}")
            return Fault(planned.scenario, bit=True, note=str(fault))

    async def _recover(self, stage: Stage) -> float | None:
        """Wait until all is as before; returns the seconds until tasks went through again.

        The system has recovered when everything that was accepted before the faults ended has
        ended, and what was submitted to each API afterwards has too.
        """
        began, over_at = time.monotonic(), time.time()
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                await self._whole(stage, over_at)
                seconds = time.monotonic() - began
                await self._mend(stage)
        except TimeoutError:
            left = await stage.truth.unfinished(over_at)
            missing = await asyncio.to_thread(stage.topology.not_ready)
            self._outcome.broken.append(
                f"no recovery within {RECOVERY_SECONDS:g} s: {left} tasks wait, not ready: "
                f"{missing or 'none'}"
            )
            return None
        return seconds

    async def _whole(self, stage: Stage, over_at: float) -> None:
        apis = stage.topology.of_kind("api")
        job = circuits.Job(circuits.certain(2), 16, 1)
        probes = await asyncio.gather(*(stage.load.submit(job, [api.url]) for api in apis))
        for probe in probes:
            while (await stage.truth.attempt(probe))[0] != "completed":
                await asyncio.sleep(POLL_SECONDS)
        while await stage.truth.unfinished(over_at):
            await asyncio.sleep(POLL_SECONDS)

    async def _mend(self, stage: Stage) -> None:
        """Start what a fault has left ended, and wait until every process is at work."""
        for member in stage.topology.members.values():
            if not member.running:
                await asyncio.to_thread(member.process.start)
        await stage.topology.wait_ready(RECOVERY_SECONDS)

    async def _settle(self, load: Load, truth: Truth) -> None:
        """Let clients and tasks come to rest; half of the unknown outcomes are asked for again."""
        self._progress("settling")
        outcome, notes = self._outcome, load.notes
        left = await load.stop(SETTLE_SECONDS)
        if left:
            outcome.broken.append(f"{left} clients got no answer within {SETTLE_SECONDS:g} s")
        unknown = notes.open
        await asyncio.wait_for(load.settle(unknown[::2]), SETTLE_SECONDS)
        outcome.answers = dict(load.answers)
        outcome.submitted, outcome.accepted = len(notes.all), len(notes.accepted)
        outcome.cancelled = len(notes.cancelled)
        outcome.refused, outcome.unknown = len(notes.refused), len(unknown)
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline and (
            await truth.unfinished(time.time()) or not await truth.value(ALL_IS_SEALED)
        ):
            await asyncio.sleep(POLL_SECONDS)


def _memory(everything: Topology) -> dict[str, int]:
    return {name: member.memory() for name, member in everything.members.items()}
