"""How attempts end in the log: what is written, together with what, and until it is there."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import structlog

from domain.errors import AppendRefused, KetlogError
from domain.events import RequeueReason, TaskCompleted, TaskFailed
from domain.execution import METHODS
from domain.log import Append, AppendResult, Conflict
from domain.ports import BatchAppender
from infrastructure.backoff import Backoff
from infrastructure.telemetry import metrics
from service.worker import decisions
from service.worker.counters import Counters
from service.worker.run import Run, naming

GATHER_SECONDS = 0.010
"""So long the end of a short run waits for others, while more runs are under way."""

GATHERED_AT_MOST = 16

log = structlog.get_logger()
_root = logging.getLogger()


class Endings:
    """Appends the ends of runs, several at a time while the worker is busy.

    An end that nothing follows goes to the log at once. The log alone decides whether it counts:
    it refuses an outcome whose task has been taken away.

    Args:
        on_ended: called with each run whose end is known, and with what was written about it;
            `None` where the task had been taken away.
        on_over: called last with each run, also where its end is left to its lease.
    """

    def __init__(
        self,
        appender: BatchAppender,
        *,
        worker_id: str,
        counters: Counters,
        on_ended: Callable[[Run, Append | None], None],
        on_over: Callable[[Run], None],
    ) -> None:
        self._appender = appender
        self._worker_id = worker_id
        self._counters = counters
        self._on_ended = on_ended
        self._on_over = on_over
        self._gathered: list[tuple[Run, Append]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()

    def add(self, run: Run, append: Append, *, more_follow: bool) -> None:
        """Have the end of a run written.

        Args:
            more_follow: other runs are under way, and their ends may share a transaction.
        """
        run.ending = True
        self._gathered.append((run, append))
        if not more_follow or len(self._gathered) >= GATHERED_AT_MOST:
            self.write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self.write)

    def write(self) -> None:
        """Write what is gathered, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._spawn(self._write(gathered))

    async def written(self) -> None:
        """Wait until every end that was added is in the log."""
        self.write()
        while self._writing:
            await asyncio.wait(self._writing)

    def _spawn(self, writing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, gathered: Sequence[tuple[Run, Append]]) -> None:
        """Append ends of runs, waiting for the database as long as it takes."""
        answers = await self._appender.append_all([append for _, append in gathered])
        for (run, append), answer in zip(gathered, answers, strict=True):
            if isinstance(answer, Exception):
                self._spawn(self._insist(run, append, answer))
            else:
                self._settle(run, append, answer)
                self._on_over(run)

    async def _insist(self, run: Run, append: Append, error: Exception) -> None:
        """Deal with an end that the log has not taken: an outcome is not thrown away."""
        backoff = Backoff(first=0.2, longest=5.0)
        try:
            while True:
                match error:
                    case AppendRefused() if append.payloads:
                        log.error("Outcome cannot be stored", exc_info=error, **naming(run))
                        append = decisions.not_storable(run.task, self._worker_id)
                    case KetlogError():
                        log.warning(
                            "Outcome not stored, its lease will run out",
                            reason=str(error),
                            **naming(run),
                        )
                        return
                    case _:
                        log.error("Outcome not stored yet", exc_info=error, **naming(run))
                        await asyncio.sleep(backoff.next())
                (answer,) = await self._appender.append_all([append])
                if not isinstance(answer, Exception):
                    self._settle(run, append, answer)
                    return
                error = answer
        finally:
            self._on_over(run)

    def _settle(self, run: Run, append: Append, result: AppendResult) -> None:
        if isinstance(result, Conflict):
            self._counters.stale += 1
            log.warning(
                "Outcome refused, the task was taken away",
                event_type=type(append.event).__name__,
                **naming(run),
            )
            self._on_ended(run, None)
            return
        self._count(run, append)
        self._on_ended(run, append)

    def _count(self, run: Run, append: Append) -> None:
        match append.event:
            case TaskCompleted(execution=execution):
                self._counters.completed += 1
                _measure(execution)
                if _root.isEnabledFor(logging.DEBUG):
                    log.debug("Task completed", **naming(run))
            case TaskFailed(code=code):
                self._counters.failed += 1
                log.debug("Task failed", code=code, **naming(run))
            case event:
                self._counters.requeued += 1
                reason = getattr(event, "reason", None)
                self._counters.handed_back += reason is RequeueReason.HANDED_BACK
                log.info("Task requeued", reason=str(reason), **naming(run))


def _measure(execution: Mapping[str, Any]) -> None:
    method = execution.get("method")
    seconds = execution.get("durations", {}).get("run")
    if seconds is not None:
        metrics.RUN_DURATION.labels(method if method in METHODS else "other").observe(seconds)
