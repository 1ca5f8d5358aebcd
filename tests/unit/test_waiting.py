"""What is said about a task that waits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.status import Status
from domain.waiting import QueuePlace, WaitReason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TURN = QueuePlace(
    UUID(int=1),
    Status.PENDING,
    NOW,
    NOW - MINUTE,
    own_ahead=30,
    sent_ahead=20,
    lines=2,
    starts=10.0,
    own_starts=5.0,
    working=True,
)


def test_a_place_counts_from_one() -> None:
    assert TURN.position == 31
    assert replace(TURN, own_ahead=0).position == 1


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.PENDING])
def test_what_does_not_wait_has_no_place(status: Status) -> None:
    place = replace(TURN, status=status)
    assert (place.position, place.reason, place.estimated_start) == (None, None, None)


def test_it_waits_for_its_turn_until_it_is_sent_and_then_for_a_worker() -> None:
    assert TURN.reason is WaitReason.TURN
    assert replace(TURN, sent=True).reason is WaitReason.WORKER


def test_a_pause_holds_up_what_is_not_sent() -> None:
    paused = replace(TURN, paused=True)
    assert paused.reason is WaitReason.PAUSED
    assert paused.estimated_start is None
    assert replace(paused, sent=True).reason is WaitReason.WORKER


def test_an_earliest_start_is_the_reason_until_it_has_come() -> None:
    later = replace(TURN, ready_since=NOW + MINUTE)
    assert later.reason is WaitReason.NOT_BEFORE
    assert later.estimated_start == NOW + MINUTE


def test_a_worker_is_missing_where_nothing_begins_and_nothing_runs() -> None:
    idle = replace(TURN, starts=0.0, own_starts=0.0, working=False)
    assert idle.reason is WaitReason.NO_WORKER
    assert idle.estimated_start is None
    # It may just be on its way, or the workers may be busy with long circuits.
    assert replace(idle, ready_since=NOW).reason is WaitReason.TURN
    assert replace(idle, working=True).reason is WaitReason.TURN


def test_it_starts_when_all_that_goes_first_has() -> None:
    # 20 that are sent at 10/s, then 30 of its tenant, which gets 5/s of them.
    assert TURN.estimated_start == NOW + timedelta(seconds=2 + 6)
    assert replace(TURN, sent=True).estimated_start == NOW + timedelta(seconds=2)


def test_an_estimate_is_rounded_up_to_a_second() -> None:
    place = replace(TURN, sent=True, sent_ahead=21)
    assert place.estimated_start == NOW + timedelta(seconds=3)


def test_a_tenant_that_comes_anew_is_promised_its_part() -> None:
    anew = replace(TURN, own_starts=0.0)
    assert anew.estimated_start == NOW + timedelta(seconds=2 + 6)
    assert replace(anew, lines=3).estimated_start == NOW + timedelta(seconds=2 + 9)
