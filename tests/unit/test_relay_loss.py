"""When a dispatched message counts as lost, and when it does not."""

from collections.abc import Collection

import pytest

from domain.ports import Dispatched
from relay.loss import LossDetector

PATIENCE = 10.0


class Watched:
    """A queue and an outbox seen every second."""

    def __init__(self) -> None:
        self.detector = LossDetector(PATIENCE)
        self.now = 1_000.0
        self.lost: list[int] = []

    def see(
        self,
        numbers: list[int],
        last: int,
        ready: int | None = 5,
        seconds: int = 1,
        *,
        paused: bool = False,
        withdrawn: Collection[int] = (),
    ) -> list[int]:
        """Show the same picture for so many seconds; returns what was declared lost meanwhile."""
        found: list[int] = []
        for _ in range(seconds):
            dispatched = Dispatched(numbers, last, paused, withdrawn)
            found += self.detector.observe(dispatched, ready, self.now)
            self.now += 1.0
        return found


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_a_row_left_behind_for_ten_seconds_is_lost(watched: Watched) -> None:
    assert watched.see([1, 2, 3], last=3) == []
    assert watched.see([1, 3], last=3, seconds=10) == []
    assert watched.see([1, 3], last=3) == [1]


def test_rows_in_front_of_the_last_claim_are_not_lost(watched: Watched) -> None:
    assert watched.see([3, 4, 5], last=5, seconds=100) == []


def test_a_long_backlog_that_moves_is_not_lost(watched: Watched) -> None:
    for first in range(1, 200):
        assert watched.see(list(range(first, first + 100)), last=first + 99) == []


def test_a_full_window_without_workers_is_not_lost(watched: Watched) -> None:
    assert watched.see(list(range(1, 1_001)), last=1_000, ready=1_000, seconds=600) == []


def test_a_backlog_that_waits_for_hours_is_sent_once(watched: Watched) -> None:
    """Four hours of a backlog of 100,000: a full window, and one claim a second."""
    window, last, lost = 200, 200, []
    for claimed in range(4 * 3_600):
        numbers = list(range(claimed + 1, last + 1))
        lost += watched.see(numbers, last, ready=len(numbers))
        last = min(100_000, claimed + 1 + window)
    assert lost == []


def test_a_queue_that_stays_empty_has_lost_what_is_dispatched(watched: Watched) -> None:
    assert watched.see([1, 2, 3], last=3, ready=3) == []
    assert watched.see([1, 2, 3], last=3, ready=0, seconds=10) == []
    assert watched.see([1, 2, 3], last=3, ready=0) == [1, 2, 3]


def test_only_rows_as_old_as_the_emptiness_are_lost(watched: Watched) -> None:
    watched.see([1], last=1, ready=0, seconds=8)
    assert watched.see([1, 2], last=2, ready=0, seconds=2) == []
    assert watched.see([1, 2], last=2, ready=0) == [1]


def test_one_message_in_the_queue_ends_the_emptiness(watched: Watched) -> None:
    watched.see([1], last=1, ready=0, seconds=9)
    watched.see([1], last=1, ready=1)
    assert watched.see([1], last=1, ready=0, seconds=10) == []
    assert watched.see([1], last=1, ready=0) == [1]


def test_busy_workers_that_keep_the_queue_empty_lose_nothing(watched: Watched) -> None:
    for number in range(1, 100):
        assert watched.see([number], last=number, ready=0) == []


def test_time_without_the_broker_does_not_count(watched: Watched) -> None:
    watched.see([1, 2, 3], last=3)
    watched.see([1, 3], last=3, ready=0, seconds=9)
    watched.see([1, 3], last=3, ready=None)
    assert watched.see([1, 3], last=3, ready=0, seconds=10) == []
    assert watched.see([1, 3], last=3, ready=0) == [1, 3]


def test_nothing_is_lost_while_dispatch_is_paused(watched: Watched) -> None:
    watched.see([1, 2, 3], last=3)
    assert watched.see([1, 3], last=3, ready=0, seconds=100, paused=True) == []
    assert watched.see([1, 3], last=3, ready=0, seconds=10) == []
    assert watched.see([1, 3], last=3, ready=0) == [1, 3]


def test_time_without_looking_does_not_count(watched: Watched) -> None:
    watched.see([1, 2, 3], last=3)
    watched.see([1, 3], last=3, ready=0, seconds=9)
    watched.now += 3_600.0
    assert watched.see([1, 3], last=3, ready=0, seconds=10) == []
    assert watched.see([1, 3], last=3, ready=0) == [1, 3]


def test_a_row_made_to_wait_again_does_not_look_claimed(watched: Watched) -> None:
    """Numbers 1 to 3 are lost by emptiness; 4 was younger and its message is in the queue."""
    watched.see([1, 2, 3], last=3, ready=0, seconds=2)
    assert watched.see([1, 2, 3], last=3, ready=0, seconds=8) == []
    assert watched.see([1, 2, 3, 4], last=4, ready=0) == [1, 2, 3]
    # They come back as 5 to 7, behind 4; nothing was ever claimed.
    again, before = [4, 5, 6, 7], [1, 2, 3]
    assert watched.see(again, last=7, ready=4, seconds=60, withdrawn=before) == []


def test_rows_in_front_of_cancelled_ones_are_not_lost(watched: Watched) -> None:
    assert watched.see(list(range(1, 11)), last=10, ready=10) == []
    assert watched.see([1, 2, 3, 4], last=10, ready=10, seconds=60, withdrawn=range(5, 11)) == []


def test_a_watch_that_begins_after_a_cancellation_knows_of_it(watched: Watched) -> None:
    """A relay that takes over has not seen the row go."""
    assert watched.see([1, 3], last=3, ready=3, seconds=60, withdrawn=[2]) == []


def test_a_claim_among_cancelled_rows_still_shows_what_was_left_behind(watched: Watched) -> None:
    watched.see([1, 2, 3, 4, 5], last=5)
    watched.see([1, 4], last=5, seconds=10, withdrawn=[3, 5])
    assert watched.see([1, 4], last=5, withdrawn=[3, 5]) == [1]


def test_a_row_that_could_not_be_made_to_wait_is_found_again(watched: Watched) -> None:
    watched.see([1, 2], last=2)
    watched.see([1], last=2, seconds=10)
    assert watched.see([1], last=2) == [1]
    assert watched.see([1], last=2) == [1]


def test_numbers_that_begin_anew_begin_the_watch_anew(watched: Watched) -> None:
    watched.see([7, 9], last=9, seconds=10)
    assert watched.see([1], last=2, seconds=11) == []
    assert watched.see([1], last=2) == [1]


def test_numbers_that_are_drawn_and_not_committed_yet_do_not_look_claimed(
    watched: Watched,
) -> None:
    """The sequence runs ahead: 4 and 5 are given, and their rows show a sample later."""
    for number in range(1, 40):
        backlog = list(range(1, 3 * number + 1))
        assert watched.see(backlog, last=3 * number + 2, ready=3 * number) == []
