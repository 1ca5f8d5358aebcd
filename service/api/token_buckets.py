"""A token bucket for each key, in bounded memory. Pure: the time comes in.

A bucket holds `burst` tokens and gets `per_second` new ones each second; each request takes one. If
there are more keys than are kept, the one that has been silent for longest is forgotten, and begins
anew with a full bucket.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

MOST_KEYS = 50_000


class Rate(NamedTuple):
    """How fast a bucket fills, above 0, and how many tokens it holds, at least 1."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What a request found.

    Attributes:
        wait_seconds: until a request would be let in; 0 for one that is.
        remaining: requests that would be let in at once after this one.
        full_seconds: until the bucket is full again, if nothing more is taken.
    """

    wait_seconds: float
    remaining: int
    full_seconds: float


class TokenBuckets:
    """The buckets of all keys.

    Args:
        per_second: tokens that each bucket gets, above 0.
        burst: tokens that a bucket holds, at least 1.
        most_keys: buckets that are kept.
    """

    def __init__(self, per_second: float, burst: int, most_keys: int = MOST_KEYS) -> None:
        self.rate = Rate(per_second, burst)
        self._most_keys = most_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float, rate: Rate | None = None) -> Quota:
        """Take a token out of a key's bucket, if there is one.

        Args:
            key: whose request it is.
            now: seconds of any clock that never goes back.
            rate: of this key's bucket, where it has one of its own.
        """
        per_second, burst = rate or self.rate
        tokens, seen_at = self._buckets.pop(key, (float(burst), now))
        tokens = min(float(burst), tokens + (now - seen_at) * per_second)
        let_in = tokens >= 1.0
        if let_in:
            tokens -= 1.0
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return Quota(
            0.0 if let_in else (1.0 - tokens) / per_second,
            int(tokens),
            (burst - tokens) / per_second,
        )

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until there is a token in a key's bucket; takes none."""
        if key not in self._buckets:
            return 0.0
        tokens, seen_at = self._buckets[key]
        missing = 1.0 - tokens - (now - seen_at) * self.rate.per_second
        return max(0.0, missing / self.rate.per_second)
