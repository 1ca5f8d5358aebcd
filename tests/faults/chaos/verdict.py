"""Holds the log against what the clients were told, and the results against the engine."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from domain.codec import recorded
from domain.events import ProcessingStarted, TaskFailed, TaskRequeued
from domain.status import Status
from tests.faults.chaos.circuits import expected
from tests.faults.chaos.notes import Notes
from tests.faults.chaos.stage import LostRun
from tests.support.invariants import Findings, look
from tests.support.processes import ROOT
from tests.support.topology import Topology

AUDIT_SECONDS = 300
LOST_CODES = frozenset({"worker_lost", "simulator_died"})


@dataclass
class Verdict:
    """What the checker found.

    Attributes:
        attempts: tasks by the number of their last attempt.
        gave_up: tasks that failed because their attempts were used up.
        requeues: seconds from the kill of a worker until what it ran was pending again.
        reruns: the same until its next run began.
        alone: those of them where no other fault was made at the time.
    """

    findings: Findings
    attempts: Counter[int] = field(default_factory=Counter)
    gave_up: int = 0
    requeues: list[float] = field(default_factory=list)
    reruns: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    audits: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be."""
        return self.findings.wrong


async def judge(topology: Topology, notes: Notes, lost_runs: list[LostRun]) -> Verdict:
    """Check everything; nothing runs any more but the servers."""
    connection = await asyncpg.connect(topology.database_url)
    try:
        accepted = [str(note.task_id) for note in notes.accepted]
        possible = [str(note.task_id) for note in notes.open]
        findings = await look(connection, accepted, possible)
        verdict = Verdict(findings)
        verdict.attempts.update(task.attempt for task in findings.tasks.values())
        _check_answers(findings, notes)
        await asyncio.to_thread(_check_results, verdict, notes, await _results(connection))
        _measure_reruns(verdict, lost_runs)
    finally:
        await connection.close()
    verdict.audits = await audit(topology)
    for command, verdict_line in verdict.audits.items():
        if not verdict_line.startswith("OK"):
            findings.wrong.append(f"{command}: {verdict_line}")
    return verdict


def _check_answers(findings: Findings, notes: Notes) -> None:
    """Check what clients were told against each other and against what exists."""
    wrong = [answer for note in notes.all for answer in note.wrong]
    findings.add("answers that no client should get", wrong)
    ids = [note.key for note in notes.all if note.ids - {str(note.task_id)}]
    findings.add("keys were answered with another task", ids)
    existing = findings.streams.keys()
    refused = [str(note.task_id) for note in notes.refused if str(note.task_id) in existing]
    findings.add("tasks exist that were refused before their commit", refused)


def _check_results(
    verdict: Verdict, notes: Notes, results: Mapping[UUID, Mapping[str, int]]
) -> None:
    """Check every result against an undisturbed run with the same seed, and what clients saw."""
    wrong, changed, unexpected, cancels = [], [], [], []
    for note in notes.all:
        task = verdict.findings.tasks.get(str(note.task_id))
        if task is None:
            continue
        counts = dict(results.get(note.task_id, {}))
        if task.status is Status.COMPLETED and (note.job.fails or counts != expected(note.job)):
            wrong.append(str(note.task_id))
        if task.status is Status.FAILED and not note.job.fails:
            if task.error_code in LOST_CODES:
                verdict.gave_up += 1
            else:
                unexpected.append(f"{note.task_id} ({task.error_code})")
        is_cancelled = task.status is Status.CANCELLED
        if is_cancelled is not (note.cancelled if note.cancelled is not None else is_cancelled):
            cancels.append(f"{note.task_id} ({task.status}, told {note.cancelled})")
        if is_cancelled and not note.cancels:
            cancels.append(f"{note.task_id} (nobody asked)")
        if note.seen is not None and note.seen != (task.status, counts):
            changed.append(str(note.task_id))
    verdict.findings.add("results are not those of an undisturbed run", wrong)
    verdict.findings.add("tasks are not cancelled, or are, against what was told", cancels)
    verdict.findings.add("tasks failed that should not have", unexpected)
    verdict.findings.add("tasks are not as a client has seen them ended", changed)


def _measure_reruns(verdict: Verdict, lost_runs: list[LostRun]) -> None:
    for lost in lost_runs:
        following = [
            event
            for event in map(recorded, verdict.findings.streams.get(str(lost.task_id), ()))
            if event.recorded_at.timestamp() >= lost.at
        ]
        if len(following) < 2 or not isinstance(following[0].event, TaskRequeued | TaskFailed):
            continue
        verdict.requeues.append(following[0].recorded_at.timestamp() - lost.at)
        if isinstance(following[1].event, ProcessingStarted):
            seconds = following[1].recorded_at.timestamp() - lost.at
            verdict.reruns.append(seconds)
            if lost.alone:
                verdict.alone.append(seconds)


async def _results(connection: asyncpg.Connection) -> dict[UUID, Mapping[str, int]]:
    rows = await connection.fetch("SELECT task_id, body FROM payloads WHERE kind = 'result'")
    return {row["task_id"]: json.loads(row["body"]) for row in rows}


async def audit(topology: Topology) -> dict[str, str]:
    """Run the auditor's commands; returns the last line that each has printed."""
    environment: dict[str, Any] = {
        **os.environ,
        "DATABASE_URL": topology.database_url,
        "SIGNING_KEY_FILE": str(topology.system.folder / "signing.key"),
    }
    said = {}
    for command in ("verify", "replay"):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service.audit", command),
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), AUDIT_SECONDS)
        lines = output.decode().strip().splitlines() or ["nothing"]
        said[command] = lines[-1] if process.returncode == 0 else "NOT " + " / ".join(lines[-3:])
    return said
