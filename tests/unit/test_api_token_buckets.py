"""Buckets fill by the clock, spend one token a request, and are forgotten from the oldest on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.token_buckets import TokenBuckets


def test_a_burst_is_let_in_at_once_and_one_more_waits() -> None:
    buckets = TokenBuckets(2.0, 3)
    quotas = [buckets.take("a", 100.0) for _ in range(4)]
    assert [quota.wait_seconds for quota in quotas] == [0.0, 0.0, 0.0, 0.5]
    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0]
    assert [quota.full_seconds for quota in quotas] == [0.5, 1.0, 1.5, 1.5]


def test_who_waits_as_long_as_told_is_let_in() -> None:
    buckets = TokenBuckets(0.1, 1)
    buckets.take("a", 100.0)
    refused = buckets.take("a", 103.0)
    assert refused.wait_seconds == pytest.approx(7.0)
    assert buckets.take("a", 110.0).wait_seconds == 0


def test_a_bucket_holds_no_more_than_the_burst() -> None:
    buckets = TokenBuckets(5.0, 2)
    buckets.take("a", 0.0)
    assert buckets.take("a", 1e6).remaining == 1


def test_keys_do_not_spend_each_others_tokens() -> None:
    buckets = TokenBuckets(1.0, 1)
    assert buckets.take("a", 0.0).wait_seconds == 0
    assert buckets.take("b", 0.0).wait_seconds == 0
    assert buckets.take("a", 0.0).wait_seconds > 0


def test_the_key_that_was_silent_for_longest_is_forgotten() -> None:
    buckets = TokenBuckets(1.0, 1, most_keys=2)
    for key in ("a", "b", "a", "c"):
        buckets.take(key, 0.0)
    assert len(buckets) == 2
    assert buckets.take("a", 0.0).wait_seconds > 0
    assert buckets.take("b", 0.0).wait_seconds == 0


@given(
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=60),
    per_second=st.floats(0.1, 10),
    burst=st.integers(1, 5),
)
def test_never_more_than_the_burst_and_the_rate(
    gaps: list[float], per_second: float, burst: int
) -> None:
    buckets = TokenBuckets(per_second, burst)
    now, let_in = 0.0, 0
    for gap in gaps:
        now += gap
        let_in += buckets.take("a", now).wait_seconds == 0
    assert let_in <= burst + now * per_second + 1e-6
