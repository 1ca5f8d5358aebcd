"""Turns whatever is raised while a request is handled into its answer."""

from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import StoreUnavailable
from infrastructure.telemetry.context import trace_id_of
from service.api.correlation import context_of
from service.api.health import DatabaseState
from service.api.problems import ClientGone, Problem, send_problem, unavailable

STORE_RETRY_SECONDS = 2
_SHOWN_CHARACTERS = 100

_log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware: problems become problem documents, a bug a 500 without internals."""

    def __init__(self, app: ASGIApp, database: DatabaseState) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; anything but HTTP passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["app"] = self  # so Starlette's router raises what it refuses, and we word the answer
        try:
            await self._app(scope, receive, send)
        except ClientGone:
            return
        except Problem as problem:
            await _answer(problem, scope, send)
        except HTTPException as refusal:
            await _answer_refusal(refusal, scope, send)
        except StoreUnavailable:
            await _answer(self._store_unavailable(), scope, send)
        except Exception as error:
            context = context_of(scope)
            _log.error(
                "request failed",
                method=scope["method"],
                path=scope["path"],
                correlation_id=context.correlation_id,
                trace_id=trace_id_of(context.traceparent),
                exc_info=error,
            )
            if context.started:
                raise
            # A database without its schema fails in ways that no adapter foresees.
            usable = self._database.connected
            await _answer(_bug() if usable else self._store_unavailable(), scope, send)

    def _store_unavailable(self) -> Problem:
        reason = self._database.reason or "PostgreSQL did not answer in time"
        return unavailable(
            "store-unavailable",
            "The task store is away",
            f"Nothing was stored: {reason}. Send the request again.",
            retry_after=STORE_RETRY_SECONDS,
        )


async def _answer(problem: Problem, scope: Scope, send: Send) -> None:
    await send_problem(problem, context_of(scope).correlation_id, send)


async def _answer_refusal(refusal: HTTPException, scope: Scope, send: Send) -> None:
    """Answer what the router refuses: a path that is not there, or a method that it has not."""
    if refusal.status_code == HTTPStatus.NOT_FOUND:
        await _answer(_no_such_path(scope["path"]), scope, send)
        return
    methods = {name.strip() for name in (refusal.headers or {}).get("Allow", "").split(",")}
    allow = ", ".join(sorted({*methods, "OPTIONS"} - {""}))
    if scope["method"] == "OPTIONS":
        await send(
            {
                "type": "http.response.start",
                "status": 204,
                "headers": [(b"allow", allow.encode())],
            }
        )
        await send({"type": "http.response.body", "body": b""})
        return
    await _answer(_wrong_method(scope["method"], allow), scope, send)


def _no_such_path(path: str) -> Problem:
    shown = path if len(path) <= _SHOWN_CHARACTERS else path[:_SHOWN_CHARACTERS] + "…"
    return Problem(
        404,
        "no-such-path",
        "Not found",
        f"There is nothing at {shown}. Tasks are at /tasks and /tasks/{{task_id}}; "
        "the documentation is at /docs.",
    )


def _wrong_method(method: str, allow: str) -> Problem:
    return Problem(
        405,
        "method-not-allowed",
        "Method not allowed",
        f"{method} is not possible here. Use one of: {allow}.",
        headers={"allow": allow},
    )


def _bug() -> Problem:
    return Problem(
        500,
        "internal-error",
        "Internal error",
        "This is a fault of the service, not of the request. "
        "Its log has the details under the correlation id.",
    )
