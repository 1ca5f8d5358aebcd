"""Questions about circuits that a worker answers, and the answers where none does."""

from http import HTTPStatus

from domain.errors import InspectionRefused, InspectionTooLong, InspectorBusy
from domain.execution import RunFailed
from domain.inspection import CircuitInspector, Inspection, InspectionAnswer
from domain.projection import error_message_at
from service.api.problems import Problem, unavailable

AWAY_RETRY_SECONDS = 5
BUSY_RETRY_SECONDS = 1


async def inspected(inspector: CircuitInspector, inspection: Inspection) -> InspectionAnswer:
    """Return what a worker says about a circuit.

    Raises:
        Problem: 503, no worker can look at it now; 504, it took too long.
    """
    try:
        return await inspector.inspect(inspection)
    except InspectorBusy:
        raise unavailable(
            "too-many-checks",
            "Too many circuits are being looked at",
            "The workers look at other circuits already. Send it again soon, or submit the "
            "circuit: tasks wait as long as it takes.",
            retry_after=BUSY_RETRY_SECONDS,
        ) from None
    except InspectionTooLong as error:
        raise Problem(
            HTTPStatus.GATEWAY_TIMEOUT,
            "check-too-long",
            "The circuit was not looked at in time",
            f"No worker could tell in time: {error}. Send it again later, or submit the circuit: "
            "a task may take longer.",
            headers={"retry-after": str(AWAY_RETRY_SECONDS)},
        ) from None
    except InspectionRefused as error:
        raise unavailable(
            "no-worker",
            "No worker can look at the circuit",
            f"Circuits are looked at by a worker: {error}. Start one or send it again later; a "
            "circuit that is submitted as a task waits for a worker.",
            retry_after=AWAY_RETRY_SECONDS,
        ) from None


def failure_message(failure: RunFailed) -> str:
    """Return what a task with this circuit would show as its `error_message`."""
    return error_message_at(failure.message, failure.line, failure.column)
