"""The routes about batches."""

from starlette.routing import BaseRoute, Route

from domain.ports import Appender
from service.api.admission import Admission
from service.api.batch_body import BatchReader
from service.api.batch_status import BatchStatusEndpoint, CancelBatchEndpoint
from service.api.batches import BatchStores, BatchTurns, SubmitManyEndpoint
from service.api.cancel import OnCancelled
from service.api.capacity import Capacity


def batch_routes(
    stores: BatchStores,
    reader: BatchReader,
    appender: Appender,
    admission: Admission,
    capacity: Capacity,
    *,
    deadline_seconds: float,
    on_cancelled: OnCancelled,
) -> list[BaseRoute]:
    """Return the routes.

    Args:
        appender: takes single events, those of cancellations.
        deadline_seconds: longest wait for the event log.
    """
    turns = BatchTurns()
    batch, sweep = (
        SubmitManyEndpoint(
            stores, read, turns, admission, capacity, deadline_seconds=deadline_seconds
        )
        for read in (reader.batch, reader.sweep)
    )
    status = BatchStatusEndpoint(stores.queries, admission, deadline_seconds=deadline_seconds)
    cancel = CancelBatchEndpoint(
        stores.queries,
        appender,
        admission,
        deadline_seconds=deadline_seconds,
        on_cancelled=on_cancelled,
    )
    return [
        Route("/tasks:batch", batch, methods=["POST"]),
        Route("/tasks:sweep", sweep, methods=["POST"]),
        Route("/batches/{batch_id}", status, methods=["GET"]),
        Route("/batches/{batch_id}/cancel", cancel, methods=["POST"]),
    ]
