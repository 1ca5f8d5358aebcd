"""Spans: made when the work is over, from times that were taken anyway.

Nothing is made for a trace that is not sampled, and nothing waits for a span: they go into a
bounded list, which a loop of its own empties twice a second. With tracing off there is no list.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from domain.errors import StoreError
from infrastructure.supervision import end
from infrastructure.telemetry import metrics
from infrastructure.telemetry.context import is_sampled, new_span_id, span_id_of, trace_id_of
from infrastructure.telemetry.sampling import Sampler

__all__ = ["NO_TRACING", "SpanKind", "SpanStore", "Tracing"]

FLUSH_SECONDS = 0.5
MOST_WAITING = 20_000
SPANS_PER_WRITE = 200
CLOSE_SECONDS = 2.0

Attributes: TypeAlias = Mapping[str, str | int | float | bool]
_SCOPE = InstrumentationScope("ketlog")

log = structlog.get_logger()


class SpanStore(Protocol):
    """Where spans can be looked up later."""

    async def add(self, spans: Sequence[ReadableSpan]) -> None:
        """Keep these; a span that is there already stays as it is. Raises `StoreUnavailable`."""
        ...


class Tracing:
    """One process's spans.

    Args:
        service: `service.name` of the process, such as `ketlog-api`.
        instance: `service.instance.id`, which tells processes of one kind apart.
        sampler: decides on traces that begin here; `None` for tracing off.
        store: where spans go.
        export: sends them to a collector besides.
    """

    def __init__(
        self,
        service: str,
        instance: str,
        sampler: Sampler | None,
        store: SpanStore | None,
        export: SpanProcessor | None = None,
    ) -> None:
        self.sampler = sampler
        self._store = store
        self._export = export
        self._resource = Resource({"service.name": service, "service.instance.id": instance})
        self._waiting: deque[ReadableSpan] = deque()
        self._flushing: asyncio.Task[None] | None = None

    @property
    def on(self) -> bool:
        """Whether anything is recorded at all."""
        return self.sampler is not None

    def records(self, traceparent: str) -> bool:
        """Tell whether spans of this trace are made here."""
        return self.sampler is not None and is_sampled(traceparent)

    async def start(self) -> None:
        """Begin to store."""
        if self.sampler is not None and self._store is not None:
            self._flushing = asyncio.create_task(self._flush_often(), name="tracing")

    async def close(self) -> None:
        """Store what waits, within a short time."""
        if self._flushing is not None:
            await end(self._flushing)
            with contextlib.suppress(TimeoutError, StoreError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._flush()
            metrics.SPANS_DROPPED.inc(len(self._waiting))

        if self._export is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await asyncio.to_thread(self._export.shutdown)

    def span(  # noqa: PLR0917 - what every span has
        self,
        name: str,
        context: str,
        parent: str | None,
        begun: int,
        ended: int,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[str] = (),
        error: str | None = None,
    ) -> None:
        """Make a span of a sampled trace.

        Args:
            context: the span's own trace context.
            parent: that of the span above it; `None` for the first of a trace.
            begun: nanoseconds since the epoch, as is `ended`.
            links: contexts of spans elsewhere that it has to do with.
            error: what went wrong, if anything did.
        """
        made = ReadableSpan(
            name,
            _span_context(context),
            None if parent is None else _span_context(parent, remote=True),
            self._resource,
            attributes,
            links=[Link(_span_context(link)) for link in links],
            kind=kind,
            status=Status(StatusCode.UNSET) if error is None else Status(StatusCode.ERROR, error),
            start_time=begun,
            end_time=max(begun, ended),
            instrumentation_scope=_SCOPE,
        )
        metrics.SPANS_RECORDED.inc()
        if self._export is not None:
            self._export.on_end(made)
        if self._store is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            metrics.SPANS_DROPPED.inc()
            return
        self._waiting.append(made)

    def batch(
        self,
        name: str,
        members: Sequence[str],
        begun: int,
        ended: int,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> str:
        """Make the span of work for many tasks: a trace of its own, with a link to each member.

        Returns:
            its context, for the members to link to.
        """
        context = f"00-{new_span_id()}{new_span_id()}-{new_span_id()}-01"
        self.span(name, context, None, begun, ended, attributes, kind=kind, links=members)
        return context

    async def _flush_often(self) -> None:
        away = False
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self._flush()
                away = False
            except StoreError as error:
                if not away:
                    log.warning("Spans wait, their store is away", reason=str(error))
                away = True
            except Exception as error:
                if not away:
                    log.exception("Spans cannot be stored", reason=type(error).__name__)
                away = True

    async def _flush(self) -> None:
        while self._waiting and self._store is not None:
            count = min(SPANS_PER_WRITE, len(self._waiting))
            spans = [self._waiting.popleft() for _ in range(count)]
            try:
                await self._store.add(spans)
            except (StoreError, asyncio.CancelledError):
                # Interrupted by the end, the write is made once more: it never keeps a span twice.
                self._waiting.extendleft(reversed(spans))
                raise
            except Exception:
                metrics.SPANS_DROPPED.inc(count)
                raise


NO_TRACING = Tracing("ketlog", "", None, None)
"""Makes no spans."""


def _span_context(traceparent: str, *, remote: bool = False) -> SpanContext:
    return SpanContext(
        int(trace_id_of(traceparent), 16),
        int(span_id_of(traceparent), 16),
        remote,
        TraceFlags(int(traceparent[-2:], 16)),
    )
