"""How many requests one tenant may make of one API process."""

from typing import Final

from domain.keys import TenantLimits
from service.api.caller import Caller
from service.api.correlation import RequestContext
from service.api.limit_policy import LimitPolicy, rate_of
from service.api.token_buckets import Rate

POLICY: Final = "tenant"


class TenantQuota:
    """Counts the requests of each tenant.

    Args:
        per_second: requests in the long run of a tenant without a limit of its own; 0 for any
            number.
        burst: requests at once; 0 for those of one second.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._policy = LimitPolicy(POLICY, "Your tenant", Rate(1.0, 1))

    def take(self, caller: Caller, context: RequestContext) -> None:
        """Count a request; raises `Problem` (429) for one too many."""
        rate = self._rate(caller.limits)
        problem = None if rate is None else self._policy.take(caller.tenant, context, rate)
        if problem is not None:
            raise problem

    def _rate(self, limits: TenantLimits) -> Rate | None:
        per_second = self._per_second if limits.per_second is None else limits.per_second
        return rate_of(per_second, limits.burst or self._burst) if per_second else None
