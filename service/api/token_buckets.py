"""A token bucket for each key, in bounded memory. Pure: the time comes in.

A bucket holds `burst` tokens and gets `per_second` new ones each second; each request takes one. If
there are more keys than are kept, the one that has been silent for longest is forgotten, and begins
anew with a full bucket.
"""

from collections import OrderedDict
from dataclasses import dataclass

MOST_KEYS = 50_000


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
        self.per_second = per_second
        self.burst = burst
        self._most_keys = most_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, now: float) -> Quota:
        """Take a token out of a key's bucket, if there is one.

        Args:
            key: whose request it is.
            now: seconds of any clock that never goes back.
        """
        tokens, seen_at = self._buckets.pop(key, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - seen_at) * self.per_second)
        let_in = tokens >= 1.0
        if let_in:
            tokens -= 1.0
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return Quota(
            0.0 if let_in else (1.0 - tokens) / self.per_second,
            int(tokens),
            (self.burst - tokens) / self.per_second,
        )
