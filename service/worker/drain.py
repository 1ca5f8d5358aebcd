"""How a worker stops: nothing is lost, nothing is tried in vain, and it is over in time."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from service.worker.claims import Claims
from service.worker.intake import Intake
from service.worker.runs import Runs

log = structlog.get_logger()

DRAINING = "the worker is shutting down"
CLAIM_SECONDS = 1.0
"""How long a claim on its way to the database is waited for."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Moments on the loop's clock, made from the grace that the process is given.

    Attributes:
        runs_until: when runs that are not over are ended.
        records_until: when outcomes that the database has not taken are left to their leases.
        closed_by: when the process has to be gone.
    """

    runs_until: float
    records_until: float
    closed_by: float

    @classmethod
    def of(cls, grace_seconds: float, now: float) -> "Budget":
        """Keep a quarter, but no more than four seconds, for what comes after the runs."""
        rest = min(4.0, grace_seconds / 4)
        end = now + grace_seconds
        return cls(runs_until=end - rest, records_until=end - rest / 2, closed_by=end)


async def drain(
    intake: Intake, claims: Claims, claiming: "asyncio.Task[None]", runs: Runs, budget: Budget
) -> None:
    """Stop taking work, give back what has not begun, let finish what runs, write it down.

    Args:
        claiming: the loop of `claims`, ended here.
    """
    intake.stop(DRAINING)
    intake.give_back_waiting()
    runs.hand_back_waiting(DRAINING)
    await _until(asyncio.get_running_loop().time() + CLAIM_SECONDS, claims.idle())
    claiming.cancel()
    runs.hand_back_waiting(DRAINING)
    await _until(budget.runs_until, intake.flush())
    await _until(budget.runs_until, runs.over())
    runs.stop(DRAINING)
    await _until(budget.records_until, runs.recorded())
    if runs.held:
        log.warning("Outcomes are left to their leases", tasks=len(runs.held))


async def _until(moment: float, what: Awaitable[None]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout_at(moment):
            await what
