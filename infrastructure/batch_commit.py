"""Stores batches of appends, all of each or nothing, beside the group commit.

A batch has a transaction to itself: others do not wait for it in one queue, and it cannot make
them fail. A broken connection leaves open whether it was stored. Its appends carry their event ids,
so it is sent again, and what was stored before is recognised.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from domain.batches import BatchLog
from domain.errors import OutcomeUnknown, StoreError, StoreUnavailable
from domain.log import Append, Appended
from infrastructure.backoff import Backoff
from infrastructure.telemetry import metrics
from infrastructure.telemetry.append_spans import AppendSpans, Stored

FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 1.0


class BatchCommit:
    """`domain.batches.AtomicAppender` over an event log.

    Args:
        log: where batches go.
        on_commit: called with what each transaction stored, right after it.
        on_failure: called after each transaction that the log could not take.
        spans: makes the spans of what was stored; `None` without tracing.
    """

    def __init__(
        self,
        log: BatchLog,
        *,
        on_commit: Callable[[Sequence[Append]], None] | None = None,
        on_failure: Callable[[], None] | None = None,
        spans: AppendSpans | None = None,
    ) -> None:
        self._log = log
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._spans = spans
        self._storing: set[asyncio.Task[list[Appended] | None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Begin to take batches."""

    async def close(self, grace_seconds: float = 5.0) -> None:
        """Let what is on its way be stored, then stop."""
        self._closing = True
        if self._storing:
            await asyncio.wait(self._storing, timeout=grace_seconds)
        for storing in self._storing:
            storing.cancel()
        await asyncio.gather(*self._storing, return_exceptions=True)

    async def append_atomically(
        self, appends: Sequence[Append], deadline: float
    ) -> list[Appended] | None:
        """See `domain.batches.AtomicAppender.append_atomically`."""
        if self._closing:
            raise StoreUnavailable("this process is shutting down; send it again")
        give_up_at = asyncio.get_running_loop().time() + deadline
        storing = asyncio.create_task(self._store(appends, give_up_at), name="batch-commit")
        self._storing.add(storing)
        storing.add_done_callback(self._forget)
        # Who waits may go away: what is being stored is then stored all the same.
        done, _ = await asyncio.wait({storing}, timeout=deadline)
        if not done:
            raise OutcomeUnknown("the event log did not answer in time")
        return storing.result()

    def _forget(self, storing: asyncio.Task[list[Appended] | None]) -> None:
        self._storing.discard(storing)
        if not storing.cancelled():
            storing.exception()  # Who has given up waiting wants no word of it in the log.

    async def _store(self, appends: Sequence[Append], give_up_at: float) -> list[Appended] | None:
        clock = asyncio.get_running_loop().time
        asked_at = time.time_ns()
        uncertain, backoff = False, Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        while True:
            begun = time.time_ns()
            try:
                stored = await self._log.append_atomically(appends)
            except StoreError as error:
                uncertain = uncertain or isinstance(error, OutcomeUnknown)
                if self._on_failure is not None:
                    self._on_failure()
                pause = backoff.next()
                if clock() + pause >= give_up_at:
                    raise _given_up(uncertain=uncertain) from error
                await asyncio.sleep(pause)
                continue
            self._observe(appends, stored, asked_at, begun)
            if stored is not None and self._on_commit is not None:
                self._on_commit(appends)
            return stored

    def _observe(
        self, appends: Sequence[Append], stored: object, asked_at: int, begun: int
    ) -> None:
        ended = time.time_ns()
        metrics.APPEND_BATCH_SIZE.observe(len(appends))
        metrics.APPEND_DURATION.observe((ended - begun) / 1e9)
        if stored is None:
            metrics.APPEND_CONFLICTS.inc()
            return
        for append in appends:
            metrics.count_appended(append.event)
        if self._spans is not None:
            commits = [Stored(append, asked_at) for append in appends]
            self._spans.stored(commits, len(appends), begun, ended)


def _given_up(*, uncertain: bool) -> StoreError:
    if uncertain:
        return OutcomeUnknown("the connection broke in a commit and time ran out")
    return StoreUnavailable("the event log did not answer in time")
