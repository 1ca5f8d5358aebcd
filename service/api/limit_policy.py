"""A limit on how often something may be asked, said in the answers as the IETF's draft words it.

`RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers: quota and
window of the policy, what is left of it and the seconds until all of it is there again. Where
several policies hold, an answer has both headers once for each of them.
"""

import math
import time
from collections.abc import Callable

from service.api.correlation import RequestContext
from service.api.problems import Problem
from service.api.token_buckets import Quota, Rate, TokenBuckets


class LimitPolicy:
    """One limit: its name in answers, and how much of it each one who asks has used.

    Args:
        name: of the policy, a word.
        whose: who is limited, as a sentence begins.
        rate: of everyone who has none of their own.
        clock: monotonic seconds.
    """

    def __init__(
        self, name: str, whose: str, rate: Rate, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._whose = whose
        self._rate = rate
        self._buckets = TokenBuckets(*rate)
        self._clock = clock

    def take(self, key: str, context: RequestContext, rate: Rate | None = None) -> Problem | None:
        """Count a request, and have its answer say what is left.

        Args:
            key: whose it is.
            rate: of this one, where it has one of its own.

        Returns:
            The answer to a request that is one too many, else `None`.
        """
        applied = rate or self._rate
        quota = self._buckets.take(key, self._clock(), rate)
        context.said += self._headers(quota, applied)
        return self._refusal(quota, applied) if quota.wait_seconds > 0 else None

    def _headers(self, quota: Quota, rate: Rate) -> list[tuple[bytes, bytes]]:
        window = math.ceil(rate.burst / rate.per_second)
        left = f'"{self.name}";r={quota.remaining};t={math.ceil(quota.full_seconds)}'
        return [
            (b"ratelimit-policy", f'"{self.name}";q={rate.burst};w={window}'.encode("ascii")),
            (b"ratelimit", left.encode("ascii")),
        ]

    def _refusal(self, quota: Quota, rate: Rate) -> Problem:
        seconds = math.ceil(quota.wait_seconds)
        return Problem(
            429,
            "rate-limited",
            "Too many requests",
            f"{self._whose} may make {rate.per_second:g} requests a second here, and "
            f"{rate.burst} at once. Send it again in {seconds} s.",
            headers={"retry-after": str(seconds)},
            members={"violated-policies": [self.name]},
        )


def rate_of(per_second: float, burst: int | None) -> Rate:
    """Return a rate above 0; without a `burst`, what comes in a second may come at once."""
    return Rate(per_second, burst or max(1, math.ceil(per_second)))
