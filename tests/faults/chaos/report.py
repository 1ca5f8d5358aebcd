"""What a run has shown: as JSON for programs, as tables for people."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.faults.chaos.run import Outcome
from tests.faults.chaos.scenario import Scenario, all_scenarios

RECOVERY_GOAL_SECONDS = 15.0
RERUN_GOAL_SECONDS = 3.0
TAKEOVER_GOAL_SECONDS = 5.0
MEGABYTE = 2**20


def problems(outcome: Outcome, scenarios: Mapping[str, Scenario]) -> list[str]:
    """Return everything for which the run counts as failed; empty when all is well."""
    found = list(outcome.broken)
    assert outcome.verdict is not None
    found += outcome.verdict.wrong
    faults = outcome.faults
    for name in scenarios:
        made = [fault for fault in faults if fault.scenario == name]
        if not any(fault.bit or not fault.available for fault in made):
            found.append(f"{name} never bit" if made else f"{name} was never made: too little time")
    loses = any(scenarios[fault.scenario].loses_messages for fault in faults)
    if not loses and (again := outcome.counters["messages sent again"]):
        found.append(f"{again} messages were missing in a broker that has lost none")
    if scenarios.keys() == all_scenarios().keys():
        found += [f"{name}: none" for name, count in bites(outcome).items() if not count]
    return found


def bites(outcome: Outcome) -> dict[str, int]:
    """Return what shows that the faults reached the tasks."""
    assert outcome.verdict is not None
    return {
        "attempts above 1": sum(
            count for attempt, count in outcome.verdict.attempts.items() if attempt > 1
        ),
        "dropped duplicates": outcome.counters["dropped duplicates"],
        "refused stale results": outcome.logs.refused_results,
        "reconnects": outcome.logs.reconnects,
    }


def document(outcome: Outcome, scenarios: Mapping[str, Scenario]) -> dict[str, Any]:
    """Return the whole report as JSON-compatible values; times in seconds, memory in bytes."""
    verdict = outcome.verdict
    assert verdict is not None
    return {
        "minutes": outcome.options.minutes,
        "seed": outcome.options.seed,
        "problems": problems(outcome, scenarios),
        "submitted": outcome.submitted,
        "accepted": outcome.accepted,
        "refused": outcome.refused,
        "unknown": outcome.unknown,
        "cancelled": outcome.cancelled,
        "accepted_per_second": round(outcome.accepted / outcome.load_seconds, 1),
        "answers": {str(code): count for code, count in sorted(outcome.answers.items())},
        "lost": len(verdict.findings.lost),
        "duplicated": len(verdict.findings.doubled),
        "attempts": {str(number): count for number, count in sorted(verdict.attempts.items())},
        "out_of_attempts": verdict.gave_up,
        "audits": verdict.audits,
        "bites": bites(outcome),
        "counters": dict(outcome.counters),
        "reconnects": {
            "broker": outcome.logs.broker_reconnects,
            "database": outcome.logs.database_reconnects,
        },
        "process_starts": outcome.logs.starts,
        "errors_in_logs": dict(outcome.logs.errors.most_common()),
        "takeovers": _spread(outcome.ledger.takeovers),
        "drains": _spread(outcome.ledger.drains),
        "requeues_after_worker_kill": _spread(verdict.requeues),
        "reruns_after_worker_kill": _spread(verdict.reruns),
        "reruns_with_no_other_fault": _spread(verdict.alone),
        "recovery": _spread(_recoveries(outcome)),
        "kinds": {name: _kind(outcome, name) for name in scenarios},
        "rounds": [
            {
                "faults": [
                    {"kind": fault.scenario, "bit": fault.bit, "note": fault.note}
                    for fault in made.faults
                ],
                "recovery": made.seconds,
            }
            for made in outcome.rounds
        ],
        "memory": {
            name: {"start": before, "end": after}
            for name, (before, after) in outcome.memory.items()
        },
    }


def write(report: Mapping[str, Any], path: Path) -> None:
    """Store the report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print the tables."""
    console.print(_kinds(report))
    console.print(_sums(report))
    console.print(_memory(report))
    for error, count in report["errors_in_logs"].items():
        console.print(f"in the logs, {count} times: {error}", markup=False)
    for problem in report["problems"]:
        console.print(f"NOT OK: {problem}", style="bold red", markup=False)
    if not report["problems"]:
        console.print("OK: nothing was lost, and nothing happened twice.", style="bold green")


def _kinds(report: Mapping[str, Any]) -> Table:
    table = _table("fault", "made", "bit", "recovery: median", "longest", "alone: longest")
    for name, kind in report["kinds"].items():
        together, alone = kind["recovery"], kind["recovery_alone"]
        table.add_row(
            name,
            str(kind["made"]) if kind["available"] else "not available",
            str(kind["bit"]),
            _seconds(together, "median"),
            _seconds(together, "longest"),
            _seconds(alone, "longest"),
        )
    return table


def _sums(report: Mapping[str, Any]) -> Table:
    table = _table("what", "value", "goal")
    rows: list[tuple[str, object, str]] = [
        ("tasks accepted", report["accepted"], ""),
        ("tasks accepted each second", report["accepted_per_second"], "20"),
        ("refused / unknown and not asked again", f"{report['refused']} / {report['unknown']}", ""),
        ("cancelled", report["cancelled"], ""),
        ("lost", report["lost"], "0"),
        ("duplicated", report["duplicated"], "0"),
        ("failed for want of attempts", report["out_of_attempts"], ""),
        *((name, count, "above 0") for name, count in report["bites"].items()),
        ("messages sent again", report["counters"]["messages sent again"], ""),
        ("takeovers of the relay", report["takeovers"]["count"], ""),
        (
            "takeover: longest",
            _seconds(report["takeovers"], "longest"),
            f"under {TAKEOVER_GOAL_SECONDS:g} s",
        ),
        ("drain: longest", _seconds(report["drains"], "longest"), "under 20 s"),
        (
            "recovery: longest",
            _seconds(report["recovery"], "longest"),
            f"under {RECOVERY_GOAL_SECONDS:g} s",
        ),
        ("tasks of killed workers that ran again", report["reruns_after_worker_kill"]["count"], ""),
        (
            "pending again: median, longest",
            f"{_seconds(report['requeues_after_worker_kill'], 'median')}, "
            f"{_seconds(report['requeues_after_worker_kill'], 'longest')}",
            "",
        ),
        (
            "run again: median, longest",
            f"{_seconds(report['reruns_after_worker_kill'], 'median')}, "
            f"{_seconds(report['reruns_after_worker_kill'], 'longest')}",
            "",
        ),
        (
            "the same with no other fault",
            f"{_seconds(report['reruns_with_no_other_fault'], 'median')}, "
            f"{_seconds(report['reruns_with_no_other_fault'], 'longest')}",
            f"{RERUN_GOAL_SECONDS:g} s",
        ),
        *((f"make {command}", said, "OK") for command, said in report["audits"].items()),
    ]
    for name, value, goal in rows:
        table.add_row(name, str(value), goal)
    return table


def _memory(report: Mapping[str, Any]) -> Table:
    table = _table("process", "memory at the start", "at the end")
    for name, used in report["memory"].items():
        table.add_row(name, *(f"{used[when] / MEGABYTE:.0f} MiB" for when in ("start", "end")))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _kind(outcome: Outcome, name: str) -> dict[str, Any]:
    made = [fault for fault in outcome.faults if fault.scenario == name]
    return {
        "made": len(made),
        "bit": sum(fault.bit for fault in made),
        "available": all(fault.available for fault in made),
        "recovery": _spread(_recoveries(outcome, name)),
        "recovery_alone": _spread(_recoveries(outcome, name, alone=True)),
        "did_not_bite": dict(Counter(fault.note for fault in made if not fault.bit)),
    }


def _recoveries(outcome: Outcome, name: str = "", *, alone: bool = False) -> list[float]:
    """Return the recovery times of the rounds in which a kind of fault was made."""
    return [
        made.seconds
        for made in outcome.rounds
        if made.seconds is not None
        and (not name or name in {fault.scenario for fault in made.faults})
        and not (alone and len(made.faults) > 1)
    ]


def _spread(seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "count": len(seconds),
        "median": round(median(seconds), 2) if seconds else None,
        "longest": round(max(seconds), 2) if seconds else None,
    }


def _seconds(spread: Mapping[str, Any], which: str) -> str:
    return "-" if spread[which] is None else f"{spread[which]:.1f} s"
