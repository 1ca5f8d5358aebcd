"""Long commands show how far they are, in place on a terminal and by lines elsewhere."""

import io

import pytest

from service.audit.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as the test sets it."""
    now = [100.0]
    monkeypatch.setattr("service.audit.progress.time.monotonic", lambda: now[0])
    return now


def test_a_terminal_shows_one_line_that_is_gone_at_the_end(clock: list[float]) -> None:
    stream = Terminal()
    shown = Progress("events verified", stream)
    clock[0] += 0.1
    shown.advance(10)
    assert stream.getvalue() == ""
    clock[0] += 0.4
    shown.advance(1_990)
    assert stream.getvalue() == "\r\x1b[K2,000 events verified in 0.5 s (4,000/s) …"
    assert shown.done() == "2,000 events verified in 0.5 s (4,000/s)"
    assert stream.getvalue().endswith("…\r\x1b[K")


def test_a_file_gets_a_line_every_few_seconds(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = Progress("events", stream)
    for _ in range(12):
        clock[0] += 1.0
        shown.advance(5)
    assert stream.getvalue().splitlines() == [
        "25 events in 5.0 s (5/s) …",
        "50 events in 10.0 s (5/s) …",
    ]
    assert shown.done() == "60 events in 12.0 s (5/s)"
    assert stream.getvalue().count("\n") == 2
