"""A big log for the benchmarks: `python -m bench.generate --database-url URL --tasks 100000`.

Every event goes through the domain and the append statement, as the processes' own do: hashes,
payloads, projection, outbox and leases are what a real run would have left behind. Three events a
task on average; the lives of neighbouring tasks are interleaved in the log.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence

from domain.codec import to_json
from domain.events import RequeueReason
from domain.execution import RunFailed, RunOptions
from domain.identifiers import new_traceparent, uuid7
from domain.log import Append, Appended, Metadata, RecordedEvent
from domain.payloads import Payload, PayloadKind
from domain.task import Cancel, Claim, Command, Complete, Fail, GiveUp, Submit, Task, decide, evolve
from infrastructure.postgres.connect import Database
from infrastructure.postgres.event_log import PostgresEventLog

BATCH = 1_000
CIRCUIT = b"OPENQASM 3; qubit[2] q; bit[2] c; h q[0]; cx q[0], q[1]; c = measure q;"
SECONDS_LEASED = 3600.0

_LIVES = (
    (905, ("claim", "complete")),
    (40, ("claim", "fail")),
    (25, ("claim", "lose", "claim", "complete")),
    (12, ("cancel",)),
    (12, ("claim",)),
    (6, ()),
)
"""How often, in a thousand, what follows the submission."""


def main() -> None:
    """Fill a migrated database."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", required=True, help="a migrated database")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    events = asyncio.run(generate(options.database_url, options.tasks, options.seed))
    took = time.perf_counter() - began
    print(f"{options.tasks} tasks, {events} events in {took:.1f} s ({events / took:.0f}/s)")


async def generate(dsn: str, tasks: int, seed: int = 1) -> int:
    """Put so many tasks into a log; returns the number of events."""
    database = Database(dsn, size=2, application_name="ketlog bench")
    try:
        return await _Generator(PostgresEventLog(database), random.Random(seed)).run(tasks)
    finally:
        await database.close()


class _Generator:
    """Lives of tasks, a step at a time, so that neighbours are interleaved."""

    def __init__(self, log: PostgresEventLog, chance: random.Random) -> None:
        self._log = log
        self._chance = chance
        self._events = 0

    async def run(self, tasks: int) -> int:
        """Append batch after batch: new submissions, and the next steps of earlier tasks."""
        left = tasks
        living: list[tuple[Task, Sequence[str]]] = []
        while left or living:
            new = [self._submission() for _ in range(min(left, BATCH // 2))]
            left -= len(new)
            next_up, living = living[: BATCH - len(new)], living[BATCH - len(new) :]
            following = [self._following(task, steps[0]) for task, steps in next_up]
            born = await self._append(new, [None] * len(new))
            moved = await self._append(following, [task for task, _ in next_up])
            living += [
                (task, steps[1:])
                for task, (_, steps) in zip(moved, next_up, strict=True)
                if steps[1:]
            ]
            lives = self._chance.choices(
                [steps for _, steps in _LIVES], [often for often, _ in _LIVES], k=len(born)
            )
            living += [(task, steps) for task, steps in zip(born, lives, strict=True) if steps]
        return self._events

    async def _append(self, appends: list[Append], tasks: Sequence[Task | None]) -> list[Task]:
        if not appends:
            return []
        results = await self._log.append(appends)
        self._events += len(appends)
        moved = []
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

    def _submission(self) -> Append:
        circuit = Payload(PayloadKind.CIRCUIT, CIRCUIT)
        event = decide(None, Submit(RunOptions(shots=1024), circuit.commitment()))
        traceparent = new_traceparent()
        metadata = Metadata(traceparent[3:35], traceparent, "api")
        return Append(uuid7(), 0, event, metadata, (circuit,))

    def _following(self, task: Task, step: str) -> Append:
        command, payloads = self._command(task, step)
        metadata = task.metadata.followed_by(f"worker/{_worker(task)}", task.last_event_id)
        event = decide(task, command)
        return Append(task.task_id, task.version, event, metadata, payloads, SECONDS_LEASED)

    def _command(self, task: Task, step: str) -> tuple[Command, tuple[Payload, ...]]:
        match step:
            case "claim":
                return Claim(_worker(task)), ()
            case "complete":
                zeros = self._chance.randrange(450, 575)
                counts = to_json({"00": zeros, "11": task.options.shots - zeros}).encode()
                result = Payload(PayloadKind.RESULT, counts)
                record = execution(
                    _worker(task), task.attempt, task.options.shots, self._chance.randrange(2**63)
                )
                return Complete(task.attempt, result.commitment(), record), (result,)
            case "fail":
                failure = RunFailed("parse_error", "a semicolon is missing", 1, 12)
                return Fail(task.attempt, failure), ()
            case "lose":
                reason = RequeueReason.WORKER_LOST
                return GiveUp(task.attempt, reason, "its lease ran out"), ()
            case _:
                return Cancel("asked for by the client"), ()


def _worker(task: Task) -> str:
    return f"worker-{task.task_id.int % 8}"


def execution(worker_id: str, attempt: int, shots: int, seed: int) -> dict[str, object]:
    """Return as much as the engine records of a small circuit."""
    return {
        "seed": seed,
        "method": "stabilizer",
        "method_reason": "The circuit has only Clifford gates.",
        "shots": shots,
        "sampler": "exact_probabilities",
        "generator": "philox4x64-10",
        "circuit_sha256": "5f7a" * 16,
        "normalised_sha256": "93b1" * 16,
        "openqasm": "3.0",
        "measure_all": False,
        "qubits": 2,
        "clbits": 2,
        "depth": 3,
        "operations": {"measure": 2, "h": 1, "cx": 1},
        "simulated_qubits": 2,
        "estimated_memory_bytes": 4096,
        "peak_memory_bytes": 189_000_000,
        "versions": {
            "ketlog": "0.1.0",
            "python": "3.11.2",
            "qiskit": "2.6.2",
            "qiskit_aer": "0.18.2",
            "numpy": "2.4.1",
        },
        "simulator": {
            "device": "CPU",
            "precision": "double",
            "max_parallel_threads": 1,
            "max_parallel_experiments": 1,
            "max_parallel_shots": 1,
            "max_memory_mb": 4096,
        },
        "cpu": "x86_64",
        "durations": {"parse": 0.000412, "compile": 0.000233, "run": 0.000871},
        "worker_id": worker_id,
        "attempt": attempt,
        "waited_seconds": 0.000321,
    }


if __name__ == "__main__":
    main()
