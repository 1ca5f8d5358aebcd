"""How many tasks may be with the broker, by how fast they are claimed."""

from collections.abc import Iterable

import pytest

from domain.ports import Dispatched
from relay.window import Window


def observe(window: Window, samples: Iterable[tuple[float, int, int]]) -> list[int]:
    """Show a window (time, last number, numbers still dispatched); returns its sizes."""
    sizes = []
    for now, last, left in samples:
        window.observe(Dispatched(range(last - left + 1, last + 1), last), now)
        sizes.append(window.size)
    return sizes


def test_it_is_small_until_somebody_claims() -> None:
    window = Window(64, 1000)
    assert observe(window, [(0, 0, 0), (1, 64, 64), (2, 64, 64), (60, 64, 64)]) == [64] * 4


def test_it_holds_half_a_second_of_claims() -> None:
    window = Window(64, 1000)
    assert observe(window, [(0, 100, 0), (1, 700, 0), (1.5, 1050, 0)]) == [64, 300, 350]


def test_it_has_bounds() -> None:
    window = Window(64, 1000)
    assert observe(window, [(0, 0, 0), (1, 100_000, 0)])[-1] == 1000
    assert observe(Window(64, 1000), [(0, 0, 0), (1, 10, 0)])[-1] == 64
    assert observe(Window(2000, 1000), [(0, 0, 0), (1, 10, 0)])[-1] == 2000


def test_it_grows_at_once_and_shrinks_by_halves() -> None:
    window = Window(64, 1000)
    samples = [(0, 0, 0), (1, 1600, 0), (2, 1600, 0), (3, 1600, 0), (4, 1600, 0), (5, 1600, 0)]
    assert observe(window, samples) == [64, 800, 400, 200, 100, 64]


def test_what_still_waits_in_the_queue_was_not_claimed() -> None:
    window = Window(64, 1000)
    assert observe(window, [(0, 500, 500), (1, 1000, 500), (2, 1000, 400)]) == [64, 250, 125]


@pytest.mark.parametrize(
    "after",
    [
        Dispatched(range(1, 1), 500, withdrawn=range(1, 501)),
        Dispatched(range(501, 1001), 1000, withdrawn=range(1, 501)),
        Dispatched(range(1, 501), 1000, withdrawn=range(501, 1001)),
    ],
    ids=["cancelled", "forgotten and sent again", "cancelled before they were seen"],
)
def test_what_was_withdrawn_was_not_claimed(after: Dispatched) -> None:
    window = Window(64, 1000)
    window.observe(Dispatched(range(1, 501), 500), 0)
    window.observe(after, 1)
    assert window.size == 64


def test_numbers_that_begin_anew_say_nothing() -> None:
    window = Window(64, 1000)
    observe(window, [(0, 1000, 10), (1, 5, 5), (1, 700, 0)])
    assert window.size == 64


def test_it_finds_out_what_many_slots_take() -> None:
    """Eight tasks every hundredth of a second are enough to see how many are wanted."""
    assert observe(Window(8, 1000), [(0, 0, 0), (1, 800, 8)])[-1] == 396
