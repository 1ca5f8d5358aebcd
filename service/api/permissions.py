"""Which scope each operation needs, in one table, and the gate in front of each operation.

An operation that is not in the table does not exist where keys are needed: the API refuses to
start.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from domain.errors import StoreUnavailable
from domain.keys import EVERY_TENANT
from service.api.authentication import REALM, Authentication
from service.api.body import discard_body
from service.api.caller import CALLER, STILL_PERMITTED, Caller, Scope
from service.api.correlation import context_of
from service.api.problems import FieldProblem, Problem
from service.api.rate_limit import client_of
from service.api.tenant_quota import TenantQuota


class Needed(NamedTuple):
    """What a caller must have.

    Attributes:
        scopes: one of them is enough.
        every_tenant: the answer tells of all tenants at once, so the key must be for all of them.
    """

    scopes: frozenset[Scope]
    every_tenant: bool = False


_SUBMIT: Final = Needed(frozenset({Scope.SUBMIT}))
_SUBMIT_OR_ADMIN: Final = Needed(frozenset({Scope.SUBMIT, Scope.ADMIN}))
_READ: Final = Needed(frozenset({Scope.READ}))
_READ_OR_AUDIT: Final = Needed(frozenset({Scope.READ, Scope.AUDIT}))
_AUDIT: Final = Needed(frozenset({Scope.AUDIT}))
_MANAGE: Final = Needed(frozenset({Scope.ADMIN}))
_OPERATE: Final = Needed(frozenset({Scope.ADMIN}), every_tenant=True)
_NOTHING: Final = None
"""Not even a key: the answer tells nothing about any task."""

NEEDED: Final[Mapping[tuple[str, str], Needed | None]] = {
    ("POST", "/circuits:check"): _SUBMIT,
    ("POST", "/tasks"): _SUBMIT,
    ("GET", "/tasks"): _READ,
    ("GET", "/tasks/{task_id}"): _READ,
    ("DELETE", "/tasks/{task_id}/contents"): _MANAGE,
    ("GET", "/tasks/{task_id}/circuit"): _READ,
    ("GET", "/tasks/{task_id}/result"): _READ,
    ("GET", "/tasks/{task_id}/queue"): _READ,
    ("POST", "/tasks/{task_id}/cancel"): _SUBMIT_OR_ADMIN,
    ("POST", "/tasks/{task_id}/retry"): _SUBMIT,
    ("POST", "/tasks:batch"): _SUBMIT,
    ("POST", "/tasks:sweep"): _SUBMIT,
    ("GET", "/batches/{batch_id}"): _READ,
    ("POST", "/batches/{batch_id}/cancel"): _SUBMIT_OR_ADMIN,
    ("GET", "/tasks/{task_id}/events"): _READ_OR_AUDIT,
    ("GET", "/tasks/{task_id}/proof"): _READ_OR_AUDIT,
    ("GET", "/tasks/{task_id}/stream"): _READ_OR_AUDIT,
    ("GET", "/events"): _AUDIT,
    ("GET", "/stream"): _READ_OR_AUDIT,
    ("GET", "/metrics"): _OPERATE,
    ("GET", "/health"): _NOTHING,
    ("GET", "/livez"): _NOTHING,
    ("GET", "/readyz"): _NOTHING,
    ("GET", "/openapi.json"): _NOTHING,
    ("GET", "/asyncapi.json"): _NOTHING,
    ("GET", "/"): _NOTHING,
    ("GET", "/docs"): _NOTHING,
    ("GET", "/docs/swagger-ui.js"): _NOTHING,
    ("GET", "/docs/swagger-ui.css"): _NOTHING,
    ("GET", "/docs/start.js"): _NOTHING,
}
"""By method and path template; `HEAD` needs what `GET` does."""


def close_to_strangers(
    routes: Iterable[BaseRoute], authentication: Authentication, quota: TenantQuota
) -> None:
    """Put a gate in front of every route that needs one.

    Raises:
        LookupError: an operation is not in the table.
    """
    for route in routes:
        if not isinstance(route, Route) or not route.methods:
            raise LookupError(f"{route} is no route of one path with methods")
        methods = route.methods - {"HEAD"}
        needed = {method: needed_for(method, route.path) for method in methods}
        if any(needed.values()):
            route.app = Gate(route.app, needed, authentication, quota)


def needed_for(method: str, path: str) -> Needed | None:
    """Return what an operation needs; raises `LookupError` for one that is not in the table."""
    try:
        return NEEDED[method, path]
    except KeyError:
        raise LookupError(
            f"{method} {path}: say in service/api/permissions.py which scope it needs"
        ) from None


class Gate:
    """An endpoint to which only callers come who may.

    Args:
        needed: by method.
    """

    def __init__(
        self,
        app: ASGIApp,
        needed: Mapping[str, Needed | None],
        authentication: Authentication,
        quota: TenantQuota,
    ) -> None:
        self._app = app
        self._needed = needed
        self._authentication = authentication
        self._quota = quota

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            Problem: 401, 403 or 429; also what the endpoint raises.
            StoreUnavailable: the key cannot be looked up now; also what the endpoint raises.
        """
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        needed = self._needed[method]
        if needed is not None:
            context = context_of(scope)
            identify = partial(self._identify, context.headers, client_of(scope), needed)
            try:
                caller = await identify()
                self._quota.take(caller, context)
            except Problem as problem:
                raise await discard_body(context.headers, receive, problem) from None
            scope[CALLER] = caller
            scope[STILL_PERMITTED] = partial(_succeeds, identify)
        await self._app(scope, receive, send)

    async def _identify(
        self, headers: Mapping[bytes, bytes], client: str, needed: Needed
    ) -> Caller:
        caller = await self._authentication.caller(headers, client)
        _check(caller, needed)
        return caller


async def _succeeds(identify: Callable[[], Awaitable[Caller]]) -> bool:
    """Tell whether a caller is who it was; while nobody can know, it is."""
    try:
        await identify()
    except Problem:
        return False
    except StoreUnavailable:
        return True
    return True


def _check(caller: Caller, needed: Needed) -> None:
    """Let a caller pass; raises `Problem` (403)."""
    names = sorted(needed.scopes)
    if needed.scopes.isdisjoint(caller.scopes):
        raise _not_permitted(
            f"This needs a key with the scope {' or '.join(names)}; yours has "
            f"{', '.join(sorted(caller.scopes))}.",
            names,
        )
    if needed.every_tenant and caller.tenant != EVERY_TENANT:
        raise _not_permitted("This tells of all tenants and needs a key for all of them.", names)


def _not_permitted(reason: str, scopes: Sequence[str]) -> Problem:
    return Problem(
        403,
        "not-permitted",
        "Not permitted",
        f"{reason} Whoever runs this service can make you another one.",
        errors=[FieldProblem("Authorization", "must be a key that permits this")],
        headers={
            "www-authenticate": f'{REALM}, error="insufficient_scope", scope="{" ".join(scopes)}"'
        },
        members={"needed_scopes": list(scopes)},
    )
