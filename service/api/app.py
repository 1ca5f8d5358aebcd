"""The ASGI application: which path leads where, and what every request passes through."""

from dataclasses import dataclass
from datetime import timedelta

from starlette.routing import Route, Router
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from domain.inspection import CircuitInspector
from domain.keys import Keys
from domain.listing import TaskLists
from domain.live import LiveQueries
from domain.ports import Appender, CircuitQueries, EventLog, HistoryQueries, TaskQueries
from domain.seals import Contents, Seals
from domain.waiting import QueueQueries
from infrastructure.settings import ApiSettings
from infrastructure.telemetry.tracing import NO_TRACING, Tracing
from service.api import docs
from service.api.admission import Admission
from service.api.asyncapi import asyncapi
from service.api.authentication import Authentication
from service.api.backlog import Backlog
from service.api.batch_body import BatchReader
from service.api.batch_models import submitted_sweep
from service.api.batch_routes import batch_routes
from service.api.batches import BatchStores
from service.api.body import BodyLimits
from service.api.cancel import CancelEndpoint, OnCancelled
from service.api.capacity import Capacity
from service.api.check import CheckEndpoint
from service.api.circuit import CircuitEndpoint
from service.api.correlation import Correlation
from service.api.cors import Cors
from service.api.erase import EraseEndpoint
from service.api.events import LogEndpoint, TaskEventsEndpoint
from service.api.farewell import Farewell
from service.api.guard import Guard
from service.api.health import DatabaseState, Health, QueueState
from service.api.live.live import Bounds, Live
from service.api.live.log_stream import LogStreamEndpoint
from service.api.live.task_stream import TaskStreamEndpoint
from service.api.methods import methods
from service.api.models import limited_submission
from service.api.openapi import openapi_endpoint
from service.api.permissions import close_to_strangers
from service.api.proof import ProofEndpoint
from service.api.queue_place import QueuePlaceEndpoint
from service.api.rate_limit import RateLimit
from service.api.result import ResultEndpoint
from service.api.retry import RetryEndpoint
from service.api.security_headers import SecurityHeaders
from service.api.task_list import ListEndpoint
from service.api.tasks import StatusEndpoint, SubmitEndpoint
from service.api.telemetry import Telemetry, show_metrics
from service.api.tenant_backlogs import TenantBacklogs
from service.api.tenant_quota import TenantQuota

BATCH_DEADLINES = 4
"""A batch has so many times the time that a single request has."""


class _Endpoint:
    """Makes an ASGI function an endpoint: Starlette takes functions for request handlers."""

    def __init__(self, handle: ASGIApp) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._handle(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the API works with, as ports.

    Attributes:
        inspector: answers questions about circuits.
        batches: where tasks go that are submitted together.
        backlog: judges whether one more task may wait; `None` where any number may.
        backlogs: judges the same for each tenant; `None` where there are no tenants.
        on_cancelled: see `CancelEndpoint`.
        keys: where keys are looked up; `None` where nobody has to show one.
    """

    appender: Appender
    log: EventLog
    queries: TaskQueries
    circuits: CircuitQueries
    queue: QueueQueries
    lists: TaskLists
    history: HistoryQueries
    live: LiveQueries
    seals: Seals
    contents: Contents
    database: DatabaseState
    broker: QueueState
    inspector: CircuitInspector
    batches: BatchStores
    backlog: Backlog | None = None
    backlogs: TenantBacklogs | None = None
    on_cancelled: OnCancelled = lambda _worker_id, _task_id: None
    keys: Keys | None = None


def create_app(
    settings: ApiSettings,
    adapters: Adapters,
    health: Health,
    lifespan: Lifespan[object] | None = None,
    tracing: Tracing = NO_TRACING,
) -> ASGIApp:
    """Put the application together.

    Args:
        lifespan: starts and stops the adapters, if the caller does not.
        tracing: makes the spans of requests; none without it.
    """
    model = limited_submission(settings.max_shots, settings.max_circuit_bytes)
    limits = BodyLimits.for_circuits(settings.max_circuit_bytes)
    admission = Admission(settings.max_requests_in_flight)
    capacity = Capacity(
        adapters.broker if settings.broker_down_policy == "reject" else None,
        adapters.backlog,
        adapters.backlogs,
    )
    submit = SubmitEndpoint(
        adapters.appender,
        adapters.log,
        admission,
        model,
        limits,
        capacity=capacity,
        deadline_seconds=settings.request_deadline_seconds,
        furthest_start=timedelta(days=settings.max_days_ahead),
    )
    deadline = settings.request_deadline_seconds
    bounds = Bounds(
        settings.max_streams,
        settings.max_streams_per_tenant,
        settings.stream_seconds,
        settings.max_wait_seconds,
    )
    live = Live(adapters.live, bounds)
    health.on_leave(live.drain)
    status = StatusEndpoint(
        adapters.queries, adapters.log, adapters.history, live, admission, deadline_seconds=deadline
    )
    task_stream = TaskStreamEndpoint(live, adapters.history, admission, deadline_seconds=deadline)
    log_stream = LogStreamEndpoint(live, adapters.history, deadline_seconds=deadline)
    cancel = CancelEndpoint(
        adapters.appender,
        adapters.log,
        admission,
        deadline_seconds=deadline,
        on_cancelled=adapters.on_cancelled,
    )
    erase = EraseEndpoint(
        adapters.appender, adapters.log, adapters.contents, admission, deadline_seconds=deadline
    )
    retry = RetryEndpoint(
        adapters.appender,
        adapters.log,
        admission,
        capacity=capacity,
        deadline_seconds=deadline,
    )
    batches = batch_routes(
        adapters.batches,
        BatchReader(
            model,
            submitted_sweep(model),
            limits,
            timedelta(days=settings.max_days_ahead),
        ),
        adapters.appender,
        admission,
        capacity,
        deadline_seconds=BATCH_DEADLINES * deadline,
        on_cancelled=adapters.on_cancelled,
    )
    task_events = TaskEventsEndpoint(adapters.history, admission, deadline_seconds=deadline)
    whole_log = LogEndpoint(adapters.history, admission, deadline_seconds=deadline)
    proof = ProofEndpoint(
        adapters.log,
        adapters.seals,
        adapters.contents,
        admission,
        deadline_seconds=settings.request_deadline_seconds,
    )
    tasks = ListEndpoint(adapters.lists, admission, deadline_seconds=deadline)
    check = CheckEndpoint(adapters.inspector, admission, model, limits)
    circuit = CircuitEndpoint(
        adapters.circuits, adapters.inspector, admission, deadline_seconds=deadline
    )
    result = ResultEndpoint(adapters.queries, admission, deadline_seconds=deadline)
    queue = QueuePlaceEndpoint(adapters.queue, admission, deadline_seconds=deadline)
    with_keys = adapters.keys is not None
    router = Router(
        [
            methods("/tasks", {"POST": submit, "GET": tasks}),
            Route("/tasks/{task_id}", status, methods=["GET"]),
            Route("/tasks/{task_id}/contents", erase, methods=["DELETE"]),
            Route("/circuits:check", check, methods=["POST"]),
            Route("/tasks/{task_id}/circuit", circuit, methods=["GET"]),
            Route("/tasks/{task_id}/result", result, methods=["GET"]),
            Route("/tasks/{task_id}/queue", queue, methods=["GET"]),
            Route("/tasks/{task_id}/cancel", cancel, methods=["POST"]),
            *batches,
            Route("/tasks/{task_id}/retry", retry, methods=["POST"]),
            Route("/tasks/{task_id}/events", task_events, methods=["GET"]),
            Route("/tasks/{task_id}/proof", proof, methods=["GET"]),
            Route("/tasks/{task_id}/stream", task_stream, methods=["GET"]),
            Route("/events", whole_log, methods=["GET"]),
            Route("/stream", log_stream, methods=["GET"]),
            Route("/health", _Endpoint(health.report), methods=["GET"]),
            Route("/livez", _Endpoint(health.live), methods=["GET"]),
            Route("/readyz", _Endpoint(health.ready), methods=["GET"]),
            Route("/metrics", _Endpoint(show_metrics), methods=["GET"]),
            Route("/openapi.json", openapi_endpoint(model, keys=with_keys), methods=["GET"]),
            Route("/asyncapi.json", asyncapi, methods=["GET"]),
            *docs.routes(),
        ],
        redirect_slashes=False,
        lifespan=lifespan,
    )
    if adapters.keys is not None:
        quota = TenantQuota(settings.tenant_rate_limit_per_second, settings.tenant_rate_limit_burst)
        authentication = Authentication(adapters.keys, deadline_seconds=deadline)
        close_to_strangers(router.routes, authentication, quota)
    inner: ASGIApp = Farewell(Guard(router, adapters.database), health)
    if settings.rate_limit_per_second:
        inner = RateLimit(inner, settings.rate_limit_per_second, settings.rate_limit_burst)
    inner = Cors(Telemetry(Correlation(inner), tracing), settings.cors_origins)
    return SecurityHeaders(inner, settings.hsts_seconds)
