"""What the processes count and measure, for Prometheus.

Every process has the whole list; what it never does stays at zero or has no series. Labels have
few values that are known beforehand: no ids, no paths, nothing that a client chooses.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from domain.events import Event, TaskCompleted, TaskFailed, TaskRequeued

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_RUN = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 600.0)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_ATTEMPTS = (1, 2, 3, 5, 10)

HTTP_DURATION = Histogram(
    "http_server_request_duration_seconds",
    "From the arrival of a request's head to the last byte of its answer.",
    ("http_request_method", "http_route", "http_response_status_code"),
    buckets=_FAST,
)
CONNECTIONS_REFUSED = Counter(
    "ketlog_connections_refused",
    "Connections that this process has ended for what their clients did, by why.",
    ("reason",),
)
EVENTS_APPENDED = Counter(
    "ketlog_events_appended", "Events that this process has added to the log.", ("type",)
)
REQUEUES = Counter(
    "ketlog_requeues", "Tasks that this process has made pending again, by why.", ("reason",)
)
TASK_ATTEMPTS = Histogram(
    "ketlog_task_attempts", "Attempts that a task had taken when it ended.", buckets=_ATTEMPTS
)
APPEND_CONFLICTS = Counter(
    "ketlog_append_conflicts", "Appends refused because the task had moved on meanwhile."
)
APPEND_BATCH_SIZE = Histogram(
    "ketlog_append_batch_size", "Appends that shared one transaction.", buckets=_BATCH
)
APPEND_DURATION = Histogram(
    "ketlog_append_duration_seconds", "One transaction of appends.", buckets=_FAST
)
POOL_WAIT = Histogram(
    "ketlog_database_pool_wait_seconds", "Wait for a connection of the pool.", buckets=_FAST
)
POOL_TIMEOUTS = Counter(
    "ketlog_database_pool_timeouts", "Waits for a connection of the pool that got none."
)
PUBLISHED = Counter("ketlog_messages_published", "Messages that the broker has confirmed.")
PUBLISH_DURATION = Histogram(
    "ketlog_publish_duration_seconds",
    "Handing a set of messages to the connection with the broker.",
    buckets=_FAST,
)
CONFIRM_DURATION = Histogram(
    "ketlog_confirm_duration_seconds",
    "From the first byte of a set of messages to the broker's last confirm.",
    buckets=_FAST,
)
REDISPATCHED = Counter(
    "ketlog_messages_redispatched", "Messages sent again because the broker had lost them."
)
DEAD_LETTERS_SETTLED = Counter(
    "ketlog_dead_letters_settled", "Dead letters about known tasks that were put right."
)
ATTEMPTS_REAPED = Counter(
    "ketlog_attempts_reaped", "Attempts given up because their lease had run out."
)
RUN_DURATION = Histogram(
    "ketlog_run_duration_seconds",
    "Simulation of one circuit, without parsing and compiling.",
    ("method",),
    buckets=_RUN,
)
READERS = Gauge(
    "ketlog_readers",
    "Open streams of the log or of a task, and requests that wait for a task's end.",
    ("kind",),
)
STREAMS_ENDED = Counter("ketlog_streams_ended", "Streams that are closed, by why.", ("reason",))
SPANS_DROPPED = Counter("ketlog_spans_dropped", "Spans that no store could take in time.")
SPANS_RECORDED = Counter("ketlog_spans_recorded", "Spans handed to the trace store.")

LEADING = Gauge("ketlog_relay_leading", "1 in the relay that leads, 0 in one that stands by.")


def count_appended(event: Event) -> None:
    """Count an event that this process has added to the log."""
    EVENTS_APPENDED.labels(type(event).__name__).inc()
    match event:
        case TaskRequeued(reason=reason):
            REQUEUES.labels(str(reason)).inc()
        case TaskCompleted(attempt=attempt) | TaskFailed(attempt=attempt):
            TASK_ATTEMPTS.observe(attempt)
        case _:
            pass


Value: TypeAlias = float | Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Something that is known elsewhere and looked at when somebody asks for metrics.

    Attributes:
        name: without `_total`, which counters get by themselves.
        read: returns the value, one value for each value of the label, or `None` for "unknown".
        label: name of the label, if there is one.
    """

    kind: Literal["counter", "gauge"]
    name: str
    documentation: str
    read: Callable[[], Value]
    label: str = ""

    def family(self) -> Metric | None:
        """Return the metric with its present values."""
        value = self.read()
        if value is None:
            return None
        labels = [self.label] if self.label else []
        make = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        family = make(self.name, self.documentation, labels=labels)
        if isinstance(value, Mapping):
            for name, amount in value.items():
                family.add_metric([name], amount)
        else:
            family.add_metric([], value)
        return family


class Readings(Collector):
    """Readings as a source of metrics."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = list(readings)

    def collect(self) -> Iterable[Metric]:
        """See `prometheus_client`."""
        families = (reading.family() for reading in self._readings)
        return [family for family in families if family is not None]


def register(*readings: Reading) -> None:
    """Show these with everything else."""
    REGISTRY.register(Readings(readings))
