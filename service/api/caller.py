"""On whose behalf a request is made, and what that caller may do.

Every request has a caller. Where nobody has to show a key, it is the same one for all requests:
the one tenant without a name, who may do everything.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette import types

from domain.keys import AS_SET, EVERY_TENANT, Scope, TenantLimits

__all__ = [
    "ANYONE",
    "CALLER",
    "STILL_PERMITTED",
    "Caller",
    "Scope",
    "caller_of",
    "still_permitted",
]

CALLER: Final = "ketlog.caller"
"""Key of a request's ASGI scope: its `Caller`, where requests are authenticated."""
STILL_PERMITTED: Final = "ketlog.still_permitted"
"""Key of a request's ASGI scope: asks whether its key is still good."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        tenant: whose tasks these are; empty where there are no tenants, `*` for the operator, who
            sees those of all.
        actor: how the events that the caller causes name it.
        scopes: what it may do.
        limits: what its tenant may use.
    """

    tenant: str
    actor: str
    scopes: frozenset[Scope]
    limits: TenantLimits = AS_SET

    @property
    def sees(self) -> str | None:
        """The tenant whose tasks there are for this caller; `None` for those of all tenants."""
        return None if self.tenant == EVERY_TENANT else self.tenant


ANYONE: Final = Caller("", "api", frozenset(Scope))
"""Whoever asks, where nobody has to say who it is."""


def caller_of(scope: types.Scope) -> Caller:
    """Return who makes a request, given the request's ASGI scope."""
    caller: Caller = scope.get(CALLER, ANYONE)
    return caller


def still_permitted(scope: types.Scope) -> Callable[[], Awaitable[bool]] | None:
    """Return what an answer that goes on for long asks from time to time: whether it still may.

    `None` where nobody has to show a key.
    """
    ask: Callable[[], Awaitable[bool]] | None = scope.get(STILL_PERMITTED)
    return ask
